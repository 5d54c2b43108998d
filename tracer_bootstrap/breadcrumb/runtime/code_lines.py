"""Read the lines of code objects, in the tables of all versions of Python."""

from __future__ import annotations

from types import CodeType

from .features import HAS_CO_LINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Set


def all_lines(code: CodeType) -> Set[int]:
    """Return the lines of all instructions, that of the definition included."""
    if not HAS_CO_LINES:
        return lines_of_table(code)
    entries: Any = code.co_lines()
    return {line for _, _, line in entries if line}


def lines_of_table(code: CodeType) -> Set[int]:
    """Read the table of line numbers that code has before Python 3.10."""
    table = code.co_lnotab
    line = code.co_firstlineno
    lines: Set[int] = set()
    for offset, step in zip(table[::2], table[1::2]):
        if offset:
            lines.add(line)
        line += step - 256 if step >= 128 else step
    lines.add(line)
    return lines
