"""Describe an exception without running code of its class: its type, its message and the frames it passed."""

from __future__ import annotations

from types import FrameType, TracebackType

from ..runtime.classes import class_module, class_name, derives, imported_class
from ..runtime.interruptions import raised_by_program
from ..runtime.late_modules import import_late_modules
from ..session.patterns import IncludeFilter
from ..values.encoder import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, List, Optional, Tuple

# Frames of a stack text.
_MAX_STACK_FRAMES = 40
# Characters of each of several arguments, so that a long one (a text that was parsed) does not hide the others.
_MAX_ARGUMENT_CHARS = 200

# The module of the errors that programs with pydantic see most often.
_PYDANTIC_CORE = "pydantic_core._pydantic_core"

_args_of: Any = BaseException.__dict__["args"].__get__
_filename_of: Any = OSError.__dict__["filename"].__get__  # not among the args


def type_name(cls: type) -> str:
    """Return the name of an exception's class, with its module unless that is ``builtins``."""
    module = class_module(cls)
    return class_name(cls) if module in ("builtins", "") else "%s.%s" % (module, class_name(cls))


def message_of(exception: BaseException, encoder: Encoder) -> str:
    """Return the text of ``str(exception)``, from ``args`` alone: the class may have its own ``__str__``."""
    args = _args_of(exception)
    if type(args) is not tuple or not args:
        return _message_without_args(exception)
    first = args[0]
    if len(args) == 1:
        if type(first) is str:
            return first if type(exception) is not KeyError else "'%s'" % first
        return _python_notation(first, encoder)
    if derives(type(exception), OSError) and type(first) is int:
        reason = args[1] if type(args[1]) is str else _python_notation(args[1], encoder)
        return "[Errno %d] %s%s" % (first, reason, _file_suffix(exception, encoder))
    if derives(type(exception), SyntaxError) and len(args) == 2 and type(args[1]) is tuple:
        return (first if type(first) is str else _python_notation(first, encoder)) + _place_suffix(args[1])
    return "(%s)" % ", ".join([_shorten(_python_notation(arg, encoder)) for arg in args])


def _python_notation(value: Any, encoder: Encoder) -> str:
    """Return a value in the notation of Python, with secrets redacted."""
    text = encoder.encode(value).decode("utf-8", "replace")
    import_late_modules()
    from ..values.python_text import python_text

    try:
        return python_text(text)
    except (IndexError, ValueError) as error:  # the key of a dict that was cut
        if raised_by_program(error):
            raise
        return text


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_ARGUMENT_CHARS else text[:_MAX_ARGUMENT_CHARS] + "…"


def _message_without_args(exception: BaseException) -> str:
    if class_module(type(exception)) != _PYDANTIC_CORE:
        return ""
    import_late_modules()
    from ..values.library_objects import validation_summary

    known = imported_class(_PYDANTIC_CORE, "ValidationError")
    return validation_summary(exception) if type(exception) is known else ""


def _file_suffix(exception: BaseException, encoder: Encoder) -> str:
    filename = _filename_of(exception)
    if filename is None:
        return ""
    return ": '%s'" % filename if type(filename) is str else ": " + _python_notation(filename, encoder)


def _place_suffix(details: Tuple[Any, ...]) -> str:
    """Return `` (module.py, line 3)`` from the second argument of a SyntaxError."""
    if len(details) < 2 or type(details[0]) is not str or type(details[1]) is not int:
        return ""
    return " (%s, line %d)" % (details[0].replace("\\", "/").rpartition("/")[2], details[1])


def stack_text(frames: List[Tuple[FrameType, int]], include: IncludeFilter) -> str:
    """Return the stack from the outermost frame to the raise, one frame a line, without the middle of a deep stack.

    *frames* holds (frame, line) from a frame that is still on the stack inwards.
    """
    lines: List[str] = []
    back: Optional[FrameType] = frames[0][0].f_back
    while back is not None:
        lines.append(_frame_line(include.absolute(back.f_code.co_filename), back.f_lineno, back.f_code.co_name))
        back = back.f_back
    lines.reverse()
    for raising, line in frames:
        lines.append(_frame_line(include.absolute(raising.f_code.co_filename), line, raising.f_code.co_name))
    if len(lines) > _MAX_STACK_FRAMES:
        half = _MAX_STACK_FRAMES // 2
        lines[half:-half] = ["... %d frames left out" % (len(lines) - 2 * half)]
    return "\n".join(lines)


def raised_at(traceback: Optional[TracebackType], frame: FrameType) -> Tuple[FrameType, int]:
    """Return the frame that raised, *frame* or one further in, and the instruction there."""
    while traceback is not None and traceback.tb_frame is not frame:
        traceback = traceback.tb_next
    if traceback is None:
        return frame, frame.f_lasti
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame, traceback.tb_lasti


def frames_of(traceback: Optional[TracebackType], frame: FrameType) -> Iterator[Tuple[FrameType, int]]:
    """Yield (frame, line) from *frame* to the raise."""
    while traceback is not None and traceback.tb_frame is not frame:
        traceback = traceback.tb_next
    if traceback is None:
        yield frame, frame.f_lineno
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _frame_line(file: str, line: Optional[int], name: str) -> str:
    return "%s:%s in %s" % (file, line, name)
