"""Who of this process's threads may have a database file open: many readers, or one writer.

Between processes DuckDB's file lock decides. Within one process it shares a single instance among all
connections to a file, does not lock them against each other, and refuses two configurations at once.
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
    """The gate that all users of this file in this process share."""
    with _gates_lock:
        return _gates.setdefault(path.resolve(), ProcessGate())


class GateTimeout(Exception):
    """The gate was not free before the deadline."""


class ProcessGate:
    """A readers-writer lock with a deadline. A waiting writer goes before readers that come later."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0

    @contextmanager
    def shared(self, deadline: float) -> Generator[None]:
        """Holds the gate together with other readers.

        Args:
            deadline: ``time.monotonic()`` value to wait until.

        Raises:
            GateTimeout: a writer held it for longer.
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
        """Holds the gate alone. Arguments and errors as for `shared`."""
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
