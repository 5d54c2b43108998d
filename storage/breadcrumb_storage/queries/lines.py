"""Read the executed lines of calls with line detail, and the exceptions that reached those lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.functions import name_condition
from breadcrumb_storage.rows import fetch_page, fetch_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader


# More than a call has recorded lines.
MAX_RAISED_CALLS = 10_000


@dataclass(frozen=True, slots=True)
class LineRow:
    """The start of a line or the end of the call, with the variables that changed since the previous row."""

    position: int  # counts from 0 in the call; lines between two positions were not recorded
    line: int | None  # None: the end of the call
    changes: str | None  # JSON object; None: variables were not compared
    at_ns: int | None  # since the epoch


def executed_lines(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, int]:
    """Count the lines that each call executed, recorded or not; calls without line detail are left out."""
    if not call_ids:
        return {}
    numbers = ", ".join(str(int(call_id)) for call_id in set(call_ids))  # literals prune row groups
    rows = reader.con.execute(
        f"""
        SELECT call_id, max(position::BIGINT + (line IS NOT NULL)::INTEGER) FROM line_records
        WHERE trace_no = ? AND call_id IN ({numbers}) GROUP BY call_id
        """,
        [reader.trace_no],
    ).fetchall()
    return dict(rows)


def lines_of_calls(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, list[LineRow]]:
    """Return the recorded lines of calls by call id, in the order of execution: about 2,000 per call at most."""
    if not call_ids:
        return {}
    numbers = ", ".join(str(int(call_id)) for call_id in set(call_ids))
    result = reader.con.execute(
        f"""
        SELECT call_id, position, line, changes, at_ns FROM line_records
        WHERE trace_no = ? AND call_id IN ({numbers}) ORDER BY call_id, position
        """,
        [reader.trace_no],
    )
    found: dict[int, list[LineRow]] = {}
    for row, (call_id,) in fetch_with(result, LineRow, "call_id"):
        found.setdefault(call_id, []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class RaisedCall:
    """A call whose exception reached its caller."""

    ended_ns: int  # since the epoch
    exception_id: int
    exception_type: str
    message: str


def raised_calls(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, list[RaisedCall]]:
    """Return the callees that raised, by the id of their caller, in the order of their ends.

    Exceptions of control flow, such as StopIteration, are left out.
    """
    if not call_ids:
        return {}
    numbers = ", ".join(str(int(call_id)) for call_id in set(call_ids))
    result = reader.con.execute(
        f"""
        SELECT c.parent_call_id, c.started_ns + c.duration_ns AS ended_ns, e.exception_id, e.exception_type,
               coalesce(e.exception_message, '') AS message
        FROM call_records c
        JOIN exceptions e ON e.trace_id = ? AND e.exception_id = c.exception_id AND NOT e.control_flow
        WHERE c.trace_no = ? AND c.parent_call_id IN ({numbers}) AND c.outcome = 1
        ORDER BY ended_ns LIMIT {MAX_RAISED_CALLS}
        """,
        [reader.trace_id, reader.trace_no],
    )
    found: dict[int, list[RaisedCall]] = {}
    for row, (call_id,) in fetch_with(result, RaisedCall, "parent_call_id"):
        found.setdefault(call_id, []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class LineCount:
    """A line of a function and the calls that executed it."""

    line: int
    calls: int
    first_call_id: int


def line_counts(reader: TraceReader, pattern: str) -> tuple[list[LineCount], int]:
    """Count the calls that executed each line of functions.

    Args:
        pattern: Matches the functions, as in `functions.name_condition`.

    Returns:
        The executed lines by number, and the number of calls with line detail.
    """
    condition, parameters = name_condition(pattern)
    result = reader.con.execute(
        f"""
        WITH named AS (SELECT process_id, function_id FROM functions WHERE trace_id = ? AND {condition}),
        of_calls AS (SELECT call_id FROM call_records SEMI JOIN named USING (process_id, function_id)
                     WHERE trace_no = ?),
        executed AS (SELECT DISTINCT line, call_id FROM line_records SEMI JOIN of_calls USING (call_id)
                     WHERE trace_no = ? AND line IS NOT NULL)
        SELECT line, count(*) AS calls, min(call_id) AS first_call_id,
               (SELECT count(DISTINCT call_id) FROM executed) AS total
        FROM executed GROUP BY line ORDER BY line
        """,
        [reader.trace_id, *parameters, reader.trace_no, reader.trace_no],
    )
    return fetch_page(result, LineCount)
