"""Name lines and functions by what is the same in every process and run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExecutedFunction:
    """A function whose lines were executed."""

    file: str
    name: str
    line: int  # of its definition


@dataclass(frozen=True, slots=True)
class ExecutedLine:
    """A line of a function that a test executed."""

    function: ExecutedFunction
    line: int
