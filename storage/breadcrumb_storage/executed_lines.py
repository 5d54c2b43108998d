"""Name lines and functions by what is the same in every process and run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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


def decoded(
    numbers: Iterable[int], process: _Process, functions: Mapping[tuple[_Process, int], ExecutedFunction]
) -> Iterator[ExecutedLine]:
    """Yield the lines of a record of executed lines in their order, without those of unknown functions.

    Args:
        numbers: The record: the lines of a function follow its id, which is negative.
        process: The process that wrote it.
        functions: The functions by process and id.
    """
    function: ExecutedFunction | None = None
    for number in numbers:
        if number < 0:
            function = functions.get((process, -number))
        elif function is not None:
            yield ExecutedLine(function, number)


def lines_by_function(lines: Iterable[ExecutedLine]) -> dict[ExecutedFunction, list[int]]:
    """Return the numbers of lines by their function, each once, in the order of their first execution."""
    found: dict[ExecutedFunction, dict[int, None]] = {}
    for each in lines:
        found.setdefault(each.function, {})[each.line] = None
    return {function: list(numbers) for function, numbers in found.items()}
