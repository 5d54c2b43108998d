"""Read the state of a program that traces itself from ``program.json`` in its spool folder."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal

from breadcrumb.record_format import PROGRAM_FILE
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.state import RUNNING, RunState, check_not_newer
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.ingest.spool_files import list_spool
from breadcrumb_storage.regular_file import read_regular
from breadcrumb_storage.retention import DEFAULT_MAX_DB_MB

# Of a database that is not a project's, its size alone is limited.
MAX_TRACES = 1_000_000
CRASHED: Final = "crashed"
_NS = 1_000_000_000


@dataclass(frozen=True)
class Program:
    """The state of a program, as its tracer has written it. Texts are redacted."""

    trace_id: str
    command: list[str]
    label: str | None
    cwd: str
    pid: int
    kernel_start: int | None
    started_at_ns: int
    config: dict[str, Any]
    status: Literal["running", "completed", "failed"]
    exit_code: int | None
    finished_at_ns: int | None

    def is_traced(self) -> bool:
        """Return whether the program still runs and has not ended the trace."""
        return self.status == RUNNING and process_group.is_alive(self.pid, self.kernel_start)

    def living_children(self, spool: Path) -> list[int]:
        """Return the pids of its living child processes that are traced into the same folder."""
        found = set(process_group.members(None, spool))
        for file in list_spool(spool):
            if process_group.started_by(file.pid, datetime.fromtimestamp(file.started_at_ns / _NS, UTC)):
                found.add(file.pid)
        return sorted(found - {self.pid})

    def as_run(self) -> RunState:
        """Return the program as a run, ended if it has: what stores a run stores this too.

        When a program ended that did so without a word is not known here: it has the time of its start.
        """
        status: str = self.status
        finished_ns = self.finished_at_ns
        if status == RUNNING and not self.is_traced():
            status = CRASHED
            finished_ns = self.started_at_ns
        return RunState(
            project="",
            trace_id=self.trace_id,
            command=self.command,
            label=self.label,
            cwd=self.cwd,
            timeout_seconds=None,
            config=json.dumps(self.config),
            not_traced_reason="",
            captures_output=False,
            started_at=_iso(self.started_at_ns),
            child_pid=self.pid,
            child_started=self.kernel_start,
            status=status,
            exit_code=self.exit_code,
            finished_at=None if finished_ns is None else _iso(finished_ns),
            duration_ms=None if finished_ns is None else round((finished_ns - self.started_at_ns) / 1e6, 3),
            max_traces=MAX_TRACES,
            max_db_mb=DEFAULT_MAX_DB_MB,
        )


def load_program(spool: Path) -> Program | None:
    """Load the state of a program; None if there is none, as while its folder is being made.

    Raises:
        SpoolTooNew: A newer Breadcrumb writes its spools in another way.
        BreadcrumbError: The file is damaged.
    """
    file = spool / PROGRAM_FILE
    try:
        content = json.loads(read_regular(file))
        check_not_newer(spool.name, content)
        program = _checked(content)
        if program.trace_id != spool.name or (program.finished_at_ns is None) != (program.status == RUNNING):
            raise ValueError("it does not fit its folder")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BreadcrumbError(f"The trace {spool.name} cannot be stored.", why=f"{file} is damaged: {error}") from error
    return program


# By hand: importing pydantic would take longer than all else that the process does which stores a program's trace.
_TYPES: dict[str, tuple[type, ...]] = {
    "trace_id": (str,),
    "command": (list,),
    "label": (str, NoneType),
    "cwd": (str,),
    "pid": (int,),
    "kernel_start": (int, NoneType),
    "started_at_ns": (int,),
    "config": (dict,),
    "status": (str,),
    "exit_code": (int, NoneType),
    "finished_at_ns": (int, NoneType),
}
_STATUSES = (RUNNING, "completed", "failed")


def _checked(data: Any) -> Program:
    """Return the state of a program; raise ValueError or TypeError if the data is not what ``init`` writes."""
    for name, types in _TYPES.items():
        if not isinstance(data[name], types):
            raise TypeError(f"{name} is {data[name]!r}")
    if data["status"] not in _STATUSES or not all(isinstance(word, str) for word in data["command"]):
        raise ValueError("a field has an unknown value")
    return Program(**{name: data[name] for name in _TYPES})


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / _NS, UTC).isoformat()
