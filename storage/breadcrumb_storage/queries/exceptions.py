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
from breadcrumb_storage.rows import fetch, fetch_one, fetch_page, fetch_with

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.trace_reader import TraceReader


# Characters of each of several messages from one line.
MESSAGE_CHARS = 200


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
    traces: int = 1
    count: int = 1
    uncaught: int = 0
    escaped: int = 0  # caught by untraced code: a test runner, a thread pool, a framework
    expected: bool = False  # no failure, as CLASSIFIED tells
    handled: int = 0  # caught, by any code
    handled_by: str | None = None  # who caught most of them
    first_call_id: int | None = None
    last_call_id: int | None = None
    further: int = 0  # raises of this type on this line, with any message, that were only counted
    messages: Sequence[str] = ()  # the beginnings of all messages of this type from this line, if groups are by place


@dataclass(frozen=True, slots=True)
class HandledPlace:
    """The exceptions of one type from one line that traced code handled."""

    type: str
    module: str
    name: str
    file: str | None
    line: int | None
    count: int  # with those that were only counted
    further: int  # how many of them were only counted
    messages: Sequence[str]  # the beginnings of the different ones
    handled_by: str | None  # who caught most of them, and the number of others
    importing: bool  # all were raised while modules were imported
    failed_tests: Sequence[str]  # node ids of the failed tests in which they were raised


def exception_groups(
    con: DuckDBPyConnection, wanted: ExceptionFilter, *, by_place: bool = False, offset: int = 0, limit: int
) -> tuple[list[ExceptionGroup], int, int]:
    """Return a page of groups, most relevant first.

    The order is: uncaught groups; those that untraced code caught; those that nobody is known to have caught; those
    that a function caught which logs errors; SystemExit, which usually just sets the exit code; other handled groups;
    and those that are expected (see `CLASSIFIED`). Within each of these, exceptions of failed tests come first, then
    others, then those raised while modules were imported; handled groups then by rarity, other groups the newest first.
    Further messages from a line follow those from other lines.

    Args:
        con: A connection of `Database.read` or `Database.write`.
        wanted: The filter.
        by_place: Return one group for all messages of a type from a line: the one that would come first.
        offset: Number of groups to skip.
        limit: Maximum number of groups on the page.

    Returns:
        The groups, the number of all groups, and the number of exceptions in them.
    """
    where, parameters = exception_condition(wanted)
    kept = ["true" if wanted.include_handled else "uncaught OR escaped OR handled IS NOT true OR reported"]
    kept += [] if wanted.include_expected else ["NOT expected"]
    place = "exception_type, module_name, function_name, line, rank"
    of_place = f"list(left(coalesce(exception_message, ''), {MESSAGE_CHARS})) OVER (PARTITION BY {place})"
    messages = of_place if by_place else "[]"
    result = con.execute(
        f"""
        {CLASSIFIED.format(where=where)}, {FURTHER},
        grouped AS (
            SELECT exception_type, exception_message, module_name, function_name, line,
                   max({{'trace': trace_id, 'id': -exception_id}}) AS first, count(DISTINCT trace_id) AS traces,
                   count(*) AS count, count(*) FILTER (uncaught) AS uncaught, count(*) FILTER (escaped) AS escaped,
                   count(*) FILTER (handled AND NOT uncaught) AS handled,
                   mode(handled_by ORDER BY exception_id DESC) AS handled_by,
                   bool_and(expected) AS expected, bool_and(importing) AS imported,
                   bool_or(failed_test IS NOT NULL) AS failed,
                   min(nullif(call_id, 0)) AS first_call_id, max(nullif(call_id, 0)) AS last_call_id,
                   coalesce(any_value(further_count), 0) AS further, bool_or(reported) AS logged
            FROM classified LEFT JOIN further USING (trace_id, exception_type, module_name, function_name, line)
            WHERE ({") AND (".join(kept)})
            GROUP BY exception_type, exception_message, module_name, function_name, line),
        ranked AS (
            SELECT *, CASE WHEN handled = count AND escaped = 0 THEN count + further END AS frequency,
                   CASE WHEN expected THEN 6 WHEN exception_type = 'SystemExit' THEN 4 WHEN uncaught > 0 THEN 0
                        WHEN escaped > 0 THEN 1 WHEN handled = 0 THEN 2 WHEN logged THEN 3 ELSE 5 END AS rank
            FROM grouped),
        placed AS (
            SELECT *,
                   row_number() OVER (
                       PARTITION BY {place}
                       ORDER BY failed DESC, imported, frequency, first.trace DESC, -first.id DESC) AS nth,
                   {messages} AS messages
            FROM ranked)
        SELECT first.trace AS trace_id, -first.id AS exception_id, traces, count, uncaught, escaped, expected, handled,
               handled_by, first_call_id, last_call_id, further, coalesce(messages, []) AS messages,
               count(*) OVER () AS kinds, sum(count) OVER () AS total
        FROM placed WHERE {"nth = 1" if by_place else "true"}
        ORDER BY rank, nth > 1, failed DESC, imported, frequency, first.trace DESC, -first.id DESC
        LIMIT {int(limit)} OFFSET {int(offset)}
        """,
        parameters,
    )
    found = fetch_with(result, ExceptionGroup, "kinds", "total")
    kinds, total = found[0][1] if found else (0, 0)
    return [group for group, _ in found], kinds, int(total)


