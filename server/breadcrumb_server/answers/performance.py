"""The answer to: where did the time go?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.base import Answer, Cell, Table, check_limit
from breadcrumb_server.answers.call_lines import call_line, result_text
from breadcrumb_server.answers.fit import fit_table
from breadcrumb_server.answers.follow_ups import call, first_few
from breadcrumb_server.answers.growth import find_growth
from breadcrumb_server.answers.places import Places
from breadcrumb_server.answers.text import counted, cut, milliseconds, one_line, rounded
from breadcrumb_server.answers.values import arguments_text
from breadcrumb_storage.queries import performance as queries
from breadcrumb_storage.queries.calls import CallRow, calls_by_id
from breadcrumb_storage.queries.functions import (
    FunctionTime,
    function_times,
    matching_functions,
    nested_times,
    similar_names,
)
from breadcrumb_storage.queries.traces import TraceRow, get_trace
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_LIMIT = 100
MAX_CALLERS = 6
MAX_SLOWEST = 5
MAX_WAY_STEPS = 12
MAX_NAME_CHARS = 120
COLUMNS = ["function", "calls", "total_ms", "self_ms", "share", "mean_ms", "p50_ms", "p95_ms", "max_ms"]


class Performance(Answer):
    """Times by function, the one with the most time of its own first.

    ``total_ms`` includes what was called, ``self_ms`` does not; ``share`` is that of all self time. mean, p50, p95 and
    max are of the recorded calls; ``>=`` marks lower bounds.
    """

    always_shown = frozenset({"functions"})

    trace_id: str
    functions: Table
    callers: Table | None = Field(default=None, description="who made the function take that time")
    slowest: Table | None = Field(default=None, description="its slowest calls, with their arguments")
    critical_path: list[str] = Field(
        default_factory=list, description="from the slowest call down, the child that took longest"
    )
    growth: str = Field(default="", description="how the time grows with an argument, where the calls show it")
    message: str = Field(default="", description="why there is nothing, where there is nothing")


def analyze_performance(
    con: DuckDBPyConnection, project: str, function: str | None = None, trace_id: str | None = None, limit: int = 15
) -> Performance:
    """The hot list of a trace, or all about the functions that ``function`` names.

    Args:
        function: a substring, a glob, or module:function.

    Raises:
        BreadcrumbError: an unknown trace, or a limit below 1.
    """
    limit, notes = check_limit(limit, MAX_LIMIT)
    trace = get_trace(con, resolve_trace_id(con, trace_id, project))
    times = [each for each in function_times(con, trace) if each.total_ns]
    overall_ns = sum(each.self_ns for each in times)
    chosen = times
    if function:
        names = {(each.module, each.name) for each in matching_functions(con, trace, function)}
        chosen = [each for each in times if (each.module, each.name) in names]
    if not chosen:
        return _nothing(con, project, trace, function)
    shown = chosen[:limit]
    table = _Functions(con, trace, shown, overall_ns)
    detail = _Detail(con, trace, function) if function else None

    def build(rows: int, chars: int) -> Performance:
        return Performance(
            project=project,
            trace_id=trace.trace_id,
            functions=Table(columns=COLUMNS, rows=table.rows(rows), more=len(chosen) - rows),
            callers=detail.callers_table() if detail else None,
            slowest=detail.slowest_table(min(chars, 400)) if detail else None,
            critical_path=detail.path(min(chars, 160)) if detail else [],
            growth=detail.growth if detail else "",
            notes=notes + _notes(shown[:rows]),
            next=first_few(_follow_ups(project, trace, shown, detail)),
        )

    return fit_table(build, len(shown))


class _Functions:
    """The rows of the hot list."""

    def __init__(
        self, con: DuckDBPyConnection, trace: TraceRow, shown: Sequence[FunctionTime], overall_ns: int
    ) -> None:
        names = [each.full_name for each in shown]
        self._shown = shown
        self._overall_ns = overall_ns
        self._nested = nested_times(con, trace, names)
        self._distributions = queries.distributions(con, trace, names)

    def rows(self, count: int) -> list[list[Cell]]:
        return [self._row(each) for each in self._shown[:count]]

    def _row(self, each: FunctionTime) -> list[Cell]:
        found = self._distributions.get(each.full_name)
        share = each.self_ns / self._overall_ns if self._overall_ns else 0.0
        row: list[Cell] = [
            one_line(each.full_name, MAX_NAME_CHARS),
            each.started if each.exact else f">={each.started}",
            milliseconds(each.total_ns - self._nested.get(each.full_name, 0)),
            milliseconds(each.self_ns),
            f"{rounded(100 * share)}%",
        ]
        if found is None:
            return [*row, None, None, None, None]
        return [*row, *map(milliseconds, (found.mean_ns, found.p50_ns, found.p95_ns, found.max_ns))]


class _Detail:
    """All that is told when a function is asked for."""

    def __init__(self, con: DuckDBPyConnection, trace: TraceRow, function: str) -> None:
        self._places = Places.of(trace)
        self._callers, self._caller_count = queries.callers(con, trace, function, MAX_CALLERS)
        ids = queries.slowest(con, trace, function, MAX_SLOWEST)
        self._steps = queries.way_of_the_time(con, trace, ids[0], MAX_WAY_STEPS) if ids else []
        self._calls = calls_by_id(con, trace, [*ids, *(step.call_id for step in self._steps)])
        self.slowest = [self._calls[call_id] for call_id in ids]
        growth = find_growth(queries.samples(con, trace, function))
        self.growth = growth.text() if growth else ""

    def callers_table(self) -> Table:
        return Table(
            columns=["caller", "calls", "total_ms", "max_ms"],
            rows=[
                [
                    one_line(each.full_name, MAX_NAME_CHARS) or "(not recorded)",
                    each.calls,
                    milliseconds(each.total_ns),
                    milliseconds(each.max_ns),
                ]
                for each in self._callers
            ],
            more=self._caller_count - len(self._callers),
        )

    def slowest_table(self, chars: int) -> Table:
        return Table(
            columns=["call_id", "ms", "args", "result"],
            rows=[
                [
                    each.call_id,
                    milliseconds(each.duration_ns),
                    arguments_text(each.args, chars),
                    result_text(each, chars),
                ]
                for each in self.slowest
            ],
        )

    def path(self, chars: int) -> list[str]:
        if not self._steps:
            return []
        calls: list[CallRow] = [self.slowest[0], *(self._calls[step.call_id] for step in self._steps)]
        return [f"{milliseconds(each.duration_ns)} ms  {call_line(each, self._places, None, chars)}" for each in calls]


def _notes(shown: Sequence[FunctionTime]) -> list[str]:
    sampled = [each for each in shown if each.started > each.recorded]
    if not sampled:
        return []
    return [
        f"of {counted(len(sampled), 'function')} some calls were only counted and timed: mean, p50, p95 and max are of "
        "the recorded ones, self_ms of the others is estimated in proportion"
    ]


def _follow_ups(
    project: str, trace: TraceRow, shown: Sequence[FunctionTime], detail: _Detail | None
) -> list[str | None]:
    if detail is None:
        hottest: list[str | None] = [
            call("analyze_performance", project=project, function=each.full_name, trace_id=trace.trace_id)
            for each in shown
            if each.name != "<module>"
        ]
        return hottest[:1]
    where = {"parent_call_id": detail.slowest[0].call_id} if detail.slowest else None
    return [
        call("get_calls", project=project, function="*", trace_id=trace.trace_id, where=where) if where else None,
    ]


def _nothing(con: DuckDBPyConnection, project: str, trace: TraceRow, function: str | None) -> Performance:
    if not function:
        message, follow_ups = (
            "No call with a duration was recorded in this trace.",
            [call("get_trace", project=project, trace_id=trace.trace_id)],
        )
    else:
        similar = similar_names(con, trace, function.replace("*", "").rpartition(":")[2], 5)
        message = f"No call of a function that {cut(function, 100)!r} names has ended in this trace."
        if similar:
            message += " Recorded names that are like it: " + ", ".join(cut(name, 100) for name in similar) + "."
        follow_ups = [
            call("analyze_performance", project=project, function=name, trace_id=trace.trace_id) for name in similar[:1]
        ] or [call("find_gaps", project=project, trace_id=trace.trace_id)]
    return Performance(
        project=project,
        trace_id=trace.trace_id,
        functions=Table(columns=COLUMNS, rows=[]),
        message=message,
        next=first_few(list(follow_ups)),
    )
