"""Parse the stacks that Python's faulthandler writes after a crash or on a signal.

The format is not guaranteed (https://docs.python.org/3/library/faulthandler.html). This module reads that of Python 3.8
to 3.14 and skips unknown lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FATAL = "Fatal Python error: "
# Python 3.14 added the name in brackets. Longer numbers are none of faulthandler's: a program may print anything, and
# the tables have 64 bits for a thread and 32 for a line.
_THREAD = re.compile(
    r"(?P<current>Current thread|Thread) 0x(?P<ident>0?[0-9a-f]{1,15})(?: \[.*\])? \(most recent call first\):"
)
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>[0-9]{1,9}|\?\?\?) in (?P<function>.*)')
# Escape of a character beyond ASCII. A backslash of the text itself is not escaped.
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


@dataclass(frozen=True, slots=True)
class FaultFrame:
    """One frame of a stack."""

    file: str
    line: int | None  # None: faulthandler wrote ???
    function: str  # usually unqualified


@dataclass(frozen=True, slots=True)
class FaultStack:
    """The frames of a thread, innermost first."""

    thread_ident: int
    frames: list[FaultFrame] = field(default_factory=list[FaultFrame])


@dataclass(frozen=True, slots=True)
class Fault:
    """A dump of stacks, with its fatal error if there was one."""

    error: str | None
    stacks: list[FaultStack]  # first that of the thread that crashed, or else the main thread's


def parse_fault(text: str) -> Fault | None:
    """Parse the last fatal error of a text, or else its last stacks.

    Args:
        text: The content of a fault file, or a program's stderr.

    Returns:
        The error and stacks, or None if there are neither.
    """
    _, fatal, rest = text.rpartition(FATAL)
    error, *lines = rest.splitlines() or [""]
    stacks: dict[int, FaultStack] = {}
    current: int | None = None
    frames: list[FaultFrame] = []
    for line in lines if fatal else text.splitlines():
        if thread := _THREAD.fullmatch(line):
            stack = FaultStack(int(thread["ident"], 16))
            frames = stack.frames
            stacks.pop(stack.thread_ident, None)  # from an earlier dump
            stacks[stack.thread_ident] = stack
            if thread["current"] == "Current thread":
                current = stack.thread_ident
        elif frame := _FRAME.fullmatch(line):
            number = int(frame["line"]) if frame["line"].isdecimal() else None
            frames.append(FaultFrame(_unescape(frame["file"]), number, _unescape(frame["function"])))
    if not fatal and not stacks:
        return None
    # faulthandler writes the newest thread first. Its "Current thread" is the crashed one only after a fatal error.
    found = [stack for stack in reversed(stacks.values()) if stack.frames]
    found.sort(key=lambda stack: bool(fatal) and stack.thread_ident != current)
    return Fault(FATAL + error.strip().rstrip(".") if fatal else None, found)


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        number = int(match[1] or match[2] or match[3], 16)
        # DuckDB cannot store a lone surrogate, which stands for a byte that is not UTF-8.
        return "\N{REPLACEMENT CHARACTER}" if 0xD800 <= number < 0xE000 or number > 0x10FFFF else chr(number)

    return _ESCAPE.sub(character, text)
