"""Translate filters on exceptions into SQL, and classify exceptions by who caught them and when they were raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.tests import CallRange, in_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class UnderTests:
    """The exceptions of some tests: those raised in their calls, and those that they failed with."""

    calls: Sequence[CallRange]
    failures: Sequence[int]  # exception ids; these may have been raised outside of all calls


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionFilter:
    """Conditions on exceptions, all of which must hold.

    Control flow (StopIteration and the like) needs a `type`, unless it was uncaught.
    """

    trace_id: str | None = None  # None: all traces
    since: datetime | None = None  # UTC
    type: str | None = None  # as in exception_type_condition
    include_handled: bool = True  # False: without those that traced code handled; for exception_groups only
    include_expected: bool = True  # False: without those that are expected, as in CLASSIFIED; for exception_groups only
    of_tests: bool = True  # False: without those that failed a test or were raised in a test that did not fail
    under: UnderTests | None = None  # only with trace_id


TEST_END = "t.started_at + to_microseconds((t.duration_ms * 1000)::BIGINT)"  # SQL: the end of the test t

# SQL: the functions by which code reports an exception to a log or to an error tracker. The caller of one of them is
# taken to report what it catches.
_REPORTS = r"""
    regexp_matches(g.function_name,
                   '(^|\.)(exception|print_exc|print_exception|format_exc|format_exception|capture_exception)$')
    OR g.module_name = 'logging'
       AND regexp_matches(g.function_name, '^((Logger|LoggerAdapter)\.)?(error|critical|fatal)$')
"""

# SQL: exceptions that only end what is no longer wanted. Nothing but their names tells them from others.
_CANCELLATION = r"regexp_matches(w.exception_type, '(^|\.)(CancelledError|Cancelled|GreenletExit|GeneratorExit)$')"

# SQL: the special methods that answer a question of the language with an exception.
_LOOKUP = r"""
    split_part(coalesce({0}, ''), '.', -1) IN ('__getattr__', '__getattribute__', '__getitem__', '__missing__')
"""

# Adds to each exception:
#   escaped          it was caught, but not by a function with the name of a traced one
#   failed_test      the failed test in which it was raised (the test at a moment is the last one that had started)
#   importing        it was raised while the body of an imported module ran
#   optional_import  it is an ImportError, raised during an import or caught by the body of a module
#   reported         a traced function caught it that also logs errors
#   expected         it is no failure: its handler names its class (a web framework's 404), a built-in function asked
#                    for it (hasattr), it cancels a task, or it is an optional import
CLASSIFIED = f"""
    WITH wanted AS (SELECT * EXCLUDE (stack_trace, locals) FROM exceptions WHERE {{where}}),
    traced AS (
        SELECT DISTINCT trace_id, coalesce(module_name, '') || ':' || function_name AS handler
        FROM functions WHERE trace_id IN (SELECT trace_id FROM wanted)),
    reporting AS (
        SELECT DISTINCT f.trace_id, coalesce(f.module_name, '') || ':' || f.function_name AS handler
        FROM gap_records g
        JOIN functions f ON f.trace_id = g.trace_id AND f.process_id = g.process_id AND f.function_id = g.caller_id
        WHERE g.trace_id IN (SELECT trace_id FROM wanted) AND ({_REPORTS})),
    failed AS (
        SELECT e.trace_id, e.exception_id, t.node_id
        FROM (SELECT trace_id, process_id, exception_id, raised_at FROM wanted) e
        ASOF JOIN tests t ON t.trace_id = e.trace_id AND t.process_id = e.process_id AND t.started_at <= e.raised_at
        WHERE t.outcome IN ('failed', 'error') AND (t.duration_ms IS NULL OR e.raised_at <= {TEST_END})),
    failures AS (SELECT DISTINCT trace_id, exception_id FROM tests WHERE outcome IN ('failed', 'error')),
    lookups AS (
        SELECT trace_id, exception_id FROM wanted
        WHERE exception_type IN ('AttributeError', 'KeyError', 'IndexError') AND {_LOOKUP.format("function_name")}),
    passed AS (  -- lookups that went on to callers
        SELECT DISTINCT l.trace_id, l.exception_id
        FROM lookups l
        JOIN traces t ON t.trace_id = l.trace_id
        JOIN call_records c ON c.trace_no = t.trace_no AND c.exception_id = l.exception_id
        JOIN functions f ON f.trace_id = l.trace_id AND f.process_id = c.process_id AND f.function_id = c.function_id
        WHERE NOT {_LOOKUP.format("f.function_name")}),
    bodies AS (
        SELECT t.trace_id, c.process_id, c.thread_id, c.started_ns, c.started_ns + c.duration_ns AS ended_ns
        FROM traces t
        JOIN functions f ON f.trace_id = t.trace_id AND f.kind = 'module' AND f.module_name <> '__main__'
        JOIN call_records c ON c.trace_no = t.trace_no AND c.process_id = f.process_id
             AND c.function_id = f.function_id
        WHERE t.trace_id IN (SELECT trace_id FROM wanted)),
    imports AS (
        SELECT DISTINCT w.trace_id, w.exception_id
        FROM wanted w JOIN bodies b ON b.trace_id = w.trace_id AND b.process_id = w.process_id
             AND b.thread_id = w.thread_id AND epoch_ns(w.raised_at) BETWEEN b.started_ns AND b.ended_ns),
    located AS (
        SELECT w.* EXCLUDE (expected), coalesce(w.expected, false) AS named,
               w.handled AND NOT w.uncaught AND t.handler IS NULL AS escaped, f.node_id AS failed_test,
               i.exception_id IS NOT NULL AS importing,
               coalesce(exception_type IN ('ImportError', 'ModuleNotFoundError')
                        AND (i.exception_id IS NOT NULL OR w.handled_by LIKE '%:<module>:%'), false) AS optional_import,
               w.handled AND NOT w.uncaught AND r.handler IS NOT NULL AS reported,
               l.exception_id IS NOT NULL AND p.exception_id IS NULL AND t.handler IS NULL AS failed_lookup,
               {_CANCELLATION} AS cancellation,
               w.uncaught OR x.exception_id IS NOT NULL AS ended_something
        FROM wanted w
        LEFT JOIN traced t ON t.trace_id = w.trace_id
              AND t.handler = split_part(w.handled_by, ':', 1) || ':' || split_part(w.handled_by, ':', 2)
        LEFT JOIN reporting r ON r.trace_id = w.trace_id AND r.handler = t.handler
        LEFT JOIN failed f ON f.trace_id = w.trace_id AND f.exception_id = w.exception_id
        LEFT JOIN failures x ON x.trace_id = w.trace_id AND x.exception_id = w.exception_id
        LEFT JOIN imports i ON i.trace_id = w.trace_id AND i.exception_id = w.exception_id
        LEFT JOIN lookups l ON l.trace_id = w.trace_id AND l.exception_id = w.exception_id
        LEFT JOIN passed p ON p.trace_id = w.trace_id AND p.exception_id = w.exception_id),
    classified AS (
        SELECT *, NOT ended_something AND (named OR optional_import OR failed_lookup OR cancellation) AS expected
        FROM located)
