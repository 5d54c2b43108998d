"""Exceptions, equal ones folded, and the few that are shown in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from duckdb import DuckDBPyConnection


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionFilter:
    """Which exceptions; control flow (StopIteration and the like) only where a type is named."""

    trace_id: str | None = None  # None: all traces
    since: datetime | None = None
    type: str | None = None  # a name with or without its module, or a glob
    include_handled: bool = True
    of_tests: bool = True  # False: without those that failed a test, or were raised under one that did not fail


# An exception is told apart by what became of it. Whoever caught it is traced code where a function of that name is.
_CLASSIFIED = """
    WITH wanted AS (SELECT * FROM exceptions WHERE {where}),
    traced AS (
        SELECT DISTINCT trace_id, coalesce(module_name, '') || ':' || function_name AS handler
        FROM functions WHERE trace_id IN (SELECT trace_id FROM wanted)),
    classified AS (
        SELECT w.* EXCLUDE (stack_trace, locals),
               w.handled AND NOT w.uncaught AND t.handler IS NULL AS escaped
        FROM wanted w
        LEFT JOIN traced t ON t.trace_id = w.trace_id
              AND t.handler = split_part(w.handled_by, ':', 1) || ':' || split_part(w.handled_by, ':', 2))
"""


# Raises that were only counted, because many like them had been written.
_FURTHER = """
    further AS (
        SELECT trace_id, exception_type, module_name, function_name, line, sum(further_count)::BIGINT AS further_count
        FROM exception_counts WHERE trace_id IN (SELECT trace_id FROM wanted) GROUP BY ALL)
"""


_TEST_END = "t.started_at + to_microseconds((t.duration_ms * 1000)::BIGINT)"
# The test that ran at that moment is the last one that had begun. (What was uncaught ended a thread or a process.)
_NOT_OF_TESTS = f"""
    (uncaught OR (trace_id, exception_id) NOT IN (
        SELECT (trace_id, exception_id) FROM tests WHERE exception_id IS NOT NULL
        UNION ALL
        SELECT (e.trace_id, e.exception_id)
        FROM (SELECT trace_id, process_id, exception_id, raised_at FROM exceptions) e
        ASOF JOIN tests t ON t.trace_id = e.trace_id AND t.process_id = e.process_id AND t.started_at <= e.raised_at
        WHERE t.outcome NOT IN ('failed', 'error') AND e.raised_at <= {_TEST_END}))
"""


def _where(wanted: ExceptionFilter) -> tuple[str, list[Any]]:
    where = ["true"]
    parameters: list[Any] = []
    if wanted.trace_id is not None:
        where.append("trace_id = ?")
        parameters.append(wanted.trace_id)
    if wanted.since is not None:
        where.append("raised_at >= ?")
        parameters.append(wanted.since)
    if wanted.type is None:
        where.append("(uncaught OR NOT control_flow)")
    else:
        named, values = exception_type_condition(wanted.type)
        where.append(named)
        parameters.extend(values)
    if not wanted.of_tests:
        where.append(_NOT_OF_TESTS)
    return " AND ".join(where), parameters


def exception_type_condition(wanted: str) -> tuple[str, list[Any]]:
    """SQL over ``exceptions`` for a type's name, with or without its module, or a glob; and its parameters."""
    if "*" in wanted or "?" in wanted:
        return "exception_type GLOB ?", [wanted]
    return "(exception_type = ? OR ends_with(exception_type, '.' || ?))", [wanted, wanted]


