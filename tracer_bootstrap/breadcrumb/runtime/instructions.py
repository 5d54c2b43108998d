"""Take the instructions of a function apart: their arguments and lines, where they jump to, and who handles exceptions.

For Python 3.12 and newer.
"""

from __future__ import annotations

from opcode import opmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

    # Place, number, argument, line.
    Instruction = Tuple[int, int, int, Optional[int]]


def numbers(*names: str) -> Set[int]:
    """Return the numbers of instructions, of those that this Python has."""
    return {opmap[name] for name in names if name in opmap}


EXTENDED_ARG, CACHE = opmap["EXTENDED_ARG"], opmap["CACHE"]
# The jumps, and whether they go back.
_JUMPS = {
    number: "BACKWARD" in name for name, number in opmap.items() if "JUMP" in name or name in ("FOR_ITER", "SEND")
}
# What a line of which the interpreter tells begins with.
_TELLS_LINE = opmap.get("INSTRUMENTED_LINE", -1)


def instructions_of(code: CodeType) -> Iterator[Instruction]:
    """Yield the instructions of a function, caches included."""
    raw = code.co_code
    table: Any = code.co_lines()
    high = 0
    for start, end, line in table:
        for at in range(start, end, 2):
            argument = high | raw[at + 1]
            high = argument << 8 if raw[at] == EXTENDED_ARG else 0
            yield at, raw[at], argument, line


def jumps_of(instructions: List[Instruction]) -> Dict[int, int]:
    """Return where instructions jump to, by their places; a jump counts from the instruction after its caches."""
    places = [at for at, opcode, _, _ in instructions if opcode != CACHE]
    next_of = dict(zip(places, places[1:]))
    found: Dict[int, int] = {}
    for at, opcode, argument, _ in instructions:
        if opcode in _JUMPS and at in next_of:
            found[at] = next_of[at] + (-2 if _JUMPS[opcode] else 2) * argument
    return found


def handlers_of(code: CodeType) -> Iterator[Tuple[int, int, int]]:
    """Yield the parts of a function whose exceptions are handled: start, end, and the place of the handler."""
    table: bytes = code.co_exceptiontable  # type: ignore[attr-defined, unused-ignore]
    found: List[int] = []
    number = 0
    for byte in table:  # six bits each, the highest first; a bit tells whether the number goes on
        number = number << 6 | (byte & 63)
        if not byte & 64:
            found.append(number)
            number = 0
    for at in range(0, len(found) - 3, 4):  # the fourth is the depth of the stack
        start, length, handler = found[at : at + 3]
        yield 2 * start, 2 * (start + length), 2 * handler


def told_places(code: CodeType) -> Set[int]:
    """Return the places of a function whose lines are observed at which the interpreter tells of a line.

    Not each change of the line is told: 3.14 does not tell of the line after a loop if it is that of the loop's end.
    """
    observed: bytes = getattr(code, "_co_code_adaptive", b"")
    return {at for at in range(0, len(observed), 2) if observed[at] == _TELLS_LINE}
