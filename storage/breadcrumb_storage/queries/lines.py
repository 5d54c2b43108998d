"""The executed lines of calls that were recorded with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.traces import TraceRow


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line that starts, or the end of the call, and what was changed since the row before."""

    position: int  # counts from 0 in the call; a jump: so many are not recorded
    line: int | None  # None: the call's end
    changes: str | None  # JSON object; None: not looked at


def executed_lines(con: DuckDBPyConnection, trace: TraceRow, call_ids: Sequence[int]) -> dict[int, int]:
    """How many lines each of these calls executed, recorded or not; calls without line detail are left out."""
    if not call_ids:
        return {}
    numbers = ", ".join(str(int(call_id)) for call_id in set(call_ids))  # literals prune row groups
    rows = con.execute(
        f"""
        SELECT call_id, max(position + (line IS NOT NULL)::INTEGER) FROM line_records
        WHERE trace_no = ? AND call_id IN ({numbers}) GROUP BY call_id
        """,
        [trace.trace_no],
    ).fetchall()
    return dict(rows)


def lines_of_call(con: DuckDBPyConnection, trace: TraceRow, call_id: int) -> list[LineRow]:
    """The recorded lines of a call in the order in which they ran: some 2,000 at most."""
    rows = con.execute(
        f"""
        SELECT position, line, changes FROM line_records
        WHERE trace_no = ? AND call_id = {int(call_id)} ORDER BY position
        """,
        [trace.trace_no],
    ).fetchall()
    return [LineRow(*row) for row in rows]
