"""Write a run into the database: its start, its progress and its end. Blocking: call it in a worker thread."""

import logging
import shlex
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from breadcrumb.record_format import NOTICE_SERVER_ERROR, NOTICE_SPOOL_GONE, NOTICE_UNTRACED_PYTHON
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.runs.kept_sources import keep_run_sources
from breadcrumb_server.runs.state import RunState, state_file
from breadcrumb_server.runs.stop_mark import mark_file
from breadcrumb_server.runs.untraced import UntracedPythons
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError, SpoolUnreadable, first_line, is_passing
from breadcrumb_storage.ingest.faults import add_printed_fault, ingest_faults, set_stack_reason
from breadcrumb_storage.ingest.ingest import IngestStats, ingest_trace
from breadcrumb_storage.ingest.neighbours import insert_neighbours
from breadcrumb_storage.queries.project_overview import add_notices, replace_notices
from breadcrumb_storage.queries.traces import has_processes, traced_images
from breadcrumb_storage.retention import apply_retention
from breadcrumb_storage.trace_rows import (
    StoredEnd,
    TraceEnd,
    TraceStart,
    TraceStatus,
    finish_trace,
    insert_trace,
    stop_lost_trace,
    stored_end,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

logger = logging.getLogger(__name__)

# Times that the end of a run is written if it is not there afterwards.
STORING_ATTEMPTS = 3


def record_start(database: Database, state: RunState) -> None:
    """Insert the row of a run that has just started."""
    with database.write() as con:
        _insert(con, state)


def record_progress(
    database: Database, spool: Path, state: RunState, redactor: Redactor, untraced: UntracedPythons | None = None
) -> IngestStats:
    """Ingest what the processes have written so far.

    Args:
        database: The project's database.
        spool: The spool folder of the run.
        state: The state of the run.
        redactor: Redacts secrets that a process wrote before it knew them as such.
        untraced: The Pythons that did not load the tracer; None tells nothing of them.
    """
    with database.write() as con:
        _insert(con, state)
        stats = ingest_trace(con, spool, state.trace_id, redact_records=redactor.redact_records)
        ingest_faults(con, spool, state.trace_id, redactor.redact_text)
        if untraced is not None:
            _tell_untraced(con, state.trace_id, untraced)
        return stats


def record_outcome(database: Database, state: RunState) -> None:
    """Write how a run ended of which processes are left that record."""
    with database.write() as con:
        finish_trace(con, state.trace_id, _end(state, traced=True))


def record_end(
    database: Database, spool: Path, state: RunState, redactor: Redactor, untraced: UntracedPythons | None = None
) -> None:
    """Ingest the rest, write how the run ended, and remove its spool folder. Repeating it is harmless.

    Call it after every process of the run has ended and ``state`` says how. A trace that is left as running could be
    neither stopped nor deleted: a step that fails, and would fail again, is left out with a notice. The folder goes
    only when another connection has read the end back: a database that was replaced meanwhile by an older one is
    written once more.

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
    for _ in range(STORING_ATTEMPTS):
        stored = _store_end(database, spool, state, redactor, untraced)
        if stored is None or stored == _read_end(database, state.trace_id):
            remove_spool(spool)
            return
        if not spool.is_dir():  # deleted with its trace, at a user's request
            return
        logger.warning("The end of %s was stored, and is not in the database: it is stored again", state.trace_id)
    raise BreadcrumbError(
        f"The end of {state.trace_id} does not stay in {database.path}.",
        why="What is written there is gone when the file is opened again: another program replaces or overwrites it.",
        hint="End that program, then ask again. The trace is kept in its spool folder until it is stored.",
    )


def remove_spool(spool: Path) -> None:
    """Remove a spool folder, or what a program has put in its place, and its state, as far as that is possible."""
    for file in (state_file(spool), mark_file(spool)):  # first: a folder without a state is removed later
        with suppress(OSError):
            file.unlink()
    if spool.is_dir() and not spool.is_symlink():
        with suppress(OSError):
            spool.chmod(0o700)
        shutil.rmtree(spool, ignore_errors=True)
    else:
        with suppress(OSError):
            spool.unlink()


def _read_end(database: Database, trace_id: str) -> StoredEnd | None:
    """Return the end of a trace as a new connection finds it."""
    with database.read() as con:
        return stored_end(con, trace_id)


def _store_end(
    database: Database, spool: Path, state: RunState, redactor: Redactor, untraced: UntracedPythons | None
) -> StoredEnd | None:
    """Write the end of a run; return it as it stands in the database, None if retention has deleted the trace."""
    trace_id = state.trace_id
    with database.write() as con:

        def ingest() -> None:
            ingest_trace(con, spool, trace_id, final=True, redact_records=redactor.redact_records)

        def stacks() -> None:
            ingest_faults(con, spool, trace_id, redactor.redact_text)

        def printed_stacks() -> None:
            add_printed_fault(con, trace_id, state.stderr_tail, state.child_pid)

        def neighbours() -> None:
            insert_neighbours(con, spool, trace_id, ended_well=state.status == "completed")

        def finish() -> None:
            # Why nothing was traced can be told only where all that was recorded was read.
            finish_trace(con, trace_id, _end(state, traced=has_processes(con, trace_id) or not all_read))

        _insert(con, state)
        all_read = _step(state, ingest, "What was recorded could not be read to its end")
        _step(state, neighbours, "The lines of other tests are missing")
        _step(state, stacks, "The stacks at the end are missing")
        _step(state, printed_stacks, "The stacks on stderr were not read")
        _step(state, lambda: set_stack_reason(con, trace_id, state.status), "Stacks lack their reason")
        if untraced is not None and all_read:
            _step(state, lambda: _tell_untraced(con, trace_id, untraced), "Which Pythons ran untraced is not known")
        _step(state, lambda: keep_run_sources(con, state, redactor), "The source of the program was not kept")
        if not _step(state, finish, "How it ended could not be stored"):
            stop_lost_trace(con, trace_id)
        if state.max_traces and state.max_db_mb:
            max_bytes = state.max_db_mb * 1_000_000
            _step(state, lambda: apply_retention(con, state.max_traces, max_bytes), "Old traces were not deleted")
        _step(
            state,
            lambda: add_notices(con, trace_id, [(code, message) for code, message in state.notices]),
            "Notices could not be stored",
        )
        return stored_end(con, trace_id)


def _tell_untraced(con: "DuckDBPyConnection", trace_id: str, untraced: UntracedPythons) -> None:
    replace_notices(con, trace_id, NOTICE_UNTRACED_PYTHON, untraced.lines(traced_images(con, trace_id)))


def _step(state: RunState, step: Callable[[], object], without: str) -> bool:
    """Do one step of the end of a run; if it would always fail, add a notice instead and return False.

    Args:
        state: The state of the run, which gets the notice.
        step: The step.
        without: A sentence for the notice that says what is missing without it, without its full stop.

    Raises:
        Exception: The step failed for a reason that may pass, such as a locked database or a full disk.
    """
    try:
        step()
    except SpoolUnreadable as error:
        state.add_notice(NOTICE_SPOOL_GONE, f"{without}: {error.why}")
    except Exception as error:
        if is_passing(error):
            raise
        logger.exception("%s: %s", state.trace_id, without)
        state.add_notice(NOTICE_SERVER_ERROR, f"{without}: {first_line(error)}")
    else:
        return True
    return False


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
        stdout_tail=state.stdout_tail if state.captures_output else None,
        stderr_tail=state.stderr_tail if state.captures_output else None,
        stdout_bytes=state.stdout_bytes if state.captures_output else None,
        stderr_bytes=state.stderr_bytes if state.captures_output else None,
        not_traced_reason=None if traced else state.not_traced_reason,
    )
