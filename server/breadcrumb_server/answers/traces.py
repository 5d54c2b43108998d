"""Answer list_traces: the traces of a project, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from breadcrumb_server.answers.common.budget import chars_for, fit_table
from breadcrumb_server.answers.common.cursor import Position, decode_cursor, encode_cursor
from breadcrumb_server.answers.common.model import Cell, Page, check_limit
from breadcrumb_server.answers.common.next_calls import at_most_one, call
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import one_line, rounded
from breadcrumb_server.answers.common.time_argument import parse_since
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries import traces as queries

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_LIMIT = 200
STATUSES = ("running", "completed", "failed", "timeout", "stopped", "crashed")
COLUMNS = ["trace_id", "status", "started_at", "duration_ms", "exit", "calls", "uncaught", "command", "label"]

DEFAULT_LIMIT = 20


class TraceList(Page):
    """Traces, newest first. ``exit`` is the exit code or signal, ``uncaught`` the type of the uncaught exception."""


def list_traces(
    con: DuckDBPyConnection,
    project: str,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    status: str | None = None,
    since: str | None = None,
) -> TraceList:
    """Return one page of the traces of a project.

    Raises:
        BreadcrumbError: The status is unknown, ``since`` is no time, the limit is below 1, or the cursor is of another
            query.
    """
    limit, notes = check_limit(limit, MAX_LIMIT)
    if status is not None and status not in STATUSES:
        raise BreadcrumbError(f"Unknown status: {status[:80]!r}.", hint=f"The statuses are: {', '.join(STATUSES)}.")
    # An age in ``since`` moves on from page to page. Pages begin at the number of a trace, so that none is repeated.
    query = ("list_traces", project, status, since)
    before = decode_cursor(cursor, query).at if cursor else None
    found, total = queries.list_traces(
        con, status=status, since=parse_since(since) if since else None, before_no=before, limit=limit + 1
    )
    page = found[:limit]
    part = Parts()

    def build(rows: int, chars: int) -> TraceList:
        last = page[rows - 1] if 0 < rows < len(found) else None
        return part.told(
            TraceList(
                project=project,
                total=total,
                columns=COLUMNS,
                rows=part.each("rows", page[:rows], lambda trace: _row(trace, min(chars, 300))),
                next_cursor=encode_cursor(query, Position(last.trace_no)) if last else None,
                notes=[*notes],
                next=at_most_one(
                    [
                        call("get_trace", project=project, trace_id=trace.trace_id)
                        for trace in _worth_reading(page[:rows])
                    ]
                ),
            )
        )

    return fit_table(build, len(page), limit=chars_for(limit, DEFAULT_LIMIT))


def _worth_reading(page: list[queries.TraceSummary]) -> list[queries.TraceSummary]:
    """Select the newest trace, and the newest one that ended but did not complete."""
    return [*page[:1], *[trace for trace in page if trace.status not in ("completed", "running")][:1]]


def _row(trace: queries.TraceSummary, chars: int) -> list[Cell]:
    return [
        trace.trace_id,
        trace.status,
        trace.started_at.isoformat(sep=" ", timespec="seconds"),
        None if trace.duration_ms is None else rounded(trace.duration_ms),
        trace.signal or trace.exit_code,
        trace.calls,
        one_line(trace.uncaught, chars) if trace.uncaught else None,
        one_line(trace.command, chars),
        one_line(trace.label, chars) if trace.label else None,
    ]
