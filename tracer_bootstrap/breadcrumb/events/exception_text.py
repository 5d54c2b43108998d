"""Describe an exception without running code of its class: its type, its message and the frames it passed."""

from __future__ import annotations

from opcode import opmap
from types import CodeType, FrameType, TracebackType

from ..runtime.classes import class_module, class_name, imported_class, is_heap_type, mro, namespace
from ..runtime.interruptions import raised_by_program
from ..runtime.late_modules import import_late_modules, load_late_module
from ..session.patterns import IncludeFilter
from ..values.encoder import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

# Frames of a stack text.
_MAX_STACK_FRAMES = 40
# Lines of such texts that are kept.
_MAX_KNOWN_LINES = 2000
# Stands for the line at which a frame is: it is found for the frames that are written only.
_NOW = -1
# Characters of each of several arguments, so that a long one (a text that was parsed) does not hide the others.
_MAX_ARGUMENT_CHARS = 200

# The module of the errors that programs with pydantic see most often.
_PYDANTIC_CORE = "pydantic_core._pydantic_core"

# Flags of the code of generators, async ones too.
_CO_GENERATORS = 0x20 | 0x200

# From 3.11 on, the argument of RESUME tells a ``yield`` from ``yield from`` and ``await``, which also suspend by
# YIELD_VALUE.
_YIELD_VALUE = opmap["YIELD_VALUE"]
_RAISE = opmap["RAISE_VARARGS"]

# Entries of a traceback that are searched for an earlier raise: one that the program keeps for long has many.
_MAX_ENTRIES_BETWEEN_RAISES = 100
_RESUME = opmap.get("RESUME")
_RESUME_REASON, _AFTER_YIELD = 3, 1
# Modules whose objects are recorded by their type and what ``str`` makes of them.
_TEXT_MODULES = {"decimal", "datetime", "fractions", "ipaddress", "pathlib", "pathlib._local", "uuid", "zoneinfo"}

_args_of: Any = BaseException.__dict__["args"].__get__
_fields_of: Any = BaseException.__dict__["__dict__"].__get__

_messages: Any = None  # the module, once it was needed


def type_name(cls: type) -> str:
    """Return the name of an exception's class, with its module unless that is ``builtins``."""
    module = class_module(cls)
    return class_name(cls) if module in ("builtins", "") else "%s.%s" % (module, class_name(cls))


def message_of(exception: BaseException, encoder: Encoder) -> str:
    """Return the text of ``str(exception)`` with its notes, without calling a ``__str__`` of the program.

    Where the class has one, the text is made of the arguments; without any, of the fields.
    """
    message = _message(exception, encoder)
    fields = _fields_of(exception)
    if "\x1b" in message or (type(fields) is dict and "__notes__" in fields):
        messages = _exception_messages()
        message = messages.without_escapes("\n".join([message, *messages.notes_of(fields)]))
    return message


def _message(exception: BaseException, encoder: Encoder) -> str:
    args = _args_of(exception)
    if type(args) is not tuple:
        args = ()
    base = _class_with_str(type(exception))
    if base is not BaseException:
        message: str = _exception_messages().special_message(
            exception, base, args, lambda value: _python_notation(value, encoder)
        )
        if message:
            return message
    if not args:
        return _message_without_args(exception, encoder)
    if len(args) == 1:
        return args[0] if type(args[0]) is str else _as_str(args[0], encoder)
    return "(%s)" % ", ".join([_shorten(_python_notation(arg, encoder)) for arg in args])


def _exception_messages() -> Any:
    """Return the module with the messages of some classes; it is not imported for others."""
    global _messages
    if _messages is None:
        load_late_module("values.exception_messages")
        from ..values import exception_messages

        _messages = exception_messages  # kept, as a program may empty sys.modules
    return _messages


def _class_with_str(cls: type) -> type:
    """Return the class that defines ``__str__`` for instances of an exception class."""
    for base in mro(cls):
        if "__str__" in namespace(base):
            return base
    return BaseException


def _as_str(value: Any, encoder: Encoder) -> str:
    """Return a value as ``str`` has it, with secrets redacted."""
    if class_module(type(value)) not in _TEXT_MODULES:
        return _python_notation(value, encoder)
    import_late_modules()
    from ..values.python_text import text_content

    return _translated(encoder.encode(value), text_content)


def _python_notation(value: Any, encoder: Encoder) -> str:
    """Return a value in the notation of Python, with secrets redacted."""
    import_late_modules()
    from ..values.python_text import python_text

    return _translated(encoder.encode(value), python_text)


def _translated(encoded: bytes, translate: Callable[[str], str]) -> str:
    text = encoded.decode("utf-8", "replace")
    try:
        return translate(text)
    except (IndexError, ValueError) as error:  # the key of a dict that was cut
        if raised_by_program(error):
            raise
        return text


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_ARGUMENT_CHARS else text[:_MAX_ARGUMENT_CHARS] + "…"


def _message_without_args(exception: BaseException, encoder: Encoder) -> str:
    cls = type(exception)
    if class_module(cls) == _PYDANTIC_CORE and cls is imported_class(_PYDANTIC_CORE, "ValidationError"):
        import_late_modules()
        from ..values.library_objects import validation_summary

        return validation_summary(exception)
    fields = _exception_messages().telling_fields(exception) if is_heap_type(cls) else None
    if not fields:
        return ""
    load_late_module("values.python_text")
    from ..values.python_text import python_fields

    return _translated(
        encoder.encode_fields(fields[: encoder.max_items]),
        lambda text: ", ".join(["%s=%s" % (name, _shorten(item)) for name, item in python_fields(text)]),
    )


