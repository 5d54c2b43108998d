"""Note the children that the program starts without the tracer: with other variables, or with options that skip it.

The server may miss a child that lives briefly; the parent knows the environment that it was given. The end of
``subprocess.Popen._execute_child`` is observed, whether it is traced or not. An audit hook would hear of all ways to
start a process, but make each traced call several times as expensive. This module is imported when the first child is
started. The server judges what was noted: it knows in which processes the tracer has started.
"""

from __future__ import annotations

from sys import getfilesystemencoding
from types import CodeType, FrameType

from ..record_format import CHILDREN_SUFFIX, ENV_TRACE
from ..runtime.classes import attribute_of
from ..values.frame_locals import forget_locals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Tuple

    from ..session.session import Session

# Children that are noted for each process: those of a loop are alike.
_MAX_CHILDREN = 100
# Words of a command, and characters of a word: the server shows one line. Longer words are searched for secrets first.
_MAX_WORDS = 12
_MAX_WORD_CHARS = 600  # of a shell, one word is the whole command
_MAX_SEARCHED_CHARS = 20_000

_TRACE, _PATH = ENV_TRACE.encode(), b"PYTHONPATH"


def _bytes(text: str) -> bytes:
    return text.encode(getfilesystemencoding(), "surrogateescape")


_OWN_FOLDER = _bytes(__file__.rpartition("/")[0].rpartition("/")[0] + "/_inject")


class ChildLog:
    """The log of the children of this process that cannot load the tracer.

    Args:
        session: Redacts and writes.
        variables: ``os.environ`` as it was when the tracer started: a child that is given no environment inherits what
            it holds, also where the program has replaced the name.
    """

    def __init__(self, session: Session, variables: Any) -> None:
        self._session = session
        self._inherited = attribute_of(variables, "_data")
        self._noted = 0

    def clear(self) -> None:
        """Count anew, in a forked child."""
        self._noted = 0

    def starts(self, code: CodeType, frame: FrameType) -> None:
        """Do nothing: the child's pid is known at the end."""

    def ends(self, code: CodeType, frame: FrameType, value: Any) -> None:
        """Note the child that a call of ``_execute_child`` has started, if it lacks a variable or may skip the tracer.

        Args:
            code: The function's code.
            frame: The frame of the call.
            value: The return value.
        """
        if self._noted >= _MAX_CHILDREN:
            return
        variables = frame.f_locals
        popen, args, program = variables.get("self"), variables.get("args"), variables.get("executable")
        given = variables.get("env_list")
        env = variables.get("env")
        failed = variables.get("errpipe_data")
        if self._session.clears_locals:
            forget_locals(frame)
        pid = attribute_of(popen, "pid")
        if failed or type(pid) is not int or type(args) is not list:
            return
        words = [_text(word) for word in args[:_MAX_WORDS]]
        found: Optional[Tuple[Optional[bytes], Optional[bytes]]] = (
            _of_pairs(given) if type(given) is list else _of_dict(self._inherited if env is None else env)
        )
        if found is None:
            return
        trace, path = found
        is_own = trace == _bytes(self._session.folder)
        has_folder = path is not None and _OWN_FOLDER in path.split(b":")
        if (is_own and has_folder and not _may_skip(words)) or (trace and not is_own):
            return  # it can load the tracer, or is a part of another trace
        self._noted += 1
        self._write(pid, _text(program), words, is_own, None if path is None else _decoded(path), has_folder)

    def _write(
        self, pid: int, program: str, words: List[str], has_trace: bool, path: Optional[str], has_folder: bool
    ) -> None:
        session = self._session
        encode = session.encoder.encode_text
        redacted = session.redactor.redact_command(words)
        fields = (
            b'"pid": %d' % pid,
            b'"program": %b' % encode(program),
            b'"command": [%b]' % b", ".join(encode(word[:_MAX_WORD_CHARS]) for word in redacted),
            b'"has_trace": %b' % (b"true" if has_trace else b"false"),
            b'"python_path": %b' % (b"null" if path is None else encode(path)),
            b'"has_folder": %b' % (b"true" if has_folder else b"false"),
        )
        session.spool.append(CHILDREN_SUFFIX, b"{%b}\n" % b", ".join(fields))


def _decoded(data: bytes) -> str:
    return data.decode(getfilesystemencoding(), "surrogateescape")


def _text(word: Any) -> str:
    """Return a word of a command: a text, bytes, or a path, whose class may be the program's."""
    if type(word) is bytes:
        word = _decoded(word)
    return word[:_MAX_SEARCHED_CHARS] if type(word) is str else "?"


def _may_skip(words: List[str]) -> bool:
    """Return whether a command may skip the tracer: by an option before its script, or a PYTHONPATH for its own child.

    The server looks at it closely.
    """
    return any("PYTHONPATH=" in word for word in words[1:]) or any(
        word.startswith("-") and ("E" in word or "I" in word or "S" in word) for word in words[1:4]
    )


def _of_pairs(pairs: Iterable[Any]) -> Tuple[Optional[bytes], Optional[bytes]]:
    """Return the two variables of the tracer from items such as ``b"NAME=value"``; None where there is none."""
    found: Dict[bytes, bytes] = {}
    for pair in pairs:
        if type(pair) is bytes and pair.startswith((_TRACE, _PATH)):
            name, _, value = pair.partition(b"=")
            found[name] = value
    return found.get(_TRACE), found.get(_PATH)


def _of_dict(variables: Any) -> Optional[Tuple[Optional[bytes], Optional[bytes]]]:
    """Return the two variables of the tracer from a dict; None for a mapping of the program."""
    if type(variables) is not dict:
        return None
    found = [_value(variables, name) for name in (_TRACE, _PATH)]
    return found[0], found[1]


def _value(variables: Dict[Any, Any], name: bytes) -> Optional[bytes]:
    value = variables.get(name)
    if value is None:
        value = variables.get(name.decode())
    if type(value) is str:
        return _bytes(value)
    return value if type(value) is bytes else None
