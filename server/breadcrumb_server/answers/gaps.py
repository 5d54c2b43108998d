"""The answer to: what was called from traced code but not traced?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.base import Cell, Page, check_limit
from breadcrumb_server.answers.cursors import Position, decode_cursor, encode_cursor
from breadcrumb_server.answers.fit import fit_table
from breadcrumb_server.answers.follow_ups import MAX_CALL_CHARS, call, first_few
from breadcrumb_server.answers.gap_ranking import Gap, best_includes, patterns_of, rank_gaps
from breadcrumb_server.answers.places import Places
from breadcrumb_server.answers.text import cut, milliseconds
from breadcrumb_server.discover import discover_include
from breadcrumb_storage.queries.gaps import list_gaps
from breadcrumb_storage.queries.traces import TraceRow, get_trace
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_LIMIT = 200
COLUMNS = ["function", "module", "called_by", "call_count", "exact", "time_ms", "suggested_include", "origin"]
# A run without a timeout of its own is given one: a call that is to be made as it stands needs it.
DEFAULT_TIMEOUT_SECONDS = 60


class GapList(Page):
    """Functions that traced code called and that were not traced, the most instructive first.

    ``exact`` false: the function was called at least ``call_count`` times. C functions cannot be traced.
    """

    trace_id: str
    edit_config: str = Field(default="", description="the call that has the best of them traced in the next run")


def find_gaps(
    con: DuckDBPyConnection, project: str, trace_id: str | None = None, limit: int = 20, cursor: str | None = None
) -> GapList:
    """One page of the gaps of a trace (the newest one without ``trace_id``).

    Raises:
        BreadcrumbError: an unknown trace, a limit below 1, or a cursor of another query.
    """
    limit, notes = check_limit(limit, MAX_LIMIT)
    query = ("find_gaps", project)
    start = decode_cursor(cursor, query) if cursor else Position(0)
    trace = get_trace(con, resolve_trace_id(con, trace_id or start.trace_id or None, project))
    gaps = rank_gaps(list_gaps(con, trace), Places.of(trace), trace.config)
    edit = edit_config_call(project, trace, gaps)
    page = gaps[start.at : start.at + limit]

    def build(rows: int, chars: int) -> GapList:
        end = start.at + rows
        return GapList(
            project=project,
            trace_id=trace.trace_id,
            total=len(gaps),
            columns=COLUMNS,
            rows=[_row(gap, chars) for gap in page[:rows]],
            edit_config=edit,
            next_cursor=encode_cursor(query, Position(end, trace.trace_id)) if end < len(gaps) else None,
            notes=notes,
            next=first_few([edit or None, rerun_call(project, trace) if edit else None]),
        )

    return fit_table(build, len(page))


def _row(gap: Gap, chars: int) -> list[Cell]:
    row = gap.row
    callers = f" and {row.callers - 1} more" if row.callers > 1 else ""
    return [
        cut(row.name, chars),
        cut(row.module, chars),
        cut(row.caller, chars) + callers,
        row.call_count,
        row.exact,
        milliseconds(row.time_ns) if row.time_ns else None,
        gap.suggested_include if len(gap.suggested_include) <= chars else "",
        gap.origin if row.kind == "python" else f"{gap.origin}, C",
    ]


def edit_config_call(project: str, trace: TraceRow, gaps: Sequence[Gap]) -> str:
    """The one call that has the best of these gaps traced next time, "" where there is none.

    Without a workspace, where a runner (pytest, say) stands between ``__main__`` and the user's code, no gap of that
    code shows: the call then makes the folder that the command ran in the workspace, and includes what is found there.
    """
    patterns = best_includes(gaps, trace.config)
    workspace: dict[str, str] | None = None
    if needs_workspace(trace, gaps):
        patterns, workspace = _code_in(trace), {"workspace": str(trace.cwd)}
    while patterns:
        text = call("edit_config", project=project, add_include=patterns, set=workspace)
        if len(text) <= MAX_CALL_CHARS:
            return text
        patterns.pop()
    return ""


def needs_workspace(trace: TraceRow, gaps: Sequence[Gap]) -> bool:
    """Whether nothing leads on to the user's own code but that its folder is made known."""
    own = any(gap.origin == "own" and gap.suggested_include for gap in gaps)
    return not trace.config.get("workspace") and not own and bool(_code_in(trace))


def _code_in(trace: TraceRow) -> list[str]:
    """The include patterns for the code in the folder that the command ran in, those that are new."""
    folder = Path(trace.cwd) if trace.cwd else None
    if folder is None or not folder.is_dir() or folder == folder.parent:
        return []
    present = patterns_of(trace.config, "include")
    return [pattern for pattern in discover_include(folder) if pattern not in present]


def rerun_call(project: str, trace: TraceRow, lines: Sequence[str] = ()) -> str | None:
    """The call that runs the same command again; None where the command was redacted and cannot be repeated.

    Args:
        lines: functions whose executed lines are to be recorded this time.
    """
    if "[REDACTED]" in trace.command or not trace.command:
        return None
    timeout = trace.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
    return call(
        "run",
        project=project,
        command=trace.command,
        timeout_seconds=int(timeout) if timeout == int(timeout) else timeout,
        cwd=trace.cwd if trace.cwd and trace.cwd != trace.config.get("workspace") else None,
        capture={"lines": list(lines)} if lines else None,
    )
