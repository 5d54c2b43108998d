"""One command of this server, from its start until its trace is whole."""

import threading
import time
from pathlib import Path

import anyio

from breadcrumb_server.runs.launcher import TracedCommand
from breadcrumb_server.runs.recording import record_end, record_progress
from breadcrumb_server.runs.state import RUNNING, RunState
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError

# What the report of a stopped run says of who stopped it.
BY_STOP_RUN = "It was stopped by stop_run."
BY_CANCELLED_CALL = (
    "It was stopped because the call that started it was cancelled, by the client or as the server ended."
)
BY_SHUTDOWN = (
    "It was stopped because its server was shut down while it ran: a run does not outlive its server. "
    "What had been recorded until then was kept."
)


class Run:
    """What the server holds of a run while it goes on."""

    def __init__(self, state: RunState, spool: Path, database: Database, command: TracedCommand) -> None:
        self.state = state
        self.spool = spool
        self.database = database
        self.command = command
        self.stop_requested = anyio.Event()
        self.stopped_by = ""
        self.finished = anyio.Event()
        self.failure: BreadcrumbError | None = None
        self.calls = 0
        self.started_at = time.monotonic()
        self._lock = threading.Lock()  # the final ingest removes the folder that an earlier one reads

    def request_stop(self, why: str) -> None:
        """Ask for the end of the command; does not wait. The first to ask is whom the report names.

        Arguments:
            why: a sentence that says by whom it was stopped.
        """
        self.stopped_by = self.stopped_by or why
        self.stop_requested.set()

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
