"""Read traces, their processes and threads, and their notices."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from breadcrumb_storage.rows import fetch, fetch_one

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A trace with everything known about its run."""

    trace_id: str
    trace_no: int
    status: str
    started_at: datetime  # UTC
    duration_ms: float | None  # up to now, if the run has not ended
    command: str
    label: str | None
    cwd: str | None
    timeout_seconds: float | None
    exit_code: int | None
    signal: str | None
    stdout_tail: str | None
    stderr_tail: str | None
    stdout_bytes: int | None
    stderr_bytes: int | None
    not_traced_reason: str | None
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """A trace in a list of traces."""

    trace_no: int
    trace_id: str
    status: str
    started_at: datetime  # UTC
    duration_ms: float | None  # None: the run has not ended
    exit_code: int | None
    signal: str | None
    calls: int  # recorded ones
    uncaught: str | None  # the type of the last uncaught exception
    command: str
    label: str | None


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A traced process of a trace."""

    process_id: int
    pid: int | None
    parent_process_id: int | None
    name: str | None  # in multiprocessing
    command: str | None
    started_by: str | None  # fork, exec or subinterpreter; None: a separate program
    backend: str | None
    mode: str | None
    core: str | None  # pure or c
    core_reason: str | None
    ended: bool  # by a normal exit or an exec
    replaced: bool  # by an exec


@dataclass(frozen=True, slots=True)
class TracedImage:
    """What identifies a traced process among those that were seen: an exec changes the start of its stack only."""

    pid: int | None
    parent: int | None  # the pid of its parent
    started: int | None  # in clock ticks since boot
    image: int | None  # start of its stack


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice, with the number of processes that have it."""

    code: str
    message: str
    processes: int  # 0: it is about the run as a whole


def get_trace(con: DuckDBPyConnection, trace_id: str) -> TraceRow:
    """Read the trace with exactly this id; `trace_rows.resolve_trace_id` finds the id that a caller means.

    Raises:
        LookupError: There is no such trace.
    """
    result = con.execute(
        """
        SELECT trace_id, trace_no, status, started_at,
               coalesce(duration_ms, date_diff('microsecond', started_at, now() AT TIME ZONE 'UTC') / 1000.0)
                   AS duration_ms,
               command, label, cwd, timeout_seconds, exit_code, signal,
               stdout_tail, stderr_tail, stdout_bytes, stderr_bytes, not_traced_reason, config
        FROM traces WHERE trace_id = ?
        """,
        [trace_id],
    )
    trace = fetch_one(result, TraceRow, convert={"config": _config})
    if trace is None:
        raise LookupError(trace_id)
    return trace


def _config(text: str | None) -> dict[str, Any]:
    try:
        parsed = json.loads(text or "{}")
    except ValueError:  # the launcher did not write this row
        return {}
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def list_traces(
    con: DuckDBPyConnection, *, status: str | None, since: datetime | None, before_no: int | None, limit: int
) -> tuple[list[TraceSummary], int]:
    """Return a page of the traces that fit, the newest first, and the number of traces that fit.

    Args:
        con: A connection of `Database.read` or `Database.write`.
        status: The status of the traces; None for any.
        since: The earliest start, in UTC; None for any.
        before_no: The page has traces with a smaller `trace_no`; None for the newest.
        limit: Maximum number of traces on the page.
    """
    where = ["true"]
    parameters: list[Any] = []
    if status is not None:
        where.append("status = ?")
        parameters.append(status)
    if since is not None:
        where.append("started_at >= ?")
        parameters.append(since)
    condition = " AND ".join(where)
    total = con.execute(f"SELECT count(*) FROM traces WHERE {condition}", parameters).fetchall()[0][0]
    if before_no is not None:
        condition += " AND trace_no < ?"
        parameters.append(before_no)
    return _summaries(con, f"{condition} ORDER BY trace_no DESC LIMIT ?", [*parameters, limit]), total


def find_trace_ids(con: DuckDBPyConnection, prefix: str, limit: int) -> tuple[list[str], int]:
    """Return the ids of the newest traces that begin with ``prefix``, and the number of all that do."""
    found = con.execute(
        "SELECT trace_id, count(*) OVER () FROM traces WHERE starts_with(trace_id, ?) ORDER BY trace_no DESC LIMIT ?",
        [prefix, limit],
    ).fetchall()
    return [str(trace_id) for trace_id, _ in found], int(found[0][1]) if found else 0


