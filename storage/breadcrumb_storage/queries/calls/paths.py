"""Read the calls of a function with the lines that each executed, to choose one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.calls.records import CallFilter, call_conditions
from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Calls that are compared: the last ones, since a failure is nearer to them.
MAX_CALLS = 5_000
# Calls by one statement.
MAX_MADE = 20


@dataclass(frozen=True, slots=True)
class CallPath:
    """A call and the lines that it executed."""

    call_id: int
    raised: bool
    lines: Sequence[int] | None  # each once, sorted; None: not recorded


def call_paths(reader: TraceReader, wanted: CallFilter) -> list[CallPath]:
    """Return the last calls that fit a filter, in the order of their ids, with the lines that they executed."""
    where, parameters = call_conditions(reader, wanted)
    result = reader.con.execute(
        f"""
        WITH chosen AS (
            SELECT c.call_id, c.outcome FROM call_records c WHERE {" AND ".join(where)}
            ORDER BY c.call_id DESC LIMIT {MAX_CALLS}),
        executed AS (
            SELECT call_id, list_sort(list(DISTINCT line)) AS lines FROM line_records SEMI JOIN chosen USING (call_id)
            WHERE trace_no = ? AND line IS NOT NULL GROUP BY call_id)
        SELECT call_id, coalesce(outcome = 1, false) AS raised, lines
        FROM chosen LEFT JOIN executed USING (call_id) ORDER BY call_id
        """,
        [*parameters, reader.trace_no],
    )
    return fetch(result, CallPath)


def first_call_from(reader: TraceReader, call_id: int, line: int) -> int | None:
    """Return the first call that a call made at a line; None if it made none there."""
    row = reader.con.execute(
        "SELECT min(call_id) FROM call_records WHERE trace_no = ? AND parent_call_id = ? AND call_line = ?",
        [reader.trace_no, call_id, line],
    ).fetchone()
    return row[0] if row else None


def calls_since(reader: TraceReader, call_id: int) -> int:
    """Return the number of recorded calls that began after a call did."""
    row = reader.con.execute(
        "SELECT count(*) FROM call_records WHERE trace_no = ? AND call_id > ?", [reader.trace_no, call_id]
    ).fetchone()
    return row[0] if row else 0


def calls_made_at(reader: TraceReader, call_id: int, first_line: int, last_line: int) -> list[int]:
    """Return the last calls that a call made at some lines, at most MAX_MADE, in the order of their ids."""
    rows = reader.con.execute(
        f"""
        SELECT call_id FROM call_records WHERE trace_no = ? AND parent_call_id = ? AND call_line BETWEEN ? AND ?
        ORDER BY call_id DESC LIMIT {MAX_MADE}
        """,
        [reader.trace_no, call_id, first_line, last_line],
    ).fetchall()
    return [row[0] for row in reversed(rows)]
