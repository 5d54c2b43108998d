"""Insert, finish, find and delete the rows of `traces`."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.rows import fetch
from breadcrumb_storage.source_files import drop_unused_texts
from breadcrumb_storage.transaction import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

TraceStatus = Literal["running", "completed", "failed", "timeout", "stopped", "crashed"]

MAX_IDS_IN_ERRORS = 5
# Stands for the newest trace where an id is given.
LATEST = "latest"

# All tables with rows of a trace, by their key. `traces` is last, since deletions by trace_no read it.
_TABLES_BY_TRACE_NO = ("call_records", "line_records", "yield_records", "pending_returns", "pending_child_time")
_TABLES_BY_TRACE_ID = (
    "processes", "threads", "tasks", "functions", "exceptions", "exception_counts", "stacks", "tests", "probes",
    "probe_values", "gap_records", "notices", "segments", "source_files", "executed_records",
    "neighbour_records", "traces",
)  # fmt: skip

# The time of the last recorded call stands for that of the end.
_END_AT_LAST_CALL = """
UPDATE traces
SET status = $2, finished_at = greatest(started_at, coalesce(last.at, started_at)),
    duration_ms = greatest(0, date_diff('microsecond', started_at, coalesce(last.at, started_at)) / 1000)
FROM (SELECT make_timestamp_ns(max(started_ns + coalesce(duration_ns, 0)))::TIMESTAMP AS at FROM call_records
      WHERE trace_no = (SELECT trace_no FROM traces WHERE trace_id = $1)) last
WHERE trace_id = $1 AND status = $3 RETURNING trace_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStart:
    """Columns of `traces` that are known when a run starts; text is redacted."""

    trace_id: str
    started_at: datetime  # aware, or in UTC
    command: str
    label: str | None = None
    cwd: str | None = None
    timeout_seconds: float | None = None
    pid: int | None = None
    config: str | None = None  # JSON: include, exclude and capture of the run


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEnd:
    """Columns of `traces` that are known when a run has ended; text is redacted."""

    status: TraceStatus
    finished_at: datetime  # aware, or in UTC
    duration_ms: float
    exit_code: int | None = None
    signal: str | None = None
    stdout_tail: str | None = None
    stderr_tail: str | None = None
    stdout_bytes: int | None = None
    stderr_bytes: int | None = None
    not_traced_reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunningTrace:
    """A trace whose run has not ended as far as the database knows."""

    trace_id: str
    started_at: datetime  # UTC
    pid: int | None  # the command's first process


@dataclass(frozen=True, slots=True)
class StoredEnd:
    """The columns of `traces` that tell one end of a trace from another, and how much of its spool was read."""

    status: TraceStatus
    finished_at: datetime | None
    bytes_read: int


def stored_end(con: DuckDBPyConnection, trace_id: str) -> StoredEnd | None:
    """Return how a trace ended as far as the database knows, None without the trace.

    Args:
        con: A connection of `Database.read` or `Database.write`.
        trace_id: The trace.
    """
    found = fetch(
        con.execute(
            """
            SELECT status, finished_at, (
                SELECT coalesce(sum(bytes_read), 0)::BIGINT FROM segments s WHERE s.trace_id = t.trace_id
            ) AS bytes_read
            FROM traces t WHERE trace_id = ?
            """,
            [trace_id],
        ),
        StoredEnd,
    )
    return found[0] if found else None


def insert_trace(con: DuckDBPyConnection, start: TraceStart) -> None:
    """Insert a trace with status ``running``, unless it exists."""
    names = [field.name for field in fields(start)]
    con.execute(
        f"INSERT INTO traces (status, {', '.join(names)}) VALUES ('running', {', '.join('?' * len(names))}) "
        "ON CONFLICT DO NOTHING",
        _column_values(start),
    )


def finish_trace(con: DuckDBPyConnection, trace_id: str, end: TraceEnd) -> None:
    """Write how a run ended. A repeated call overwrites the former values.

    Raises:
        BreadcrumbError: The trace does not exist.
    """
    settings = ", ".join(f"{field.name} = ?" for field in fields(end))
    updated = con.execute(
        f"UPDATE traces SET {settings} WHERE trace_id = ? RETURNING trace_id", [*_column_values(end), trace_id]
    )
    if not updated.fetchall():
        raise BreadcrumbError(f"There is no trace {trace_id} to finish.")