def expected_types(con: DuckDBPyConnection, wanted: ExceptionFilter) -> dict[str, int]:
    """Count by type the exceptions that code expects which is not traced, such as the 404 of a web framework.

    Those of built-in functions and cancellations are left out; see `CLASSIFIED`.

    Args:
        con: A connection of `Database.read` or `Database.write`.
        wanted: The filter, of which `include_handled` and `include_expected` do not matter.
    """
    where, parameters = exception_condition(wanted)
    rows = con.execute(
        f"""
        {CLASSIFIED.format(where=where)}
        SELECT exception_type, count(*) FROM classified
        WHERE escaped AND named AND expected AND NOT cancellation AND contains(exception_type, '.')
        GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        parameters,
    ).fetchall()
    return dict(rows)


def handled_places(reader: TraceReader, limit: int) -> tuple[list[HandledPlace], int]:
    """Return handled exceptions by type and line, ordered as in `exception_groups`, and the number of such places.

    Exceptions that untraced code caught are left out, and those that a function caught which logs errors.
    """
    where, parameters = exception_condition(ExceptionFilter(trace_id=reader.trace_id))
    result = reader.con.execute(
        f"""
        {CLASSIFIED.format(where=where)}, {FURTHER}
        SELECT exception_type AS type, coalesce(module_name, '') AS module, coalesce(function_name, '') AS name,
               any_value(file) AS file, line, count(*) + coalesce(any_value(further_count), 0) AS count,
               coalesce(any_value(further_count), 0) AS further,
               list(DISTINCT left(coalesce(exception_message, ''), {MESSAGE_CHARS})) AS messages,
               mode(handled_by ORDER BY exception_id DESC)
                   || CASE WHEN count(DISTINCT handled_by) > 1
                           THEN ' and ' || (count(DISTINCT handled_by) - 1) || ' more' ELSE '' END AS handled_by,
               bool_and(importing OR expected) AS importing,
               coalesce(list(DISTINCT failed_test) FILTER (failed_test IS NOT NULL), []) AS failed_tests,
               count(*) OVER () AS total
        FROM classified LEFT JOIN further USING (trace_id, exception_type, module_name, function_name, line)
        WHERE handled AND NOT uncaught AND NOT escaped AND NOT reported
        GROUP BY exception_type, module_name, function_name, line
        ORDER BY bool_and(expected), len(failed_tests) = 0, bool_and(importing OR expected),
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


@dataclass(frozen=True, slots=True)
class Uncaught:
    """The exception that ended a program."""

    type: str
    message: str
    file: str | None
    line: int | None


def last_uncaught(reader: TraceReader) -> Uncaught | None:
    """Return the last exception that left the outermost frame of a thread; None if none did."""
    result = reader.con.execute(
        """
        SELECT exception_type AS "type", coalesce(exception_message, '') AS message, file, line FROM exceptions
        WHERE trace_id = ? AND uncaught ORDER BY raised_at DESC, exception_id DESC LIMIT 1
        """,
        [reader.trace_id],
    )
    return fetch_one(result, Uncaught)
