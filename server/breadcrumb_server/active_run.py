"""One command of this server, from its start until its trace is whole."""

import threading
import time
from pathlib import Path

import anyio

from breadcrumb_server.launcher import TracedCommand
from breadcrumb_server.run_records import record_end, record_progress
from breadcrumb_server.run_state import RUNNING, RunState
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError


class Run:
    """What the server holds of a run while it goes on."""

    def __init__(self, state: RunState, spool: Path, database: Database, command: TracedCommand) -> None:
        self.state = state
        self.spool = spool
        self.database = database
        self.command = command
        self.stop_requested = anyio.Event()
        self.finished = anyio.Event()
        self.failure: BreadcrumbError | None = None
        self.calls = 0
        self.started_at = time.monotonic()
        self._lock = threading.Lock()  # the final ingest removes the folder that an earlier one reads

    def ingest(self) -> int:
        """Take in what has been recorded since the last time; how many calls that were. Blocking."""
        with self._lock:
            if self.state.status != RUNNING:
                return 0
            stats = record_progress(self.database, self.spool, self.state, self.command.redactor)
        self.calls += stats.calls
        return stats.calls

    def record_end(self) -> None:
        """Blocking. Raises BreadcrumbError if the database cannot be written now."""
        with self._lock:
            record_end(self.database, self.spool, self.state, self.command.redactor)
