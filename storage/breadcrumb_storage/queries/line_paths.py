"""Group calls by the paths that they took through their lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.calls.records import CallFilter, call_conditions
from breadcrumb_storage.rows import fetch_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Calls whose ids are returned for each path.
MAX_CALL_IDS = 6


@dataclass(frozen=True, slots=True)
class LinePath:
    """The calls of a function with the same executed lines, exceptions from callees and outcome."""

    calls: int
    of_calls: int  # all calls of the function that fit the filter and have lines
    call_ids: Sequence[int]  # the first ones


def line_paths(reader: TraceReader, wanted: CallFilter, limit: int) -> tuple[list[LinePath], int]:
    """Return the paths of the calls that fit a filter, the rarest first, and the number of different paths.

    A path is a set of lines: how often a loop was repeated does not matter.

    Args:
        wanted: The filter.
        limit: Maximum number of paths.
    """
    where, parameters = call_conditions(reader, wanted)
    result = reader.con.execute(
        f"""
        WITH fitting AS (
            SELECT c.call_id, c.process_id, c.function_id, c.outcome, c.exception_id
            FROM call_records c WHERE {" AND ".join(where)}),
        executed AS (
            SELECT call_id, list_sort(list(DISTINCT line)) AS lines FROM line_records SEMI JOIN fitting USING (call_id)
            WHERE trace_no = ? AND line IS NOT NULL GROUP BY call_id),
        -- The same line may catch harmless and harmful exceptions.
        came AS (
            SELECT c.parent_call_id AS call_id, list_sort(list(DISTINCT e.exception_type)) AS exceptions
            FROM call_records c JOIN exceptions e ON e.trace_id = ? AND e.exception_id = c.exception_id
            WHERE c.trace_no = ? AND c.outcome = 1 AND NOT e.control_flow
              AND c.parent_call_id IN (SELECT call_id FROM executed)
            GROUP BY c.parent_call_id),
        paths AS (
            SELECT f.module_name, f.function_name, c.outcome, count(*) AS calls, min(call_id, {MAX_CALL_IDS}) AS ids
            FROM executed JOIN fitting c USING (call_id) LEFT JOIN came USING (call_id)
            JOIN functions f ON f.trace_id = ? AND f.process_id = c.process_id AND f.function_id = c.function_id
            LEFT JOIN exceptions e ON e.trace_id = f.trace_id AND e.exception_id = c.exception_id
            GROUP BY f.module_name, f.function_name, lines, exceptions, c.outcome, e.exception_type)
        SELECT calls, (sum(calls) OVER (PARTITION BY module_name, function_name))::BIGINT AS of_calls, ids AS call_ids,
               count(*) OVER () AS total
        FROM paths
        -- Of equally rare paths, those without a return come first.
        ORDER BY calls, coalesce(outcome, -1) = 0, ids[1] LIMIT {int(limit)}
        """,
        [*parameters, reader.trace_no, reader.trace_id, reader.trace_no, reader.trace_id],
    )
    return fetch_page(result, LinePath)