def exception_groups(
    con: DuckDBPyConnection, wanted: ExceptionFilter, *, offset: int = 0, limit: int
) -> tuple[list[ExceptionGroup], int, int]:
    """A page of groups, how many groups there are, and how many exceptions in them.

    Uncaught ones come first, then those that left the traced code, then the handled ones; the newest first in each.
    Two kinds give way to the others: SystemExit, which most often only carries the exit code out, and the
    AttributeError by which ``__getattr__`` says to untraced code (an import, hasattr) that there is no such name.
    """
    where, parameters = _where(wanted)
    kept = "true" if wanted.include_handled else "uncaught OR escaped OR handled IS NOT true"
    rows = con.execute(
        f"""
        {_CLASSIFIED.format(where=where)}, {_FURTHER},
        grouped AS (
            SELECT max({{'trace': trace_id, 'id': -exception_id}}) AS first, count(DISTINCT trace_id) AS traces,
                   count(*) AS count, count(*) FILTER (uncaught) AS uncaught, count(*) FILTER (escaped) AS escaped,
                   count(*) FILTER (handled AND NOT uncaught) AS handled,
                   mode(handled_by ORDER BY exception_id DESC) AS handled_by,
                   exception_type = 'SystemExit'
                   OR exception_type = 'AttributeError' AND NOT bool_or(uncaught)
                      AND split_part(coalesce(function_name, ''), '.', -1) IN ('__getattr__', '__getattribute__')
                      AS minor,
                   min(nullif(call_id, 0)) AS first_call_id, max(nullif(call_id, 0)) AS last_call_id,
                   coalesce(any_value(further_count), 0) AS further
            FROM classified LEFT JOIN further USING (trace_id, exception_type, module_name, function_name, line)
            WHERE {kept}
            GROUP BY exception_type, exception_message, module_name, function_name, line)
        SELECT first.trace, -first.id, traces, count, uncaught, escaped, handled, handled_by,
               first_call_id, last_call_id, further, count(*) OVER (), sum(count) OVER ()
        FROM grouped
        ORDER BY uncaught > 0 AND NOT minor DESC, escaped > 0 AND NOT minor DESC, handled = 0 DESC,
                 first.trace DESC, -first.id DESC
        LIMIT {int(limit)} OFFSET {int(offset)}
        """,
        parameters,
    ).fetchall()
    if not rows:
        return [], 0, 0
    return [ExceptionGroup(*row[:11]) for row in rows], rows[0][11], int(rows[0][12])


def handled_places(con: DuckDBPyConnection, trace_id: str, limit: int) -> tuple[list[HandledPlace], int]:
    """What the traced code raised and handled itself, by type and place, the most frequent first, and of how many."""
    where, parameters = _where(ExceptionFilter(trace_id=trace_id))
    rows = con.execute(
        f"""
        {_CLASSIFIED.format(where=where)}, {_FURTHER}
        SELECT exception_type, coalesce(module_name, ''), coalesce(function_name, ''), any_value(file), line,
               count(*) + coalesce(any_value(further_count), 0) AS raises, count(DISTINCT exception_message),
               coalesce(any_value(exception_message), ''), mode(handled_by ORDER BY exception_id DESC),
               count(*) OVER ()
        FROM classified LEFT JOIN further USING (trace_id, exception_type, module_name, function_name, line)
        WHERE handled AND NOT uncaught AND NOT escaped
        GROUP BY exception_type, module_name, function_name, line ORDER BY raises DESC, 1, 2, 3, 5 LIMIT {int(limit)}
        """,
        parameters,
    ).fetchall()
    return [HandledPlace(*row[:9]) for row in rows], (rows[0][9] if rows else 0)


def count_exceptions(con: DuckDBPyConnection, trace_id: str) -> int:
    """The exceptions of a trace, also those that were only counted; control flow left out."""
    where, parameters = _where(ExceptionFilter(trace_id=trace_id))
    total: int = con.execute(
        f"""
        SELECT (SELECT count(*) FROM exceptions WHERE {where})
               + (SELECT coalesce(sum(further_count), 0) FROM exception_counts WHERE trace_id = ?)::BIGINT
        """,
        [*parameters, trace_id],
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


def exceptions_by_id(con: DuckDBPyConnection, trace_id: str, exception_ids: Sequence[int]) -> dict[int, ExceptionRow]:
    """These exceptions of one trace in full, by id."""
    if not exception_ids:
        return {}
    numbers = ", ".join(str(int(number)) for number in set(exception_ids))
    rows = con.execute(
        f"""
        SELECT e.trace_id, e.exception_id, e.exception_type, coalesce(exception_message, ''), nullif(call_id, 0),
               coalesce(module_name, ''), coalesce(function_name, ''), file, line, stack_trace, locals,
               cause_id, context_id, uncaught, handled, handled_by, call_chain,
               CASE WHEN t.duration_ms IS NULL OR e.raised_at <= {_TEST_END} THEN t.node_id END
        FROM (FROM exceptions WHERE trace_id = ? AND exception_id IN ({numbers})) e
        ASOF LEFT JOIN (FROM tests WHERE trace_id = ?) t
          ON t.process_id = e.process_id AND t.started_at <= e.raised_at
        """,
        [trace_id, trace_id],
    ).fetchall()
    return {row[1]: ExceptionRow(*row) for row in rows}
