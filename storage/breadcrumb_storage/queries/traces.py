"""Traces, their processes and their notices."""

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
    """One run of one command; ``trace_no`` stands for ``trace_id`` in ``call_records``."""

    trace_id: str
    trace_no: int
    status: str
    started_at: datetime
    duration_ms: float | None
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
    """A trace as one line of a list."""

    trace_no: int
    trace_id: str
    status: str
    started_at: datetime
    duration_ms: float | None
    exit_code: int | None
    signal: str | None
    calls: int
    uncaught: str | None
    command: str
    label: str | None


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One traced process of a trace."""

    process_id: int
    pid: int | None
    parent_process_id: int | None
    name: str | None  # multiprocessing's
    command: str | None
    started_by: str | None  # fork, exec, subinterpreter, None: as a program of its own
    backend: str | None
    mode: str | None
    ended: bool  # it went through its normal exit, or was replaced by an exec
    replaced: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """What the tracer asked to have told, and by how many processes."""

    code: str
    message: str
    processes: int


def get_trace(con: DuckDBPyConnection, trace_id: str) -> TraceRow:
    """The trace of exactly this id (see ``trace_rows.resolve_trace_id`` for what users give).

    Raises:
        LookupError: there is no such trace.
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
    except ValueError:  # a row written by something else than the launcher
        return {}
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def list_traces(
    con: DuckDBPyConnection, *, status: str | None, since: datetime | None, before_no: int | None, limit: int
) -> tuple[list[TraceSummary], int]:
    """The newest traces that fit, at most ``limit`` of them older than ``before_no``, and how many fit in all."""
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


def summaries(
    con: DuckDBPyConnection, trace_ids: Sequence[str] | None = None, *, before: datetime | None = None
) -> list[TraceSummary]:
    """The traces with these ids, or those that began before a time (UTC), or all of them; the newest first."""
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
    """The newest trace before this one of the same command in the same folder that ended well and recorded calls."""
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
    """Recorded calls of all traces together."""
    return int(con.execute("SELECT count(*) FROM call_records").fetchall()[0][0])


def has_processes(con: DuckDBPyConnection, trace_id: str) -> bool:
    """Whether any process of a trace was traced."""
    return bool(con.execute("SELECT 1 FROM processes WHERE trace_id = ? LIMIT 1", [trace_id]).fetchall())


def list_processes(reader: TraceReader) -> list[ProcessRow]:
    """The traced processes of a trace in the order in which they started."""
    result = reader.con.execute(
        """
        SELECT process_id, pid, parent_process_id, name, command, started_by, backend, mode,
               ended_at IS NOT NULL AS ended,
               process_id IN (SELECT parent_process_id FROM processes WHERE trace_id = $1 AND started_by = 'exec')
                   AS replaced
        FROM processes WHERE trace_id = $1 ORDER BY process_id
        """,
        [reader.trace_id],
    )
    return fetch(result, ProcessRow)


def calls_by_process(reader: TraceReader) -> dict[int, int]:
    """How many calls each process recorded; those without any are left out."""
    return dict(
        reader.con.execute(
            "SELECT process_id, count(*) FROM call_records WHERE trace_no = ? GROUP BY process_id", [reader.trace_no]
        ).fetchall()
    )


def list_notices(reader: TraceReader) -> list[Notice]:
    """What the tracer asked to have told, equal messages of several processes once."""
    result = reader.con.execute(
        """
        SELECT code, message, count(DISTINCT process_id) AS processes FROM notices
        WHERE trace_id = ? GROUP BY code, message ORDER BY min(process_id), code, message
        """,
        [reader.trace_id],
    )
    return fetch(result, Notice)


def thread_names(reader: TraceReader, process_ids: Sequence[int]) -> dict[tuple[int, int], str]:
    """Names of the threads of some processes, by (process, thread)."""
    rows = reader.con.execute(
        "SELECT process_id, thread_id, name FROM threads WHERE trace_id = ? AND list_contains(?, process_id)",
        [reader.trace_id, list(process_ids)],
    ).fetchall()
    return {(process, thread): name for process, thread, name in rows if name}
