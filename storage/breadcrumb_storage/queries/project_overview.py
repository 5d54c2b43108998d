"""Read the overview of a project's database, and add notices about whole runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ProjectOverview:
    """The number of traces, and the newest one."""

    traces: int
    last_trace_id: str | None
    last_status: str | None
    last_started_at: datetime | None


def project_overview(con: DuckDBPyConnection) -> ProjectOverview:
    """Count the traces and find the newest."""
    result = con.execute(
        """
        SELECT count(*) AS traces, max_by(trace_id, trace_no) AS last_trace_id, max_by(status, trace_no) AS last_status,
               max_by(started_at, trace_no) AS last_started_at
        FROM traces
        """
    )
    return fetch(result, ProjectOverview)[0]


def seen_code(con: DuckDBPyConnection) -> set[tuple[str, str]]:
    """Return each (module, absolute file) in which a function was ever called, traced or not; unknown parts are empty.

    Functions that were called through a decorator's wrapper are included.
    """
    rows = con.execute(
        """
        SELECT DISTINCT coalesce(module_name, ''), coalesce(file, '')
        FROM (
            SELECT module_name, file FROM functions
            UNION ALL SELECT module_name, file FROM gap_records
            UNION ALL SELECT split_part(wrapped, ':', 1), regexp_extract(wrapped, '(?s)^[^:]*:[^:]*:(.*)', 1)
                      FROM (SELECT unnest(wraps) AS wrapped FROM gap_records))
        """
    ).fetchall()
    return {(module, file) for module, file in rows}


def replace_notices(con: DuckDBPyConnection, trace_id: str, code: str, messages: list[str]) -> None:
    """Replace the notices about a run as a whole that have this code.

    Args:
        con: A connection of `Database.write`.
        trace_id: The run's trace.
        code: The code of the notices.
        messages: The new notices, in order.
    """
    con.execute("DELETE FROM notices WHERE trace_id = ? AND code = ? AND process_id IS NULL", [trace_id, code])
    for message in messages:
        con.execute("INSERT INTO notices VALUES (?, NULL, ?, ?)", [trace_id, code, message])


def add_notices(con: DuckDBPyConnection, trace_id: str, notices: list[tuple[str, str]]) -> None:
    """Add notices about a run as a whole, except those that it has already.

    Args:
        con: A connection of `Database.write`.
        trace_id: The run's trace.
        notices: Pairs of a code and a message.
    """
    for code, message in notices:
        con.execute(
            """
            INSERT INTO notices SELECT $trace_id, NULL, $code, $message
            WHERE NOT EXISTS (FROM notices WHERE trace_id = $trace_id AND code = $code AND message = $message)
            """,
            {"trace_id": trace_id, "code": code, "message": message},
        )
