"""Name lines and functions by what is the same in every process and run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

# What names a process: its key in the spool, its number in the database.
_Process = TypeVar("_Process", str, int)


@dataclass(frozen=True, slots=True)
class ExecutedFunction:
    """A function whose lines were executed."""

    file: str
    name: str
    line: int  # of its definition


@dataclass(frozen=True, slots=True)
class ExecutedLine:
    """A line of a function that a test, or a program, executed."""

    function: ExecutedFunction
    line: int


def lines_by_function(
    numbers: Iterable[int], process: _Process, functions: Mapping[tuple[_Process, int], ExecutedFunction]
) -> dict[ExecutedFunction, list[int]]:
    """Return the lines of a record of executed lines by function, without those of unknown functions.

    Args:
        numbers: The record: the lines of a function follow its id, which is negative.
        process: The process that wrote it.
        functions: The functions by process and id.
    """
    found: dict[ExecutedFunction, list[int]] = {}
    function: ExecutedFunction | None = None
    for number in numbers:
        if number < 0:
            function = functions.get((process, -number))
        elif function is not None:
            found.setdefault(function, []).append(number)
    return found
