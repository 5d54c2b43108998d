"""What Python's faulthandler writes: of a crash, or of an interpreter that only its C code could ask.

https://docs.python.org/3/library/faulthandler.html: no format is promised; that of 3.8 to 3.14 is read, and lines that
are not known are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FATAL = "Fatal Python error: "
# The name in brackets came with 3.14.
_THREAD = re.compile(
    r"(?P<current>Current thread|Thread) 0x(?P<ident>[0-9a-f]+)(?: \[.*\])? \(most recent call first\):"
)
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<function>.*)')
# How it writes what is not ASCII; a backslash itself stays as it is.
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


@dataclass(frozen=True, slots=True)
class FaultFrame:
    """One line of a stack; ``function`` is the bare name."""

    file: str
    line: int | None
    function: str


@dataclass(frozen=True, slots=True)
class FaultStack:
    """One thread's frames, the innermost first."""

    thread_ident: int
    frames: list[FaultFrame] = field(default_factory=list[FaultFrame])


@dataclass(frozen=True, slots=True)
class Fault:
    """A fatal error, or None where the stacks were asked for, and the stacks.

    The first is that of the thread that met the error, or the main thread's.
    """

    error: str | None
    stacks: list[FaultStack]


def parse_fault(text: str) -> Fault | None:
    """The last fatal error that a text tells of, or else the last stacks; None where there are neither.

    Args:
        text: The content of a fault file, or a program's whole stderr.
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
            stacks.pop(stack.thread_ident, None)  # of an earlier dump
            stacks[stack.thread_ident] = stack
            if thread["current"] == "Current thread":
                current = stack.thread_ident
        elif frame := _FRAME.fullmatch(line):
            number = int(frame["line"]) if frame["line"].isdecimal() else None
            frames.append(FaultFrame(_unescaped(frame["file"]), number, _unescaped(frame["function"])))
    if not fatal and not stacks:
        return None
    # The youngest thread is written first. Where all are asked, any of them may be the current one.
    found = [stack for stack in reversed(stacks.values()) if stack.frames]
    found.sort(key=lambda stack: bool(fatal) and stack.thread_ident != current)
    return Fault(FATAL + error.strip().rstrip(".") if fatal else None, found)


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        number = int(match[1] or match[2] or match[3], 16)
        # A lone surrogate, which stands for a byte that is no UTF-8, cannot be stored.
        return "\N{REPLACEMENT CHARACTER}" if 0xD800 <= number < 0xE000 or number > 0x10FFFF else chr(number)

    return _ESCAPE.sub(character, text)
