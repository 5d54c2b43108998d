"""Read the results of the calls that one call made, by the line that made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Results of a function that are read for each line: the first ones and the last.
FIRST_RESULTS = 2
# Lines with calls that are read.
MAX_ROWS = 600


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How one call ended."""

    call_id: int
    outcome: str  # returned, raised, cancelled or unfinished
    return_value: str | None
    exception_type: str | None
    yielded: int | None = None  # number of yielded values; None: it is no generator, or it was recorded late


@dataclass(frozen=True, slots=True)
class CalleeResult:
    """The calls of one function from one line."""

    line: int | None
    function_name: str
    calls: int
    ends: Sequence[CallEnd]  # of the first ones and the last


@dataclass(frozen=True, slots=True)
class _Row:
    line: int | None
    function_name: str
    calls: int
    call_id: int
    outcome: str
    return_value: str | None
    exception_type: str | None
    yielded: int | None


def callee_results(reader: TraceReader, call_id: int) -> list[CalleeResult]:
    """Return the results of the direct callees of a call, grouped by line and function, in the order of first calls.

    Bodies of modules and classes are left out.
    """
    result = reader.con.execute(
        f"""
        WITH numbered AS (
            SELECT call_id, process_id, function_id, call_line, outcome, return_value, exception_id, late,
                   row_number() OVER (PARTITION BY call_line, function_id ORDER BY call_id) AS number,
                   count(*) OVER (PARTITION BY call_line, function_id) AS calls,
                   min(call_id) OVER (PARTITION BY call_line, function_id) AS first
            FROM call_records WHERE trace_no = $trace_no AND parent_call_id = {int(call_id)})
        SELECT n.call_line AS line, f.function_name, n.calls, n.call_id,
               CASE n.outcome WHEN 0 THEN 'returned' WHEN 1 THEN 'raised' WHEN 2 THEN 'cancelled' ELSE 'unfinished' END
                   AS outcome,
               n.return_value, e.exception_type,
               CASE WHEN f.kind LIKE '%generator' AND NOT coalesce(n.late, false) THEN
                   (SELECT coalesce(max(y.position) + 1, 0)::BIGINT FROM yield_records y
                    WHERE y.trace_no = $trace_no AND y.call_id = n.call_id) END AS yielded
        FROM numbered n
        JOIN functions f ON f.trace_id = $trace_id AND f.process_id = n.process_id AND f.function_id = n.function_id
        LEFT JOIN exceptions e ON e.trace_id = $trace_id AND e.exception_id = n.exception_id
        WHERE (n.number <= {FIRST_RESULTS} OR n.number = n.calls)
          AND f.kind IS DISTINCT FROM 'module' AND f.kind IS DISTINCT FROM 'class'
        ORDER BY n.first, n.call_id LIMIT {MAX_ROWS}
        """,
        {"trace_id": reader.trace_id, "trace_no": reader.trace_no},
    )
    grouped: dict[tuple[int | None, str], list[_Row]] = {}
    for row in fetch(result, _Row):
        grouped.setdefault((row.line, row.function_name), []).append(row)
    return [
        CalleeResult(
            line,
            name,
            rows[0].calls,
            [CallEnd(row.call_id, row.outcome, row.return_value, row.exception_type, row.yielded) for row in rows],
        )
        for (line, name), rows in grouped.items()
    ]