def summaries(
    con: DuckDBPyConnection, trace_ids: Sequence[str] | None = None, *, before: datetime | None = None
) -> list[TraceSummary]:
    """Return several traces, the newest first.

    Args:
        con: A connection of `Database.read` or `Database.write`.
        trace_ids: Ids of traces; unknown ones are ignored. None selects by `before`.
        before: Traces that started before this time, in UTC; None for all. Without effect beside `trace_ids`.
    """
    if trace_ids is not None:
        return _summaries(con, "list_contains(?, trace_id)", [list(trace_ids)])
    return _summaries(con, "true" if before is None else "started_at < ?", [] if before is None else [before])


def _summaries(con: DuckDBPyConnection, condition: str, parameters: Sequence[object]) -> list[TraceSummary]:
    result = con.execute(
        f"""
        WITH page AS (SELECT * FROM traces WHERE {condition}),
        counted AS (
            SELECT trace_no, count(*) AS calls FROM call_records
            WHERE trace_no IN (SELECT trace_no FROM page) GROUP BY trace_no),
        thrown AS (
            SELECT trace_id, arg_max(exception_type, exception_id) AS uncaught FROM exceptions
            WHERE uncaught AND trace_id IN (SELECT trace_id FROM page) GROUP BY trace_id)
        SELECT trace_no, trace_id, status, started_at, duration_ms, exit_code, signal,
               coalesce(calls, 0) AS calls, uncaught, command, label
        FROM page LEFT JOIN counted USING (trace_no) LEFT JOIN thrown USING (trace_id)
        ORDER BY trace_no DESC
        """,
        list(parameters),
    )
    return fetch(result, TraceSummary)


def last_completed(reader: TraceReader) -> str | None:
    """Return the id of the newest earlier trace of the same command and folder that completed and has functions."""
    row = reader.con.execute(
        """
        SELECT trace_id FROM traces t
        WHERE trace_no < $trace_no AND status = 'completed' AND command = $command AND cwd IS NOT DISTINCT FROM $cwd
          AND EXISTS (FROM functions f WHERE f.trace_id = t.trace_id)
        ORDER BY trace_no DESC LIMIT 1
        """,
        {"trace_no": reader.trace_no, "command": reader.trace.command, "cwd": reader.trace.cwd},
    ).fetchone()
    return row[0] if row else None


def count_calls(con: DuckDBPyConnection) -> int:
    """Count the recorded calls of all traces together."""
    return int(con.execute("SELECT count(*) FROM call_records").fetchall()[0][0])


def has_processes(con: DuckDBPyConnection, trace_id: str) -> bool:
    """Return whether any process of a run was traced."""
    return bool(con.execute("SELECT 1 FROM processes WHERE trace_id = ? LIMIT 1", [trace_id]).fetchall())


def traced_images(con: DuckDBPyConnection, trace_id: str) -> list[TracedImage]:
    """Return what identifies the traced processes of a run.

    Args:
        con: A connection of `Database.read` or `Database.write`.
        trace_id: The run's trace.
    """
    result = con.execute(
        """
        SELECT pid, parent_pid AS parent, kernel_start AS started, image_start AS image
        FROM processes WHERE trace_id = ?
        """,
        [trace_id],
    )
    return fetch(result, TracedImage)


def list_processes(reader: TraceReader) -> list[ProcessRow]:
    """Return the traced processes in the order in which they started."""
    result = reader.con.execute(
        """
        SELECT process_id, pid, parent_process_id, name, command, started_by, backend, mode, core, core_reason,
               ended_at IS NOT NULL AS ended,
               process_id IN (SELECT parent_process_id FROM processes WHERE trace_id = $1 AND started_by = 'exec')
                   AS replaced
        FROM processes WHERE trace_id = $1 ORDER BY process_id
        """,
        [reader.trace_id],
    )
    return fetch(result, ProcessRow)


def calls_by_process(reader: TraceReader) -> dict[int, int]:
    """Count the recorded calls of each process that has any, by process."""
    return dict(
        reader.con.execute(
            "SELECT process_id, count(*) FROM call_records WHERE trace_no = ? GROUP BY process_id", [reader.trace_no]
        ).fetchall()
    )


def list_notices(reader: TraceReader) -> list[Notice]:
    """Return the notices of a trace, equal ones of several processes once."""
    result = reader.con.execute(
        """
        SELECT code, message, count(DISTINCT process_id) AS processes FROM notices
        WHERE trace_id = ? GROUP BY code, message ORDER BY min(process_id), code, message
        """,
        [reader.trace_id],
    )
    return fetch(result, Notice)


def thread_names(reader: TraceReader, process_ids: Sequence[int]) -> dict[tuple[int, int], str]:
    """Return the names of the named threads of some processes, by (process, thread)."""
    rows = reader.con.execute(
        "SELECT process_id, thread_id, name FROM threads WHERE trace_id = ? AND list_contains(?, process_id)",
        [reader.trace_id, list(process_ids)],
    ).fetchall()
    return {(process, thread): name for process, thread, name in rows if name}
