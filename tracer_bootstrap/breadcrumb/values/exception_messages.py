"""Compose the messages that are not in the arguments of an exception, without running code of the program.

``str`` of an exception is the ``__str__`` of a class: that of BaseException shows the arguments, those of other
built-in classes their fields. A ``__str__`` in Python is not called. Those of the standard library are repeated here;
for others the fields of the exception are shown.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]
from types import MemberDescriptorType

from ..runtime.classes import attribute_of, class_module, class_name, is_heap_type, mro, namespace
from ..runtime.features import FAILED_COMMAND_IS_REPR
from ..runtime.interruptions import raised_by_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

    # Writes a value in the notation of Python, with secrets redacted.
    Notation = Callable[[Any], str]

_MAX_CLASS_FIELDS = 4
_MAX_NOTES = 5

_fields_of: Any = BaseException.__dict__["__dict__"].__get__

# Fields of built-in exceptions that their ``__str__`` shows; those of these types only, whose ``str`` is built in too.
_SHOWN = {
    SyntaxError: ("msg", "filename", "lineno"),
    UnicodeDecodeError: ("encoding", "object", "reason", "start", "end"),
    UnicodeEncodeError: ("encoding", "object", "reason", "start", "end"),
    UnicodeTranslateError: ("object", "reason", "start", "end"),
}
_PLAIN = (str, int, bytes, type(None))


def special_message(exception: BaseException, base: type, args: Tuple[Any, ...], notation: Notation) -> str:
    """Return the message of an exception of a class with a ``__str__`` of its own; empty to show the arguments.

    Args:
        exception: The exception.
        base: The class that defines its ``__str__``.
        args: The arguments of the exception.
        notation: Writes a value in the notation of Python, with secrets redacted.
    """
    if base is KeyError:
        return _repr(args[0], notation) if len(args) == 1 else ""
    if base is OSError:
        return _os_error(exception, notation)
    module, name = class_module(base), class_name(base)
    if name == "BaseExceptionGroup" and module in ("builtins", "exceptiongroup", "exceptiongroup._exceptions"):
        return _group(args, notation)
    if not is_heap_type(base):
        return _built_in(exception, base, _SHOWN.get(base, ()))
    compose = _STANDARD_LIBRARY.get((module, name))
    return compose(exception, notation) if compose is not None else ""


def _repr(value: Any, notation: Notation) -> str:
    return repr(value) if type(value) is str else notation(value)


def _os_error(exception: BaseException, notation: Notation) -> str:
    number, reason, first, second = [
        _member(OSError, exception, name) for name in ("errno", "strerror", "filename", "filename2")
    ]
    if type(number) is not int or reason is None:
        return ""
    text = "[Errno %d] %s" % (number, _text(reason, notation))
    if first is not None:
        text += ": " + _repr(first, notation)
        if second is not None:
            text += " -> " + _repr(second, notation)
    return text


def _group(args: Tuple[Any, ...], notation: Notation) -> str:
    """Return the text of an ExceptionGroup: the built-in one, or that of the package exceptiongroup."""
    if len(args) != 2 or (type(args[1]) is not list and type(args[1]) is not tuple):
        return ""
    count = len(args[1])
    return "%s (%d sub-exception%s)" % (_text(args[0], notation), count, "" if count == 1 else "s")


def _built_in(exception: BaseException, base: type, shown: Tuple[str, ...]) -> str:
    """Call a ``__str__`` in C, if the fields that it converts are known and of built-in types."""
    for name in shown:
        kind = type(_member(base, exception, name))
        if not any(kind is plain for plain in _PLAIN):
            return ""
    return str(namespace(base)["__str__"](exception)) if shown else ""


def _member(base: type, exception: BaseException, name: str) -> Any:
    try:
        return namespace(base)[name].__get__(exception)
    except (AttributeError, TypeError) as error:  # not set, as the class's __init__ was not called
        if raised_by_program(error):
            raise
        return _Unset


class _Unset:
    """Stands for a member without a value; its type is not a plain one."""


def _text(value: Any, notation: Notation) -> str:
    return value if type(value) is str else notation(value)


def _http_error(exception: BaseException, notation: Notation) -> str:
    code, reason = attribute_of(exception, "code"), attribute_of(exception, "msg")
    return "HTTP Error %s: %s" % (_text(code, notation), _text(reason, notation))


def _url_error(exception: BaseException, notation: Notation) -> str:
    return "<urlopen error %s>" % _text(attribute_of(exception, "reason"), notation)


def _failed_process(exception: BaseException, notation: Notation) -> str:
    code = attribute_of(exception, "returncode")
    command = attribute_of(exception, "cmd")
    if type(code) is int and code < 0:
        return "Command '%s' died with %s." % (_text(command, notation), _signal_name(-code))
    shown = _repr(command, notation) if FAILED_COMMAND_IS_REPR else "'%s'" % _text(command, notation)
    return "Command %s returned non-zero exit status %s." % (shown, _text(code, notation))


def _signal_name(number: int) -> str:
    for name, value in list(vars(_signal).items()):
        if name.startswith("SIG") and name[3:4] != "_" and type(value) is int and value == number:
            return "<Signals.%s: %d>" % (name, number)
    return "unknown signal %d" % number


def _slow_process(exception: BaseException, notation: Notation) -> str:
    command, timeout = attribute_of(exception, "cmd"), attribute_of(exception, "timeout")
    return "Command '%s' timed out after %s seconds" % (_text(command, notation), _text(timeout, notation))


_STANDARD_LIBRARY: Dict[Tuple[str, str], Callable[[BaseException, Notation], str]] = {
    ("urllib.error", "HTTPError"): _http_error,
    ("urllib.error", "URLError"): _url_error,
    ("subprocess", "CalledProcessError"): _failed_process,
    ("subprocess", "TimeoutExpired"): _slow_process,
}


def telling_fields(exception: BaseException) -> List[Tuple[str, Any]]:
    """Return the names and values of an exception's fields, of which a message can be made.

    Private fields are left out if there are others. An exception without any, or with nothing but None, is told by the
    numbers and texts of its class: ``code = 404``.
    """
    own = _own_fields(exception)
    public = [field for field in own if field[0][:1] != "_"] or own
    return public if any(value is not None for _, value in public) else _class_fields(type(exception)) or public


def _own_fields(exception: BaseException) -> List[Tuple[str, Any]]:
    """Return the fields in slots and in ``__dict__``, without notes."""
    found: Dict[str, Any] = {}
    for base in mro(type(exception)):
        for name, member in list(namespace(base).items()) if is_heap_type(base) else ():
            if type(name) is str and name[:2] != "__" and type(member) is MemberDescriptorType:
                found.setdefault(name, _member(base, exception, name))
    own = _fields_of(exception)
    for name, value in list(own.items()) if type(own) is dict else ():
        if type(name) is str and name != "__notes__":
            found.setdefault(name, value)
    return [(name, value) for name, value in found.items() if value is not _Unset]


def _class_fields(cls: type) -> List[Tuple[str, Any]]:
    found: Dict[str, Any] = {}
    for base in mro(cls):
        for name, value in list(namespace(base).items()) if is_heap_type(base) else ():
            if type(name) is str and name[:1] != "_" and (type(value) is int or type(value) is str):
                found.setdefault(name, value)
    return list(found.items())[:_MAX_CLASS_FIELDS]


def notes_of(fields: Any) -> List[str]:
    """Return the texts that ``add_note`` added, which a traceback shows below the message.

    Args:
        fields: The ``__dict__`` of an exception.
    """
    notes = fields.get("__notes__") if type(fields) is dict else None
    return [note for note in notes[:_MAX_NOTES] if type(note) is str] if type(notes) is list else []


def without_escapes(text: str) -> str:
    r"""Remove the escape sequences of terminals: colours (``\x1b[31m``), links and titles (``\x1b]...\x07``)."""
    pieces: List[str] = []
    kept = 0
    at = text.find("\x1b")
    while at >= 0:
        pieces.append(text[kept:at])
        kept = _end_of_escape(text, at + 1)
        at = text.find("\x1b", kept)
    return "".join(pieces) + text[kept:]


def _end_of_escape(text: str, at: int) -> int:
    """Return the position after an escape sequence (ECMA-48) whose second character is at a position."""
    kind = text[at : at + 1]
    if kind == "[":
        end = at + 1
        while end < len(text) and " " <= text[end] <= "?":
            end += 1
        return end + 1
    if kind == "]":
        ends = [end + len(mark) for mark in ("\x07", "\x1b\\") for end in [text.find(mark, at)] if end >= 0]
        return min(ends) if ends else len(text)
    return at + 1
