"""Calls that returned although something that they called raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.traces import TraceRow


def caught_below(con: DuckDBPyConnection, trace: TraceRow, call_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Which of these calls returned although a direct callee raised, by id, and the type of each such exception.

    What ends an iteration is no exception here. Nor is what was raised after the call had returned: in a task that it
    began, or in a generator that it handed out.
    """
    if not call_ids:
        return []
    return con.execute(
        """
        WITH asked AS MATERIALIZED (
            SELECT call_id, task_id, started_ns + duration_ns AS ended_ns
            FROM call_records SEMI JOIN (SELECT unnest($ids::BIGINT[]) AS call_id) USING (call_id)
            WHERE trace_no = $trace_no AND outcome = 0)
        SELECT DISTINCT a.call_id, e.exception_type
        FROM call_records c
        JOIN asked a ON a.call_id = c.parent_call_id
        JOIN exceptions e ON e.trace_id = $trace_id AND e.exception_id = c.exception_id AND NOT e.control_flow
        WHERE c.trace_no = $trace_no AND c.outcome = 1 AND c.started_ns + c.duration_ns <= a.ended_ns
          AND (a.task_id IS NULL OR a.task_id IS NOT DISTINCT FROM c.task_id)
        ORDER BY ALL
        """,
        {"trace_id": trace.trace_id, "trace_no": trace.trace_no, "ids": list(call_ids)},
    ).fetchall()


def types_not_all_written(con: DuckDBPyConnection, trace: TraceRow) -> frozenset[str]:
    """The exceptions of which so many were raised that the calls which raised the later ones do not name them."""
    rows = con.execute("SELECT DISTINCT exception_type FROM exception_counts WHERE trace_id = ?", [trace.trace_id])
    return frozenset(row[0] for row in rows.fetchall())
