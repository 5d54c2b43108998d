"""Where a text turned up: in arguments, results and exceptions, in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.calls import spellings_in_json

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.traces import TraceRow

# Functions of which is told how often they had the text.
MAX_FUNCTIONS = 8


@dataclass(frozen=True, slots=True)
class FunctionHits:
    """How often a function got or gave the text."""

    full_name: str
    in_args: int
    in_results: int
    in_exceptions: int


@dataclass(frozen=True, slots=True)
class Hits:
    """The calls that have a text: one page of ids, and all of them by function, in the order of their first hit."""

    call_ids: list[int]
    total: int
    functions: list[FunctionHits]
    function_count: int


def find_text(con: DuckDBPyConnection, trace: TraceRow, text: str, *, offset: int, limit: int) -> Hits:
    """The calls whose arguments, result or exception message hold ``text``, by the time of their begin."""
    texts = spellings_in_json(text)

    def holds(column: str) -> str:
        return "(" + " OR ".join(f"contains({column}, ?)" for _ in texts) + ")"

    parameters: list[Any] = [trace.trace_id, text, *texts, *texts, trace.trace_no]
    hits = f"""
        WITH messages AS (
            SELECT exception_id FROM exceptions WHERE trace_id = ? AND contains(exception_message, ?)),
        hits AS (
            SELECT c.call_id, c.process_id, c.function_id, c.started_ns, coalesce({holds("c.args")}, false) AS in_args,
                   coalesce({holds("c.return_value")}, false) AS in_result, m.exception_id IS NOT NULL AS in_exception
            FROM call_records c LEFT JOIN messages m ON m.exception_id = c.exception_id
            WHERE c.trace_no = ? AND (in_args OR in_result OR in_exception))
    """
    rows = con.execute(
        f"{hits} SELECT call_id, count(*) OVER () FROM hits ORDER BY started_ns, call_id "
        f"LIMIT {int(limit)} OFFSET {int(offset)}",
        parameters,
    ).fetchall()
    if not rows:
        return Hits([], 0, [], 0)
    functions = con.execute(
        f"""
        {hits}
        SELECT coalesce(module_name, '') || ':' || function_name, count(*) FILTER (in_args),
               count(*) FILTER (in_result), count(*) FILTER (in_exception), count(*) OVER ()
        FROM hits h JOIN functions f ON f.process_id = h.process_id AND f.function_id = h.function_id
        WHERE f.trace_id = ? GROUP BY 1 ORDER BY min(started_ns), 1 LIMIT {MAX_FUNCTIONS}
        """,
        [*parameters, trace.trace_id],
    ).fetchall()
    return Hits(
        [row[0] for row in rows],
        rows[0][1],
        [FunctionHits(*row[:4]) for row in functions],
        functions[0][4] if functions else 0,
    )
