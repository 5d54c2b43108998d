"""Hold one run of this server from its start until its trace is finished."""

import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path

import anyio

from breadcrumb_server.answers.report.known import KnownRun
from breadcrumb_server.answers.report.output import Output
from breadcrumb_server.runs.launcher import TracedCommand
from breadcrumb_server.runs.process_watch import ProcessWatch
from breadcrumb_server.runs.recording import record_end, record_progress, record_start
from breadcrumb_server.runs.state import RUNNING, RunState
from breadcrumb_server.runs.untraced import UntracedPythons
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError, DatabaseBusy
from breadcrumb_storage.ingest.spool_files import list_spool

# To wait for a locked database before a command starts and just after: it runs all the same, and its row is written by
# the next ingest.
START_LOCK_SECONDS = 1.0
# To wait for it before an answer; what is missing in the answer is told, and the next ingest reads it.
INGEST_LOCK_SECONDS = 5.0

# Sentences for the report of a stopped run.
BY_STOP_RUN = "It was stopped by stop_run."
BY_CANCELLED_CALL = (
    "It was stopped because the call that started it was cancelled, by the client or as the server ended."
)
CLIENT_GONE = (
    "The connection of the call that started it broke while it ran. The command went on: its client may come back."
)
BY_SHUTDOWN = (
    "It was stopped because its server was shut down while it ran: a run does not outlive its server. "
    "What had been recorded until then was kept."
)


class Run:
    """An unfinished run: its command, its state and its spool.

    Args:
        state: Its state.
        spool: Its spool folder.
        database: The database of its project.
        command: Its command.
        watch: Sees its processes; None if the project is switched off.
        explain: Says why none of its processes was traced; takes the programs that were ``seen``.
    """

    def __init__(
        self,
        state: RunState,
        spool: Path,
        database: Database,
        command: TracedCommand,
        watch: ProcessWatch | None,
        explain: Callable[..., str],
    ) -> None:
        self.state = state
        self.watch = watch
        self.explain = explain
        self.spool = spool
        self.database = database
        self.command = command
        self.stop_requested = anyio.Event()
        self.stopped_by = ""
        self.finished = anyio.Event()
        self.failure: BreadcrumbError | None = None
        self.note = ""  # on what happened before its start
        self.calls = 0
        self.is_listed = False  # whether its row is in the database
        self.started_at = time.monotonic()
        self._lock = threading.Lock()  # the final ingest removes the spool that another one may be reading

    def request_stop(self, why: str) -> None:
        """Ask for the end of the command, without waiting.

        Args:
            why: A sentence for the report that says who stopped it; only that of the first request is kept.
        """
        self.stopped_by = self.stopped_by or why
        self.stop_requested.set()

    def progress(self, elapsed_seconds: float) -> str:
        """Say how far the run is.

        Args:
            elapsed_seconds: Since its start.
        """
        try:
            processes = len({file.process_key for file in list_spool(self.spool)})
        except OSError:  # it has just ended, and its folder is gone
            processes = 0
        of = f" in {processes:,} processes" if processes > 1 else ""
        return f"{self.state.trace_id} runs for {elapsed_seconds:.0f} s, {self.calls:,} calls recorded{of}"

    def extent(self) -> tuple[int, int, int]:
        """Return how much there is of the run: ingested calls, bytes of stdout and of stderr."""
        return self.calls, self.command.stdout.total_bytes, self.command.stderr.total_bytes

    def output(self) -> Output:
        """Return the redacted output so far. Call it in the event loop, where secrets are learned."""
        state, command = self.state, self.command
        if state.status != RUNNING:
            return Output(state.stdout_tail, state.stderr_tail, state.stdout_bytes, state.stderr_bytes)
        command.secrets.read_now()  # those that the program had learned when it wrote this
        stdout, stderr = command.stdout, command.stderr
        return Output(
            stdout.running_text(command.redactor),
            stderr.running_text(command.redactor),
            stdout.total_bytes,
            stderr.total_bytes,
        )

    def known(self) -> KnownRun:
        """Return what is known of the run without its database. Call it in the event loop."""
        state = self.state
        elapsed_ms = (time.monotonic() - self.started_at) * 1000
        return KnownRun(
            project=state.project,
            trace_id=state.trace_id,
            status=state.status,
            exit_code=state.exit_code,
            signal=state.signal,
            duration_ms=elapsed_ms if state.duration_ms is None else state.duration_ms,
            command=shlex.join(state.command),
            label=state.label or "",
            output=self.output(),
        )

    def record_start(self) -> None:
        """Write the row of the run, without waiting long for the database. Blocking.

        Raises:
            BreadcrumbError: The database cannot be written now; `ingest` tries again.
        """
        with self._lock:
            record_start(Database(self.database.path, lock_timeout_seconds=START_LOCK_SECONDS), self.state)
            self.is_listed = True

    def ingest(self) -> int:
        """Ingest what has been recorded since the last time and return the number of new calls. Blocking.

        Raises:
            BreadcrumbError: The database or the spool cannot be used now.
        """
        if not self._lock.acquire(timeout=INGEST_LOCK_SECONDS):
            raise DatabaseBusy("Another ingest of the run waits for the database.", hint="Ask again.")
        try:
            if self.state.status != RUNNING:
                return 0
            untraced = self._untraced(has_ended=False)
            database = Database(self.database.path, lock_timeout_seconds=INGEST_LOCK_SECONDS)
            stats = record_progress(database, self.spool, self.state, self.command.redactor, untraced)
            self.is_listed = True
        finally:
            self._lock.release()
        self.calls += stats.calls
        return stats.calls

    def record_end(self) -> None:
        """Ingest the rest and finish the trace. Blocking.

        Raises:
            BreadcrumbError: The database cannot be written now.
        """
        with self._lock:
            untraced = self._untraced(has_ended=True)
            record_end(self.database, self.spool, self.state, self.command.redactor, untraced)

    def _untraced(self, *, has_ended: bool) -> UntracedPythons:
        seen = self.watch.pythons if self.watch is not None else []
        return UntracedPythons(self.spool, self.command.redactor, seen, has_ended=has_ended)
