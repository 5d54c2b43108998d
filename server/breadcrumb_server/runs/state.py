"""Keep the state of a run in a file, for a server that has to finish it after ours died.

The file is beside the spool folder, not in it: the traced program writes into the folder, and the state decides which
processes are ended and how the run ended. Earlier versions kept it as ``run.json`` in the folder.
"""

import json
import logging
import os
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from breadcrumb.record_format import FORMAT_VERSION
from breadcrumb_server.projects.atomic_file import write_file
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.process_table import ProcessTable, look
from breadcrumb_storage.errors import BreadcrumbError, SpoolTooNew
from breadcrumb_storage.regular_file import read_regular

if TYPE_CHECKING:
    from pydantic import TypeAdapter

logger = logging.getLogger(__name__)

SUFFIX = ".json"
EARLIER_NAME = "run.json"
RUNNING = "running"


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
    redact: list[str] = field(default_factory=list[str])  # the project's patterns of secret names
    format: int = FORMAT_VERSION  # of the spool: what knows a lower one only leaves it alone
    notices: list[list[str]] = field(default_factory=list[list[str]])  # [code, message]

    def save(self, spool: Path) -> None:
        """Write the state beside the spool folder.

        Raises:
            BreadcrumbError: The file cannot be written.
        """
        write_file(state_file(spool), json.dumps(asdict(self)))

    def try_to_save(self, spool: Path) -> None:
        """Write the state beside the spool folder if possible; without it no other server can finish the run."""
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


def state_file(spool: Path) -> Path:
    """Return the file with the state of a run, by its spool folder."""
    return spool.with_name(spool.name + SUFFIX)


def load_state(spool: Path) -> RunState | None:
    """Load the state of a run; None if it cannot be read, for example while the run is being set up.

    Unknown keys, written by a newer server, are ignored.

    Raises:
        SpoolTooNew: A newer Breadcrumb writes its spools in another way.
    """
    return _load(state_file(spool), spool)


def load_earlier_state(spool: Path) -> RunState | None:
    """Load the state that an earlier version has left in a spool folder; None if there is none.

    The traced program could write there: what names processes or deletes other traces is left out.

    Raises:
        SpoolTooNew: As for `load_state`.
    """
    state = _load(spool / EARLIER_NAME, spool)
    if state is None:
        return None
    return replace(
        state, child_pid=None, child_started=None, reaper_pid=None, reaper_started=None, max_traces=0, max_db_mb=0
    )


def check_not_newer(trace_id: str, content: object) -> None:
    """Refuse the state of a trace whose spool a newer Breadcrumb has written.

    Args:
        trace_id: The trace.
        content: Its state, which every version writes as a JSON object with the key ``format``.

    Raises:
        SpoolTooNew: The format is newer than the one that is known here.
    """
    found = cast("dict[str, object]", content).get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found > FORMAT_VERSION:
        raise SpoolTooNew(
            f"The spool of {trace_id} has format version {found}; this Breadcrumb reads up to {FORMAT_VERSION}.",
            why="A newer Breadcrumb wrote it, and it is kept for that. Upgrade breadcrumb-mcp, then ask again.",
        )


def _load(file: Path, spool: Path) -> RunState | None:
    try:
        content = read_regular(file)
    except OSError:
        return None
    try:
        check_not_newer(spool.name, json.loads(content))
        state = _state_adapter().validate_json(content, strict=True)
        for moment in (state.started_at, state.finished_at):
            if moment is not None:
                datetime.fromisoformat(moment)
    except (ValueError, RecursionError):  # also a ValidationError
        return None
    ended = state.status != RUNNING
    whole = state.trace_id == spool.name and ended == (state.finished_at is not None and state.duration_ms is not None)
    return state if whole else None
