"""Coordinate the threads of this process that open a database file: many readers, or one writer.

DuckDB's file lock works between processes only. Within a process all connections to a file share one DuckDB instance,
which does not lock them against each other and refuses a second configuration.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

_gates: dict[Path, ProcessGate] = {}
_gates_lock = threading.Lock()


def gate_for(path: Path) -> ProcessGate:
    """Return the gate that this process shares for a file, given by its path without links."""
    with _gates_lock:
        return _gates.setdefault(path, ProcessGate())


class GateTimeout(Exception):
    """The gate was not free before the deadline."""


class ProcessGate:
    """A readers-writer lock with deadlines; a waiting writer precedes later readers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0

    @contextmanager
    def shared(self, deadline: float) -> Generator[None]:
        """Hold the gate together with other readers.

        Args:
            deadline: Latest ``time.monotonic()`` to wait until.

        Raises:
            GateTimeout: A writer held or awaited the gate until the deadline.
        """
        with self._changed:
            self._wait(lambda: not self._writing and not self._writers_waiting, deadline)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self, deadline: float) -> Generator[None]:
        """Hold the gate alone.

        Args:
            deadline: Latest ``time.monotonic()`` to wait until.

        Raises:
            GateTimeout: Others held the gate until the deadline.
        """
        with self._changed:
            self._writers_waiting += 1
            try:
                self._wait(lambda: not self._writing and not self._readers, deadline)
                self._writing = True
            finally:
                self._writers_waiting -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _wait(self, is_free: Callable[[], bool], deadline: float) -> None:
        if not self._changed.wait_for(is_free, timeout=max(0.0, deadline - time.monotonic())):
            raise GateTimeout