class StackText:
    """The texts of stacks. Most frames come again with the next exception: their lines are kept.

    Args:
        include: Knows the paths of files.
        encoder: Encodes the lines.
    """

    def __init__(self, include: IncludeFilter, encoder: Encoder) -> None:
        self._include = include
        self._encoder = encoder
        self._generation = -1  # of what is known to be secret, for which the lines hold
        self._lines: Dict[Tuple[str, str, Optional[int]], bytes] = {}

    def encoded(self, frames: List[Tuple[FrameType, int]]) -> bytes:
        """Return the stack from the outermost frame to the raise as the JSON of a text, a line for each frame.

        Of a deep stack the middle is left out. Each line is redacted by itself.

        Args:
            frames: (frame, line) from a frame that is still on the stack inwards.
        """
        stack: List[Tuple[FrameType, Optional[int]]] = []
        back: Optional[FrameType] = frames[0][0].f_back
        while back is not None:
            stack.append((back, _NOW))
            back = back.f_back
        stack.reverse()
        stack.extend(frames)
        left_out = len(stack) - _MAX_STACK_FRAMES
        half = _MAX_STACK_FRAMES // 2
        if left_out > 0:
            del stack[half:-half]
        lines = [self._line(frame.f_code, frame.f_lineno if line == _NOW else line) for frame, line in stack]
        if left_out > 0:
            lines.insert(half, b"... %d frames left out" % left_out)
        return b'"%b"' % b"\\n".join(lines)

    def _line(self, code: CodeType, line: Optional[int]) -> bytes:
        generation = self._encoder.generation()
        if generation != self._generation or len(self._lines) >= _MAX_KNOWN_LINES:
            self._lines.clear()
            self._generation = generation
        key = (code.co_filename, code.co_name, line)
        known = self._lines.get(key)
        if known is None:
            text = "%s:%s in %s" % (self._include.absolute(code.co_filename), line, code.co_name)
            known = self._encoder.encode_text(text)[1:-1]
            if generation == self._encoder.generation():
                self._lines[key] = known
        return known


def raised_at(traceback: Optional[TracebackType], frame: FrameType) -> Tuple[FrameType, int]:
    """Return the frame that raised, *frame* or one further in, and the instruction there."""
    while traceback is not None and traceback.tb_frame is not frame:
        traceback = traceback.tb_next
    if traceback is None:
        return frame, frame.f_lasti
    while traceback.tb_next is not None and not _starts_anew(traceback):
        traceback = traceback.tb_next
    return traceback.tb_frame, traceback.tb_lasti


def raised_anew(traceback: Optional[TracebackType], frame: FrameType) -> bool:
    """Return whether *frame* raises an exception with the statement that has raised the same object before."""
    while traceback is not None and traceback.tb_frame is not frame:
        traceback = traceback.tb_next
    return traceback is not None and _starts_anew(traceback)


def _starts_anew(entry: TracebackType) -> bool:
    """Return whether the entries after this one are of earlier raises by the same statement.

    Programs keep exceptions in variables and raise them wherever they are needed; each time the traceback gets longer.
    One that a frame has caught and raises again goes on, as does one that was carried there from elsewhere.
    """
    frame, instruction = entry.tb_frame, entry.tb_lasti
    code = frame.f_code
    earlier = entry.tb_next
    if earlier is None or instruction < 0 or code.co_code[instruction] != _RAISE:
        return False
    is_anew = False
    for _ in range(_MAX_ENTRIES_BETWEEN_RAISES):
        if earlier is None:
            break
        if earlier.tb_frame is frame:
            return earlier.tb_lasti == instruction
        if earlier.tb_lasti == instruction and earlier.tb_frame.f_code is code:
            is_anew = True
        earlier = earlier.tb_next
    return is_anew


def frames_of(traceback: Optional[TracebackType], frame: FrameType) -> Tuple[List[Tuple[FrameType, int]], bool]:
    """Return the frames, with their lines, that called each other from *frame* to the raise.

    A traceback also has generators that the exception was thrown into while they waited at a ``yield``: contextlib and
    web frameworks do so. Those did not call the code that raised it, and neither did what is before them.

    Returns:
        The frames, the outermost first, and whether some were left out for that reason.
    """
    while traceback is not None and traceback.tb_frame is not frame:
        traceback = traceback.tb_next
    if traceback is None:
        return [(frame, frame.f_lineno)], False
    frames: List[Tuple[FrameType, int]] = []
    thrown = False
    while traceback is not None:
        if traceback.tb_next is not None and _waits_at_yield(traceback.tb_frame, traceback.tb_lasti):
            frames.clear()
            thrown = True
        else:
            frames.append((traceback.tb_frame, traceback.tb_lineno))
            if _starts_anew(traceback):
                break
        traceback = traceback.tb_next
    return frames, thrown


def _waits_at_yield(frame: FrameType, at: int) -> bool:
    """Return whether the instruction is a ``yield``, at which a generator calls nothing (``yield from`` does)."""
    if not frame.f_code.co_flags & _CO_GENERATORS or at < 0:
        return False
    instructions = frame.f_code.co_code
    if instructions[at] == _YIELD_VALUE:
        if _RESUME is None:
            return True
        at += 2
    return instructions[at] == _RESUME and instructions[at + 1] & _RESUME_REASON == _AFTER_YIELD
