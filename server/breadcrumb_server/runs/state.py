"""``run.json`` in a run's spool folder: what another server needs to finish the run of a server that died."""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

from breadcrumb_server.projects.config_file import write_file
from breadcrumb_server.runs import process_group

FILE_NAME = "run.json"
RUNNING = "running"
# Another server than the run's own ended its processes at a user's wish: the trace says "stopped".
STOP_MARK = "stop-requested"


@dataclass
class RunState:
    """Everything in it is redacted, as it lies on disk. Times are ISO 8601 with an offset.

    ``child_*`` stay None until the command has started; ``status`` stays "running" until its end is known.
    """

    project: str
    trace_id: str
    command: list[str]
    label: str | None
    cwd: str
    timeout_seconds: float
    config: str  # JSON: workspace, include, exclude and capture of this run
    not_traced_reason: str  # to be told if no process turns out to be traced
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    server_pid: int = field(default_factory=os.getpid)
    server_started: int | None = field(default_factory=lambda: process_group.start_time(os.getpid()))
    child_pid: int | None = None
    child_started: int | None = None
    status: str = RUNNING
    exit_code: int | None = None
    signal: str | None = None
    finished_at: str | None = None
    duration_ms: float | None = None
    stdout_tail: str = ""
    stderr_tail: str = ""
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    max_traces: int = 0  # the project's retention; 0: keep everything
    max_db_mb: int = 0
    notices: list[list[str]] = field(default_factory=list[list[str]])  # [code, message]

    def save(self, spool: Path) -> None:
        write_file(spool / FILE_NAME, json.dumps(asdict(self)))

    def finish(
        self,
        status: str,
        *,
        exit_code: int | None = None,
        signal: str | None = None,
        duration_seconds: float | None = None,
    ) -> None:
        """Note how the run ended, now. The duration is the wall clock's unless a better one is known."""
        now = datetime.now(UTC)
        self.status, self.exit_code, self.signal = status, exit_code, signal
        self.finished_at = now.isoformat()
        if duration_seconds is None:
            duration_seconds = (now - datetime.fromisoformat(self.started_at)).total_seconds()
        self.duration_ms = round(duration_seconds * 1000, 3)

    def add_notice(self, code: str, message: str) -> None:
        self.notices.append([code, message])

    def owner_is_alive(self) -> bool:
        return process_group.is_alive(self.server_pid, self.server_started)

    def child_is_alive(self) -> bool:
        return self.child_pid is not None and process_group.is_alive(self.child_pid, self.child_started)

    def living_processes(self, spool: Path) -> list[int]:
        """Every process of the run that still lives."""
        # A leader's pid that now belongs to another process names a session that is not ours.
        reused = self.child_pid is not None and not self.child_is_alive() and process_group.start_time(self.child_pid)
        session = None if reused else self.child_pid
        return process_group.members(session, spool)


def load_state(spool: Path) -> RunState | None:
    """The state, or None where the folder holds none that can be read (a run that is just being set up).

    Keys that this version does not know (of a newer server) are passed over.
    """
    known = {each.name for each in fields(RunState)}
    try:
        data = json.loads((spool / FILE_NAME).read_text("utf-8"))
        return RunState(**{name: value for name, value in data.items() if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