"""


# Raises that were only counted, since many equal ones had been recorded.
FURTHER = """
    further AS (
        SELECT trace_id, exception_type, module_name, function_name, line, sum(further_count)::BIGINT AS further_count
        FROM exception_counts WHERE trace_id IN (SELECT trace_id FROM wanted) GROUP BY ALL)
"""


# Uncaught exceptions are kept, since they ended a thread or a process. Within one trace, only its tests are read.
_NOT_OF_TESTS = f"""
    (uncaught OR (trace_id, exception_id) NOT IN (
        SELECT (trace_id, exception_id) FROM tests WHERE exception_id IS NOT NULL AND {{within}}
        UNION ALL
        SELECT (e.trace_id, e.exception_id)
        FROM (SELECT trace_id, process_id, exception_id, raised_at FROM exceptions WHERE {{within}}) e
        ASOF JOIN tests t ON t.trace_id = e.trace_id AND t.process_id = e.process_id AND t.started_at <= e.raised_at
        WHERE t.outcome NOT IN ('failed', 'error') AND e.raised_at <= {TEST_END}))
"""


def exception_condition(wanted: ExceptionFilter) -> tuple[str, list[Any]]:
    """Return an SQL condition over `exceptions` for a filter, without its `include_handled`, and its parameters."""
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
    if wanted.under is not None:
        failures = ", ".join(str(int(number)) for number in wanted.under.failures)
        where.append(f"({in_ranges(wanted.under.calls, 'call_id')} OR exception_id IN ({failures or 'NULL'}))")
    if not wanted.of_tests:
        within = "true" if wanted.trace_id is None else "trace_id = ?"
        where.append(_NOT_OF_TESTS.format(within=within))
        parameters.extend([] if wanted.trace_id is None else [wanted.trace_id] * 2)
    return " AND ".join(where), parameters


def exception_type_condition(wanted: str) -> tuple[str, list[Any]]:
    """Return an SQL condition over `exceptions` for a type, and its parameters.

    Args:
        wanted: The type's name, with or without its module, or a glob over the name with its module.
    """
    if "*" in wanted or "?" in wanted:
        return "exception_type GLOB ?", [wanted]
    return "(exception_type = ? OR ends_with(exception_type, '.' || ?))", [wanted, wanted]
