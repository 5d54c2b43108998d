"""Let a debugger that the program starts within traced code (``breakpoint()``) stop where it would stop untraced."""

from __future__ import annotations

from types import CodeType, FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# The function by which pdb and other debuggers of bdb take over the frames of the program.
_NAME, _FILE = "set_trace", "/bdb.py"


def is_debugger_start(code: CodeType) -> bool:
    """Return whether code is the function of bdb that takes over running frames."""
    return code.co_name == _NAME and code.co_filename.endswith(_FILE)


def renew_opcode_events(frame: Optional[FrameType]) -> None:
    """Set ``f_trace_opcodes`` again where it is set, in *frame* and its callers.

    On 3.13 bdb sets it before it calls ``sys.settrace``. If a second tool observes the code, the interpreter then
    forgets who wanted the events of instructions, and the debugger stops a line too late.
    """
    while frame is not None:
        if frame.f_trace_opcodes:
            frame.f_trace_opcodes = False
            frame.f_trace_opcodes = True
        frame = frame.f_back


def renew_line_events(frame: Optional[FrameType]) -> None:
    """Set ``f_trace_lines`` in *frame* and its callers, as it is in the frames of an untraced program.

    The settrace backend does without the events of lines, which whoever replaces it needs (before 3.13 bdb does not
    set the attribute itself).
    """
    while frame is not None:
        frame.f_trace_lines = True
        frame = frame.f_back
