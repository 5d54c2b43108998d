"""The different ways that calls went through their lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.calls.records import CallFilter, call_conditions
from breadcrumb_storage.rows import fetch_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Of the calls that took a path, by id.
MAX_CALL_IDS = 6


@dataclass(frozen=True, slots=True)
class LinePath:
    """A set of executed lines, of the exceptions that came to them, and how the call ended; and the calls of it."""

    calls: int
    of_calls: int  # all calls of the function that fit and have lines
    call_ids: Sequence[int]  # the first ones


def line_paths(reader: TraceReader, wanted: CallFilter, limit: int) -> tuple[list[LinePath], int]:
    """The ``limit`` rarest paths of the calls that fit, the rarest first, and how many different ones there are.

    A path is a set: how often a loop went round makes no other path of it, what it came through does.
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
        -- One line catches what is harmless and what is not.
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
        -- Of paths that are equally rare, what went wrong comes first.
        ORDER BY calls, coalesce(outcome, -1) = 0, ids[1] LIMIT {int(limit)}
        """,
        [*parameters, reader.trace_no, reader.trace_id, reader.trace_no, reader.trace_id],
    )
    return fetch_page(result, LinePath)
