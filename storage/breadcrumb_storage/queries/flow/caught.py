"""Find calls that returned although a callee raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.flow.calls import FUNCTIONS
from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class CaughtBelow:
    """A call that returned although a direct callee raised."""

    call_id: int
    type: str  # of the exception; a call that caught several types has a row for each
    function: str  # module:function of the call
    calls_of_function: int  # calls of it that returned, among the queried ones


def caught_below(reader: TraceReader, call_ids: Sequence[int]) -> list[CaughtBelow]:
    """Find the calls that returned although a direct callee raised, by id.

    Exceptions that end an iteration do not count, nor those raised after the call had returned: in a task that it
    started, or in a generator that it returned. Needs the table of `number_functions`.

    Args:
        call_ids: The calls to look at.
    """
    if not call_ids:
        return []
    result = reader.con.execute(
        f"""
        WITH asked AS MATERIALIZED (
            SELECT call_id, task_id, process_id, function_id, started_ns + duration_ns AS ended_ns
            FROM call_records SEMI JOIN (SELECT unnest($ids::BIGINT[]) AS call_id) USING (call_id)
            WHERE trace_no = $trace_no AND outcome = 0),
        found AS (
            SELECT DISTINCT a.call_id, e.exception_type, f.full_name
            FROM call_records c
            JOIN asked a ON a.call_id = c.parent_call_id
            JOIN exceptions e ON e.trace_id = $trace_id AND e.exception_id = c.exception_id AND NOT e.control_flow
            JOIN {FUNCTIONS} f ON f.process_id = a.process_id AND f.function_id = a.function_id
            WHERE c.trace_no = $trace_no AND c.outcome = 1 AND c.started_ns + c.duration_ns <= a.ended_ns
              AND (a.task_id IS NULL OR a.task_id IS NOT DISTINCT FROM c.task_id)),
        counts AS (
            SELECT full_name, count(*) AS calls FROM asked JOIN {FUNCTIONS} USING (process_id, function_id)
            GROUP BY full_name)
        SELECT call_id, exception_type AS type, full_name AS function, calls AS calls_of_function
        FROM found JOIN counts USING (full_name) ORDER BY call_id, exception_type
        """,
        {"trace_id": reader.trace_id, "trace_no": reader.trace_no, "ids": list(call_ids)},
    )
    return fetch(result, CaughtBelow)


def partly_recorded_types(reader: TraceReader) -> frozenset[str]:
    """Return the exception types of which some raises were only counted.

    The calls that raised those do not name the exception.
    """
    rows = reader.con.execute(
        "SELECT DISTINCT exception_type FROM exception_counts WHERE trace_id = ?", [reader.trace_id]
    )
    return frozenset(row[0] for row in rows.fetchall())