def running_traces(con: DuckDBPyConnection) -> list[RunningTrace]:
    """Return the traces with status ``running``.

    Args:
        con: A connection of `Database.read` or `Database.write`.
    """
    return fetch(con.execute("SELECT trace_id, started_at, pid FROM traces WHERE status = 'running'"), RunningTrace)


def stop_lost_trace(con: DuckDBPyConnection, trace_id: str) -> bool:
    """Set the status of a running trace to ``stopped`` when nothing is known of its end but what was recorded.

    The time of the last recorded call stands for that of the end.

    Args:
        con: A connection of `Database.write`.
        trace_id: The trace.

    Returns:
        Whether it was running until now.
    """
    return bool(con.execute(_END_AT_LAST_CALL, [trace_id, "stopped", "running"]).fetchall())


def end_at_last_call(con: DuckDBPyConnection, trace_id: str, status: TraceStatus) -> None:
    """Set the end of a trace with this status to its last recorded call, where nothing else shows when it ended.

    Args:
        con: A connection of `Database.write`.
        trace_id: The trace.
        status: Its status, which stays.
    """
    con.execute(_END_AT_LAST_CALL, [trace_id, status, status])


def _column_values(row: TraceStart | TraceEnd) -> list[object]:
    values: list[object] = list(astuple(row))
    return [
        value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value
        for value in values
    ]


def resolve_trace_id(con: DuckDBPyConnection, given: str | None, project: str) -> str:
    """Return the id of the trace that the caller means.

    Args:
        con: A connection of `Database.read` or `Database.write`.
        given: A whole id, a prefix or suffix that only one trace has; LATEST or None for the newest trace.
        project: Name of the project, for the calls that errors propose.

    Raises:
        BreadcrumbError: No trace matches, or several do.
    """
    newest_first = "FROM traces {} ORDER BY started_at DESC, trace_id DESC LIMIT 100"
    if given is None or given == LATEST:
        found = _ids(con, newest_first.format(""))
        if not found:
            raise BreadcrumbError(f"Project {project!r} has no traces yet.", hint=_run_hint(project))
        return found[0]

    matching = "WHERE trace_id = $1 OR (starts_with(trace_id, $1) OR ends_with(trace_id, $1))"
    found = _ids(con, newest_first.format(matching), [given])
    if given in found or len(found) == 1:
        return given if given in found else found[0]
    if found:
        raise BreadcrumbError(
            f"The trace id {given!r} is ambiguous: {_join_ids(found)} match.", hint="Give the whole trace_id."
        )
    newest = _ids(con, newest_first.format(""))
    if not newest:
        raise BreadcrumbError(f"Project {project!r} has no trace {given!r}, and no other yet.", hint=_run_hint(project))
    raise BreadcrumbError(
        f"Project {project!r} has no trace {given!r}.",
        why=f"Its newest are {_join_ids(newest)}.",
        hint=f'Leave trace_id out for the newest, or call list_traces(project="{project}").',
    )


def _ids(con: DuckDBPyConnection, source: str, parameters: Sequence[object] = ()) -> list[str]:
    return [str(trace_id) for (trace_id,) in con.execute(f"SELECT trace_id {source}", list(parameters)).fetchall()]


def _join_ids(ids: list[str]) -> str:
    more = len(ids) - MAX_IDS_IN_ERRORS
    return ", ".join(ids[:MAX_IDS_IN_ERRORS]) + (f" and {more} more" if more > 0 else "")


def _run_hint(project: str) -> str:
    return f'Record one: run(project="{project}", command=["python", "script.py"], timeout_seconds=60).'


def delete_traces(con: DuckDBPyConnection, trace_ids: Sequence[str]) -> list[str]:
    """Delete traces from all tables, in one transaction.

    Args:
        con: A connection of `Database.write`, outside any transaction.
        trace_ids: Ids of traces; unknown ones are ignored.

    Returns:
        The ids of the deleted traces.
    """
    with transaction(con):
        chosen = "SELECT {} FROM traces WHERE trace_id IN (SELECT unnest(?::VARCHAR[]))"
        ids = list(trace_ids)
        deleted = _ids(con, "FROM traces WHERE trace_id IN (SELECT unnest(?::VARCHAR[]))", [ids])
        for table in _TABLES_BY_TRACE_NO:
            con.execute(f"DELETE FROM {table} WHERE trace_no IN ({chosen.format('trace_no')})", [ids])
        for table in _TABLES_BY_TRACE_ID:
            con.execute(f"DELETE FROM {table} WHERE trace_id IN (SELECT unnest(?::VARCHAR[]))", [ids])
        drop_unused_texts(con)
    return deleted
