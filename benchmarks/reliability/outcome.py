"""Say what one trial found, and add up the trials of a kind of fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from benchmarks.reliability.bench import Bench


@dataclass(frozen=True)
class Outcome:
    """What one trial expected and found, and the number of its faults that hit."""

    expected: int
    found: int
    faults: int = 1
    problem: str = ""

    @property
    def is_wrong(self) -> bool:
        return self.expected != self.found or bool(self.problem)


@dataclass
class Kind:
    """A kind of fault, with its trials so far.

    Args:
        name: Its name on the command line.
        fault: What is done, for the table.
        trial: Does one trial; gets a number that counts from 0, and chance that is the same in each run.
        share: Part of the time that it gets, relative to the others.
        least: Trials that it gets however long they take; of a sweep, as many as it has places.
        needs_mounts: Whether a process of it needs file systems of its own.
        alone: Whether one trial is enough at a time.
    """

    name: str
    fault: str
    trial: Callable[[Bench, Random, int], Outcome]
    share: float = 1.0
    least: Callable[[Bench], int] = lambda bench: 1
    needs_mounts: bool = False
    alone: bool = False
    started: int = 0
    seconds: float = 0.001  # that its trials took, at least a little
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        return sum(outcome.is_wrong for outcome in self.outcomes)

    def row(self, least: int) -> str:
        """Return the row of the table, which says so if there were fewer trials than planned."""
        trials = f"{len(self.outcomes):,}" + (f" of {least:,}" if len(self.outcomes) < least else "")
        faults = sum(outcome.faults for outcome in self.outcomes)
        expected = sum(outcome.expected for outcome in self.outcomes)
        found = sum(outcome.found for outcome in self.outcomes)
        return f"| {self.name} | {self.fault} | {trials} | {faults:,} | {expected:,} | {found:,} | {self.wrong} |"
