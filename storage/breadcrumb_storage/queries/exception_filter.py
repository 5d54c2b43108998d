"""Which exceptions are asked for, and what tells them apart: what became of them, and when they were raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.tests import CallRange, in_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class UnderTests:
    """What was raised under tests: in their calls, and what they failed with, which may be raised outside of any."""

    calls: Sequence[CallRange]
    failures: Sequence[int]  # exception ids


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionFilter:
    """Which exceptions; control flow (StopIteration and the like) only where a type is named."""

    trace_id: str | None = None  # None: all traces
    since: datetime | None = None
    type: str | None = None  # a name with or without its module, or a glob
    include_handled: bool = True
    of_tests: bool = True  # False: without those that failed a test, or were raised under one that did not fail
    under: UnderTests | None = None  # only with trace_id


TEST_END = "t.started_at + to_microseconds((t.duration_ms * 1000)::BIGINT)"

# An exception is told apart by what became of it. Whoever caught it is traced code where a function of that name is.
# Also by when it was raised: under a test that failed (the test that ran at a moment is the last one that had begun),
# or while the body of an imported module ran. An optional import is one that such a body does without.
CLASSIFIED = f"""
    WITH wanted AS (SELECT * EXCLUDE (stack_trace, locals) FROM exceptions WHERE {{where}}),
    traced AS (
        SELECT DISTINCT trace_id, coalesce(module_name, '') || ':' || function_name AS handler
        FROM functions WHERE trace_id IN (SELECT trace_id FROM wanted)),
    failed AS (
        SELECT e.trace_id, e.exception_id, t.node_id
        FROM (SELECT trace_id, process_id, exception_id, raised_at FROM wanted) e
        ASOF JOIN tests t ON t.trace_id = e.trace_id AND t.process_id = e.process_id AND t.started_at <= e.raised_at
        WHERE t.outcome IN ('failed', 'error') AND (t.duration_ms IS NULL OR e.raised_at <= {TEST_END})),
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
    classified AS (
        SELECT w.*, w.handled AND NOT w.uncaught AND t.handler IS NULL AS escaped, f.node_id AS failed_test,
               i.exception_id IS NOT NULL AS importing,
               coalesce(exception_type IN ('ImportError', 'ModuleNotFoundError')
                        AND (i.exception_id IS NOT NULL OR w.handled_by LIKE '%:<module>:%'), false) AS optional_import
        FROM wanted w
        LEFT JOIN traced t ON t.trace_id = w.trace_id
              AND t.handler = split_part(w.handled_by, ':', 1) || ':' || split_part(w.handled_by, ':', 2)
        LEFT JOIN failed f ON f.trace_id = w.trace_id AND f.exception_id = w.exception_id
        LEFT JOIN imports i ON i.trace_id = w.trace_id AND i.exception_id = w.exception_id)
"""


# Raises that were only counted, because many like them had been written.
FURTHER = """
    further AS (
        SELECT trace_id, exception_type, module_name, function_name, line, sum(further_count)::BIGINT AS further_count
        FROM exception_counts WHERE trace_id IN (SELECT trace_id FROM wanted) GROUP BY ALL)
"""


# (What was uncaught ended a thread or a process.)
_NOT_OF_TESTS = f"""
    (uncaught OR (trace_id, exception_id) NOT IN (
        SELECT (trace_id, exception_id) FROM tests WHERE exception_id IS NOT NULL
        UNION ALL
        SELECT (e.trace_id, e.exception_id)
        FROM (SELECT trace_id, process_id, exception_id, raised_at FROM exceptions) e
        ASOF JOIN tests t ON t.trace_id = e.trace_id AND t.process_id = e.process_id AND t.started_at <= e.raised_at
        WHERE t.outcome NOT IN ('failed', 'error') AND e.raised_at <= {TEST_END}))
"""


def exception_condition(wanted: ExceptionFilter) -> tuple[str, list[Any]]:
    """SQL over ``exceptions`` that is true for those which are asked for, and its parameters."""
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
        where.append(_NOT_OF_TESTS)
    return " AND ".join(where), parameters


def exception_type_condition(wanted: str) -> tuple[str, list[Any]]:
    """SQL over ``exceptions`` for a type's name, with or without its module, or a glob; and its parameters."""
    if "*" in wanted or "?" in wanted:
        return "exception_type GLOB ?", [wanted]
    return "(exception_type = ? OR ends_with(exception_type, '.' || ?))", [wanted, wanted]
