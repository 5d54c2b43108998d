"""Exceptions, equal ones folded, and the few that are shown in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.exception_filter import (
    CLASSIFIED,
    FURTHER,
    TEST_END,
    ExceptionFilter,
    exception_condition,
)
from breadcrumb_storage.rows import fetch, fetch_page, fetch_with

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """One exception object, where it was raised and what became of it."""

    trace_id: str
    exception_id: int
    type: str
    message: str
    call_id: int | None  # innermost traced call at that moment
    module: str
    name: str  # of the function that raised it, traced or not
    file: str | None
    line: int | None
    stack_trace: str | None
    locals: str | None
    cause_id: int | None
    context_id: int | None
    uncaught: bool
    handled: bool | None
    handled_by: str | None
    call_chain: list[int] | None  # the calls it was raised in, outermost first, where call_id does not lead to all
    test: str | None  # the node id of the test that ran at that moment


@dataclass(frozen=True, slots=True)
class ExceptionGroup:
    """Exceptions of one type and message from one place; the first of the newest trace stands for all."""

    trace_id: str
    exception_id: int
    traces: int
    count: int
    uncaught: int
    escaped: int  # caught, but not by traced code: by a test runner, a thread pool, a framework
    handled: int
    handled_by: str | None  # who caught it most often, and last where that is several
    first_call_id: int | None
    last_call_id: int | None
    further: int  # raises of this type at this place, with any message, that were only counted


@dataclass(frozen=True, slots=True)
class HandledPlace:
    """Exceptions of one type from one place that the traced code handled itself."""

    type: str
    module: str
    name: str
    file: str | None
    line: int | None
    count: int
    messages: int
    message: str
    handled_by: str | None
    importing: bool  # only while modules were imported
    failed_tests: Sequence[str]  # node ids of those under which it was raised


def exception_groups(
    con: DuckDBPyConnection, wanted: ExceptionFilter, *, offset: int = 0, limit: int
) -> tuple[list[ExceptionGroup], int, int]:
    """A page of groups, how many groups there are, and how many exceptions in them.

    Uncaught ones come first, then those that left the traced code, then the handled ones. In each, what was raised
    under a test that failed comes first, what was raised while modules were imported later, and optional imports
    last; of handled ones the rarer comes first, of the others the newest. Two kinds give way to the others:
    SystemExit, which most often only carries the exit code out, and the AttributeError by which ``__getattr__`` says
    to untraced code (an import, hasattr) that there is no such name.
    """
    where, parameters = exception_condition(wanted)
    kept = "true" if wanted.include_handled else "uncaught OR escaped OR handled IS NOT true"
    result = con.execute(
        f"""
        {CLASSIFIED.format(where=where)}, {FURTHER},
        grouped AS (
            SELECT max({{'trace': trace_id, 'id': -exception_id}}) AS first, count(DISTINCT trace_id) AS traces,
                   count(*) AS count, count(*) FILTER (uncaught) AS uncaught, count(*) FILTER (escaped) AS escaped,
                   count(*) FILTER (handled AND NOT uncaught) AS handled,
                   mode(handled_by ORDER BY exception_id DESC) AS handled_by,
                   exception_type = 'SystemExit'
                   OR exception_type = 'AttributeError' AND NOT bool_or(uncaught)
                      AND split_part(coalesce(function_name, ''), '.', -1) IN ('__getattr__', '__getattribute__')
                      AS minor,
                   bool_and(optional_import) AS optional, bool_and(importing) AS imported,
                   bool_or(failed_test IS NOT NULL) AS failed,
                   min(nullif(call_id, 0)) AS first_call_id, max(nullif(call_id, 0)) AS last_call_id,
                   coalesce(any_value(further_count), 0) AS further
            FROM classified LEFT JOIN further USING (trace_id, exception_type, module_name, function_name, line)
            WHERE {kept}
            GROUP BY exception_type, exception_message, module_name, function_name, line)
        SELECT first.trace AS trace_id, -first.id AS exception_id, traces, count, uncaught, escaped, handled,
               handled_by, first_call_id, last_call_id, further, count(*) OVER () AS kinds, sum(count) OVER () AS total
        FROM grouped
        ORDER BY uncaught > 0 AND NOT minor DESC, escaped > 0 AND NOT minor DESC, handled = 0 DESC,
                 optional, failed DESC, imported, CASE WHEN handled = count AND escaped = 0 THEN count + further END,
                 first.trace DESC, -first.id DESC
        LIMIT {int(limit)} OFFSET {int(offset)}
        """,
        parameters,
    )
    found = fetch_with(result, ExceptionGroup, "kinds", "total")
    kinds, total = found[0][1] if found else (0, 0)
    return [group for group, _ in found], kinds, int(total)


def handled_places(reader: TraceReader, limit: int) -> tuple[list[HandledPlace], int]:
    """What the traced code raised and handled itself, by type and place, and of how many.

    In the order of ``exception_groups``.
    """
    where, parameters = exception_condition(ExceptionFilter(trace_id=reader.trace_id))
    result = reader.con.execute(
        f"""
        {CLASSIFIED.format(where=where)}, {FURTHER}
        SELECT exception_type AS type, coalesce(module_name, '') AS module, coalesce(function_name, '') AS name,
               any_value(file) AS file, line, count(*) + coalesce(any_value(further_count), 0) AS count,
               count(DISTINCT exception_message) AS messages, coalesce(any_value(exception_message), '') AS message,
               mode(handled_by ORDER BY exception_id DESC)
                   || CASE WHEN count(DISTINCT handled_by) > 1
                           THEN ' and ' || (count(DISTINCT handled_by) - 1) || ' more' ELSE '' END AS handled_by,
               bool_and(importing OR optional_import) AS importing,
               coalesce(list(DISTINCT failed_test) FILTER (failed_test IS NOT NULL), []) AS failed_tests,
               count(*) OVER () AS total
        FROM classified LEFT JOIN further USING (trace_id, exception_type, module_name, function_name, line)
        WHERE handled AND NOT uncaught AND NOT escaped
        GROUP BY exception_type, module_name, function_name, line
        ORDER BY bool_and(optional_import), len(failed_tests) = 0, bool_and(importing OR optional_import),
                 count, type, module, name, line LIMIT {int(limit)}
        """,
        parameters,
    )
    return fetch_page(result, HandledPlace)


def count_exceptions(reader: TraceReader) -> int:
    """The exceptions of a trace, also those that were only counted; control flow left out."""
    where, parameters = exception_condition(ExceptionFilter(trace_id=reader.trace_id))
    total: int = reader.con.execute(
        f"""
        SELECT (SELECT count(*) FROM exceptions WHERE {where})
               + (SELECT coalesce(sum(further_count), 0) FROM exception_counts WHERE trace_id = ?)::BIGINT
        """,
        [*parameters, reader.trace_id],
    ).fetchall()[0][0]
    return total


def exception_types(con: DuckDBPyConnection, trace_id: str | None, since: datetime | None) -> list[str]:
    """The types that were raised, the most frequent first, control flow included."""
    rows = con.execute(
        """
        SELECT exception_type FROM exceptions
        WHERE ($trace_id IS NULL OR trace_id = $trace_id) AND ($since IS NULL OR raised_at >= $since)
        GROUP BY 1 ORDER BY count(*) DESC, 1
        """,
        {"trace_id": trace_id, "since": since},
    ).fetchall()
    return [row[0] for row in rows]


def exceptions_by_id(reader: TraceReader, exception_ids: Sequence[int]) -> dict[int, ExceptionRow]:
    """These exceptions of one trace in full, by id."""
    if not exception_ids:
        return {}
    numbers = ", ".join(str(int(number)) for number in set(exception_ids))
    result = reader.con.execute(
        f"""
        SELECT e.trace_id, e.exception_id, e.exception_type AS type, coalesce(exception_message, '') AS message,
               nullif(call_id, 0) AS call_id, coalesce(module_name, '') AS module, coalesce(function_name, '') AS name,
               file, line, stack_trace, locals, cause_id, context_id, uncaught, handled, handled_by, call_chain,
               CASE WHEN t.duration_ms IS NULL OR e.raised_at <= {TEST_END} THEN t.node_id END AS test
        FROM (FROM exceptions WHERE trace_id = ? AND exception_id IN ({numbers})) e
        ASOF LEFT JOIN (FROM tests WHERE trace_id = ?) t
          ON t.process_id = e.process_id AND t.started_at <= e.raised_at
        """,
        [reader.trace_id, reader.trace_id],
    )
    return {row.exception_id: row for row in fetch(result, ExceptionRow)}
