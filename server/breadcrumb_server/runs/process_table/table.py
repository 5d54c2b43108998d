"""Define what can be asked about processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Stat:
    """What the kernel says about a process.

    Args:
        state: A letter: R if it is using a processor or ready to, Z for a zombie, T if it is stopped.
        parent: The pid of its parent.
        session: The pid of its session; 0 if it is hidden.
        started: Its start: with ``/proc`` in clock ticks since boot, with ``ps`` in seconds since the epoch.
        image: The start of its stack, which an exec changes and a fork keeps; 0 if it is hidden.
    """

    state: str
    parent: int
    session: int
    started: int
    image: int

    @property
    def has_ended(self) -> bool:
        """Return whether it is a zombie."""
        return self.state in ("Z", "X")


class ProcessTable(Protocol):
    """The processes of the machine at a moment."""

    def pids(self) -> list[int]:
        """Return the pids of all processes that can be seen."""
        ...

    def stat(self, pid: int) -> Stat | None:
        """Return what the kernel says about a process; None if there is none with this pid."""
        ...

    def started_at(self, pid: int) -> float | None:
        """Return the start of a process, in seconds since the epoch; None if there is none with this pid."""
        ...

    def command_line(self, pid: int) -> list[str]:
        """Return the words of the command that a process runs; none if it has ended, or is just being replaced."""
        ...

    def executable(self, pid: int) -> str:
        """Return the path of the file that a process runs; empty if it is hidden, as for another user's process."""
        ...

    def working_folder(self, pid: int) -> Path:
        """Return the current folder of a process; the root if it is hidden."""
        ...

    def environment(self, pid: int) -> dict[str, str] | None:
        """Return the variables that a process was started with; None if they are hidden, as another user's."""
        ...

    def was_given(self, pid: int, variable: str, value: str) -> bool:
        """Return whether a process was started with a variable of this value; False if that is hidden."""
        ...

    def user_id(self, pid: int) -> int:
        """Return the effective user of a process; that of this server if it is hidden."""
        ...

    def catches(self, pid: int, number: int) -> bool:
        """Return whether a signal does no harm: the main thread handles and does not block it, or it may be ignored."""
        ...

    def waits_in(self, pid: int) -> str:
        """Return the function of the kernel in which the main thread waits; empty if it is hidden."""
        ...
