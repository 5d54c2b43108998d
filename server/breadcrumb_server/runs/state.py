"""Keep the state of a run in ``run.json`` in its spool folder, for a server that has to finish it after ours died."""

import json
import logging
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb_server.projects.atomic_file import write_file
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.process_table import ProcessTable, look
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.regular_file import read_regular

if TYPE_CHECKING:
    from pydantic import TypeAdapter

logger = logging.getLogger(__name__)

FILE_NAME = "run.json"
RUNNING = "running"
# A file in the spool folder: another server stopped the run on request, so that its status becomes "stopped".
STOP_MARK = "stop-requested"


@dataclass
class RunState:
    """The state of a run. All texts are redacted, because it is stored on disk; times are ISO 8601 with an offset.

    ``child_*`` are None until the command has started; ``status`` is "running" until its end is known.
    """

    project: str
    trace_id: str
    command: list[str]
    label: str | None
    cwd: str
    timeout_seconds: float | None
    config: str  # JSON: workspace, include, exclude and capture of this run
    not_traced_reason: str  # for the report if no process was traced
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    server_pid: int = field(default_factory=os.getpid)
    server_started: int | None = field(default_factory=lambda: process_group.identity(os.getpid()))
    child_pid: int | None = None
    child_started: int | None = None
    reaper_pid: int | None = None
    reaper_started: int | None = None
    status: str = RUNNING
    exit_code: int | None = None
    signal: str | None = None
    finished_at: str | None = None
    duration_ms: float | None = None
    stdout_tail: str = ""
    stderr_tail: str = ""
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    captures_output: bool = True  # False: a program that traces itself, whose output goes where it always goes
    max_traces: int = 0  # the project's retention; 0: keep everything
    max_db_mb: int = 0
    notices: list[list[str]] = field(default_factory=list[list[str]])  # [code, message]

    def save(self, spool: Path) -> None:
        """Write the state into the spool folder.

        Raises:
            BreadcrumbError: The file cannot be written, such as after the program removed the folder.
        """
        write_file(spool / FILE_NAME, json.dumps(asdict(self)))

    def try_to_save(self, spool: Path) -> None:
        """Write the state into the spool folder if that is possible; without it no other server can finish the run."""
        try:
            self.save(spool)
        except BreadcrumbError as error:
            logger.warning("The state of %s was not saved: %s", self.trace_id, error)

    def finish(
        self,
        status: str,
        *,
        exit_code: int | None = None,
        signal: str | None = None,
        duration_seconds: float | None = None,
    ) -> None:
        """Set the end of the run to now. Without ``duration_seconds``, the wall clock gives the duration."""
        now = datetime.now(UTC)
        self.status, self.exit_code, self.signal = status, exit_code, signal
        self.finished_at = now.isoformat()
        if duration_seconds is None:
            duration_seconds = (now - datetime.fromisoformat(self.started_at)).total_seconds()
        self.duration_ms = round(duration_seconds * 1000, 3)

    def add_notice(self, code: str, message: str) -> None:
        """Add a notice for the report."""
        self.notices.append([code, message])

    def owner_is_alive(self) -> bool:
        """Return whether the server that started the run is alive."""
        return process_group.is_alive(self.server_pid, self.server_started)

    def child_is_alive(self, table: ProcessTable | None = None) -> bool:
        """Return whether the command's own process is alive.

        Args:
            table: The processes, if they were just looked at.
        """
        return self.child_pid is not None and process_group.is_alive(self.child_pid, self.child_started, table)

    def note_reaper(self, pid: int | None) -> None:
        """Note the process below which all processes of the run are, if there is one."""
        self.reaper_pid = pid
        self.reaper_started = None if pid is None else process_group.identity(pid)

    def living_processes(self, spool: Path) -> list[int]:
        """Return the pids of the run's living processes."""
        # If another process has the command's pid now, that number names a session of another program.
        table = look()
        pid = self.child_pid
        reused = pid is not None and not self.child_is_alive(table) and process_group.start_time(pid, table)
        reaper = self.reaper_pid
        if reaper is not None and not process_group.is_alive(reaper, self.reaper_started, table):
            reaper = None
        return process_group.members(None if reused else pid, spool, table, reaper=reaper)


@cache
def _state_adapter() -> "TypeAdapter[RunState]":
    from pydantic import TypeAdapter  # takes longer than all else that the process does which stores a program's trace

    return TypeAdapter(RunState)


def load_state(spool: Path) -> RunState | None:
    """Load the state of a run; None if it cannot be read, for example while the run is being set up.

    Unknown keys, written by a newer server, are ignored.
    """
    try:
        state = _state_adapter().validate_json(read_regular(spool / FILE_NAME), strict=True)
        for moment in (state.started_at, state.finished_at):
            if moment is not None:
                datetime.fromisoformat(moment)
    except (OSError, ValueError):  # also a ValidationError
        return None
    ended = state.status != RUNNING
    whole = state.trace_id == spool.name and ended == (state.finished_at is not None and state.duration_ms is not None)
    return state if whole else None
