"""Write a run into the database: its start, its progress and its end. Blocking: call it in a worker thread."""

import shlex
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from breadcrumb.record_format import NOTICE_UNTRACED_PYTHON
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.runs.state import RunState
from breadcrumb_server.runs.untraced import UntracedPythons
from breadcrumb_storage.database import Database
from breadcrumb_storage.ingest.faults import add_printed_fault, ingest_faults, set_stack_reason
from breadcrumb_storage.ingest.ingest import IngestStats, ingest_trace
from breadcrumb_storage.queries.project_overview import add_notices, replace_notices
from breadcrumb_storage.queries.traces import has_processes, traced_images
from breadcrumb_storage.retention import apply_retention
from breadcrumb_storage.trace_rows import TraceEnd, TraceStart, TraceStatus, finish_trace, insert_trace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def record_start(database: Database, state: RunState) -> None:
    """Insert the row of a run that has just started."""
    with database.write() as con:
        _insert(con, state)


def record_progress(
    database: Database, spool: Path, state: RunState, redactor: Redactor, untraced: UntracedPythons
) -> IngestStats:
    """Ingest what the processes have written so far.

    Args:
        database: The project's database.
        spool: The spool folder of the run.
        state: The state of the run.
        redactor: Redacts secrets that a process wrote before it knew them as such.
        untraced: The Pythons that did not load the tracer.
    """
    with database.write() as con:
        _insert(con, state)
        stats = ingest_trace(con, spool, state.trace_id, redact_records=redactor.redact_records)
        ingest_faults(con, spool, state.trace_id, redactor.redact_text)
        _tell_untraced(con, state.trace_id, untraced)
        return stats


def record_end(
    database: Database, spool: Path, state: RunState, redactor: Redactor, untraced: UntracedPythons | None = None
) -> None:
    """Ingest the rest, write how the run ended, and remove its spool folder. Repeating it is harmless.

    Call it after every process of the run has ended and ``state`` says how.

    Args:
        database: The project's database.
        spool: The spool folder of the run.
        state: The state of the run.
        redactor: Redacts secrets that a process wrote before it knew them as such.
        untraced: The Pythons that did not load the tracer; None leaves what was told of them during the run.

    Raises:
        BreadcrumbError: The database cannot be written. The folder stays, so that a later call, by any server, can
            finish the trace.
    """
    with database.write() as con:
        _insert(con, state)
        ingest_trace(con, spool, state.trace_id, final=True, redact_records=redactor.redact_records)
        ingest_faults(con, spool, state.trace_id, redactor.redact_text)
        add_printed_fault(con, state.trace_id, state.stderr_tail, state.child_pid)
        set_stack_reason(con, state.trace_id, state.status)
        traced = has_processes(con, state.trace_id)
        if untraced is not None:
            _tell_untraced(con, state.trace_id, untraced)
        add_notices(con, state.trace_id, [(code, message) for code, message in state.notices])
        finish_trace(con, state.trace_id, _end(state, traced=traced))
        if state.max_traces and state.max_db_mb:
            apply_retention(con, state.max_traces, state.max_db_mb * 1_000_000)
    shutil.rmtree(spool, ignore_errors=True)


def _tell_untraced(con: "DuckDBPyConnection", trace_id: str, untraced: UntracedPythons) -> None:
    replace_notices(con, trace_id, NOTICE_UNTRACED_PYTHON, untraced.lines(traced_images(con, trace_id)))


def _insert(con: "DuckDBPyConnection", state: RunState) -> None:
    insert_trace(
        con,
        TraceStart(
            trace_id=state.trace_id,
            started_at=datetime.fromisoformat(state.started_at),
            command=shlex.join(state.command),
            label=state.label,
            cwd=state.cwd,
            timeout_seconds=state.timeout_seconds,
            pid=state.child_pid,
            config=state.config,
        ),
    )


def _end(state: RunState, *, traced: bool) -> TraceEnd:
    if state.finished_at is None or state.duration_ms is None:
        raise ValueError(f"run {state.trace_id} has not ended")
    return TraceEnd(
        status=cast("TraceStatus", state.status),
        finished_at=datetime.fromisoformat(state.finished_at),
        duration_ms=state.duration_ms,
        exit_code=state.exit_code,
        signal=state.signal,
        stdout_tail=state.stdout_tail,
        stderr_tail=state.stderr_tail,
        stdout_bytes=state.stdout_bytes,
        stderr_bytes=state.stderr_bytes,
        not_traced_reason=None if traced else state.not_traced_reason,
    )
