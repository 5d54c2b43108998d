"""Group equal exceptions, and read the few that are shown in full."""

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
    """An exception object, with where it was raised and who caught it."""

    trace_id: str
    exception_id: int
    type: str
    message: str
    call_id: int | None  # the innermost traced call when it was raised
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
    call_chain: list[int] | None  # ids of the calls it was raised in, outermost first; None: call_id and its parents
    test: str | None  # the node id of the test that ran when it was raised


@dataclass(frozen=True, slots=True)
class ExceptionGroup:
    """The exceptions of equal type and message from the same line, represented by the first of the newest trace."""

    trace_id: str
    exception_id: int
    traces: int
    count: int
    uncaught: int
    escaped: int  # caught by untraced code: a test runner, a thread pool, a framework
    handled: int  # caught, by any code
    handled_by: str | None  # who caught most of them
    first_call_id: int | None
    last_call_id: int | None
    further: int  # raises of this type on this line, with any message, that were only counted


@dataclass(frozen=True, slots=True)
class HandledPlace:
    """The exceptions of one type from one line that traced code handled."""

    type: str
    module: str
    name: str
    file: str | None
    line: int | None
    count: int  # with those that were only counted
    messages: int  # different ones
    message: str  # one of them
    handled_by: str | None  # who caught most of them, and the number of others
    importing: bool  # all were raised while modules were imported
    failed_tests: Sequence[str]  # node ids of the failed tests in which they were raised


def exception_groups(
    con: DuckDBPyConnection, wanted: ExceptionFilter, *, offset: int = 0, limit: int
) -> tuple[list[ExceptionGroup], int, int]:
    """Return a page of groups, most relevant first.

    The order is: uncaught groups, groups that untraced code caught, handled groups. Within each of these, exceptions
    of failed tests come first, then others, then those raised while modules were imported, then optional imports;
    handled groups then by rarity, other groups the newest first. Two kinds do not count as uncaught or caught by
    untraced code here: SystemExit, which usually just sets the exit code, and the AttributeError by which
    `__getattr__` reports a missing name to untraced code (an import, `hasattr`).

    Args:
        con: A connection of `Database.read` or `Database.write`.
        wanted: The filter.
        offset: Number of groups to skip.
        limit: Maximum number of groups on the page.

    Returns:
        The groups, the number of all groups, and the number of exceptions in them.
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
    """Return handled exceptions by type and line, ordered as in `exception_groups`, and the number of such places.

    Exceptions that untraced code caught are left out.
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
    """Count the exceptions of a trace, including raises that were only counted, without control flow."""
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
    """Return the types that were raised, control flow included, the most frequent first.

    Args:
        con: A connection of `Database.read` or `Database.write`.
        trace_id: The trace; None for all.
        since: The earliest time of the raise, in UTC; None for any.
    """
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
    """Read exceptions in full, by id; unknown ids are left out."""
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
