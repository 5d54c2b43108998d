"""Read all functions of a trace, and the failure that its histories lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.rows import fetch, fetch_one

if TYPE_CHECKING:
    from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class TracedFunction:
    """A function of one process."""

    process_id: int
    function_id: int
    module: str
    name: str
    file: str | None
    line: int | None

    @property
    def full_name(self) -> str:
        """`module:function`."""
        return f"{self.module}:{self.name}"


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception of the first failed test, or else the first one that nobody caught."""

    exception_id: int
    type: str
    file: str | None
    line: int | None
    at_ns: int  # since the epoch


def traced_functions(reader: TraceReader) -> list[TracedFunction]:
    """Return the functions of all processes, in the order in which they were first called."""
    result = reader.con.execute(
        """
        SELECT process_id, function_id, coalesce(module_name, '') AS module, function_name AS name, file, line
        FROM functions WHERE trace_id = ? ORDER BY process_id, function_id
        """,
        [reader.trace_id],
    )
    return fetch(result, TracedFunction)


def functions_with_lines(reader: TraceReader) -> set[tuple[int, int]]:
    """Return (process, function) of the functions of which executed lines were recorded."""
    rows = reader.con.execute(
        """
        WITH recorded AS (SELECT DISTINCT call_id FROM line_records WHERE trace_no = $trace_no)
        SELECT DISTINCT process_id, function_id FROM call_records SEMI JOIN recorded USING (call_id)
        WHERE trace_no = $trace_no
        """,
        {"trace_no": reader.trace_no},
    ).fetchall()
    return {(process, function) for process, function in rows}


def first_failure(reader: TraceReader) -> Failure | None:
    """Return the failure of a trace; None if it has none."""
    result = reader.con.execute(
        """
        WITH failed AS (
            SELECT exception_id, 0 AS rank, started_at FROM tests
            WHERE trace_id = $trace AND outcome IN ('failed', 'error') AND exception_id IS NOT NULL
            UNION ALL
            SELECT exception_id, 1, raised_at FROM exceptions
            WHERE trace_id = $trace AND uncaught AND exception_type <> 'SystemExit')
        SELECT e.exception_id, exception_type AS type, file, line, epoch_ns(raised_at) AS at_ns
        FROM failed JOIN exceptions e ON e.trace_id = $trace AND e.exception_id = failed.exception_id
        WHERE e.raised_at IS NOT NULL ORDER BY rank, started_at, e.exception_id LIMIT 1
        """,
        {"trace": reader.trace_id},
    )
    return fetch_one(result, Failure)


def argument_names(reader: TraceReader) -> dict[str, str]:
    """Return the names of recorded arguments, each with `module:function` of one function that takes it."""
    rows = reader.con.execute(
        """
        WITH firsts AS (
            SELECT process_id, function_id, min(call_id) AS call_id FROM call_records WHERE trace_no = $trace_no
            GROUP BY ALL),
        named AS (
            SELECT c.process_id, c.function_id, unnest(json_keys(CASE WHEN json_valid(c.args) THEN c.args END)) AS name
            FROM call_records c SEMI JOIN firsts USING (call_id) WHERE c.trace_no = $trace_no)
        SELECT name, min(coalesce(module_name, '') || ':' || function_name)
        FROM named JOIN functions f ON f.trace_id = $trace_id AND f.process_id = named.process_id
             AND f.function_id = named.function_id
        GROUP BY name
        """,
        {"trace_no": reader.trace_no, "trace_id": reader.trace_id},
    ).fetchall()
    return dict(rows)
