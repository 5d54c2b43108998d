"""Answer analyze_performance: the time of functions, their callers, slowest calls and critical path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.common.budget import fit_table
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.model import Answer, Cell, Table, check_limit
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import bounded, counted, milliseconds, one_line, rounded
from breadcrumb_server.answers.gaps.nothing_found import why_no_calls
from breadcrumb_server.answers.performance.complexity import find_growth
from breadcrumb_server.answers.rendering.calls import call_line, result_text
from breadcrumb_server.answers.rendering.layout import arguments_text
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries import performance as queries
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.functions import (
    FunctionTime,
    function_times,
    matching_functions,
    nested_times,
    similar_names,
)
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TIMES = ["total_ms", "self_ms"]
_PER_CALL = ["mean_ms", "p50_ms", "p95_ms", "max_ms"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of this answer."""

    functions: int = 100
    """Rows of the hot list."""
    detailed: int = 20
    """Functions whose single calls are read, if ``function`` names more."""
    callers: int = 6
    """Callers of the functions."""
    slowest: int = 5
    """Slowest calls."""
    path_steps: int = 12
    """Steps of the critical path."""
    path_chars: int = 160
    """Characters of the arguments of a call on the critical path."""
    name_chars: int = 120
    """Characters of a function's name."""
    slowest_chars: int = 120
    """Characters of the arguments and of the result of a slow call: enough to distinguish it; get_calls shows all."""


LIMITS = Limits()


class Performance(Answer):
    """Times by function, by self time.

    ``total_ms`` includes callees, ``self_ms`` does not. ``active_ms`` is the total without suspensions (await, yield),
    shown if there were any. ``share`` is the share of all self time; for a caller, of the function's total.
    ``calls`` counts all calls (``>=`` is a lower bound); mean, p50, p95 and max are of the recorded calls, whose
    number is in ``recorded`` if it is smaller.
    """

    always_shown = frozenset({"functions"})

    trace_id: str
    functions: Table
    callers: Table | None = Field(default=None, description="the callers with their times, from recorded calls")
    slowest: Table | None = Field(default=None, description="its slowest calls, with their arguments")
    critical_path: list[str] = Field(
        default_factory=list,
        description="from the slowest call (or call_id) down, the callee that took most of the time",
    )
    growth: str = Field(default="", description="how the time grows with an argument, if the calls show it")
    message: str = Field(default="", description="the reason, if there is no result")


def analyze_performance(
    con: DuckDBPyConnection,
    project: str,
    *,
    function: str | None = None,
    trace_id: str | None = None,
    call_id: int | None = None,
    limit: int = 15,
) -> Performance:
    """Return the hot list of a trace, or the times of some functions with their callers and slowest calls.

    Args:
        con: A connection to the project's database.
        project: The project's name, for the proposed calls.
        function: A substring, a glob, or module:function.
        trace_id: The trace; None for the newest.
        call_id: The call whose critical path to show. Without ``function``, its function is analyzed.
        limit: Rows of the hot list.

    Raises:
        BreadcrumbError: The trace or the call is unknown, or the limit is below 1.
    """
    limit, notes = check_limit(limit, LIMITS.functions)
    reader = TraceReader.open(con, trace_id, project)
    next_calls = NextCalls(project, reader.trace)
    function = function or _function_of(reader, call_id)
    places = Places.of(reader.trace)
    times = function_times(reader)
    chosen = [each for each in times if each.total_ns]
    overall_ns = sum(each.self_ns for each in times)
    launchers = [each for each in chosen if places.is_launcher(each.module, each.name, each.file)]
    if not function and 0 < len(launchers) < len(chosen):
        # A module that only starts the user's code is credited with the time of all untraced code.
        chosen = [each for each in chosen if each not in launchers]
        left_ns = sum(each.self_ns for each in launchers)
        overall_ns -= left_ns
        notes = [
            *notes,
            f"left out: the launching module ({places.path(launchers[0].file)}), with "
            f"{milliseconds(left_ns)} ms in itself and in untraced code that it called",
        ]
    if function:
        names = {(each.module, each.name) for each in matching_functions(reader, function)}
        chosen = [each for each in chosen if (each.module, each.name) in names]
    if not chosen:
        return _nothing(reader, next_calls, function)
    table = _HotList(reader, chosen[:limit], overall_ns)
    names_in_detail = [each.full_name for each in chosen[: LIMITS.detailed]]
    part = Parts()
    detail = (
        part.optional("callers, slowest, critical_path", lambda: _FunctionDetail(reader, names_in_detail, call_id))
        if function
        else None
    )
    if detail and len(chosen) > LIMITS.detailed:
        notes = [*notes, f"callers, slowest calls and growth are those of the {LIMITS.detailed} hottest functions"]

    growth = part.text("growth", lambda: detail.growth() if detail else "")

    def build(rows: int, chars: int) -> Performance:
        return part.told(
            Performance(
                project=project,
                trace_id=reader.trace_id,
                functions=table.table(rows, len(chosen)),
                callers=part.optional("callers", lambda: detail.callers_table() if detail else None),
                slowest=part.optional(
                    "slowest", lambda: detail.slowest_table(min(chars, LIMITS.slowest_chars)) if detail else None
                ),
                critical_path=part.rows(
                    "critical_path", lambda: detail.path(min(chars, LIMITS.path_chars)) if detail else []
                ),
                growth=growth,
                notes=notes + part.rows("notes", lambda: _notes(chosen[:rows])),
                next=part.rows("next", lambda: at_most_one(_follow_ups(next_calls, chosen[:limit], detail))),
            )
        )

    return fit_table(build, min(len(chosen), limit))


def _function_of(reader: TraceReader, call_id: int | None) -> str | None:
    if call_id is None:
        return None
    found = calls_by_id(reader, [call_id]).get(call_id)
    if found is None:
        raise BreadcrumbError(
            f"Trace {reader.trace_id} has no recorded call {call_id}.",
            hint="get_flow and get_calls show call ids.",
        )
    return f"{found.module}:{found.name}"


class _HotList:
    """The functions with the most self time, as a table."""

    def __init__(self, reader: TraceReader, shown: Sequence[FunctionTime], overall_ns: int) -> None:
        names = [each.full_name for each in shown]
        self._shown = shown
        self._overall_ns = overall_ns
        self._nested = nested_times(reader, names)
        self._distributions = queries.durations(reader, names)
        self._active = _has_suspensions(self._distributions.values())
        self._sampled = any(each.started > each.recorded for each in shown)

    def table(self, rows: int, functions: int) -> Table:
        recorded = ["recorded"] if self._sampled else []
        active = ["active_ms"] if self._active else []
        return Table(
            columns=["function", "calls", *recorded, *_TIMES, *active, "share", *_PER_CALL],
            rows=[self._row(each) for each in self._shown[:rows]],
            more=functions - rows,
        )

    def _row(self, each: FunctionTime) -> list[Cell]:
        found = self._distributions.get(each.full_name)
        return [
            one_line(each.full_name, LIMITS.name_chars),
            bounded(each.started, exact=each.exact),
            *([each.recorded] if self._sampled else []),
            milliseconds(each.total_ns - self._nested.get(each.full_name, 0)),
            milliseconds(each.self_ns),
            *([milliseconds(found.active_ns) if found else None] if self._active else []),
            _share(each.self_ns, self._overall_ns),
            *(_per_call(found) if found else [None] * len(_PER_CALL)),
        ]


class _FunctionDetail:
    """Callers, slowest calls, critical path and growth of some functions."""

    def __init__(self, reader: TraceReader, full_names: Sequence[str], call_id: int | None) -> None:
        self._places = Places.of(reader.trace)
        calls = queries.TimedCalls(reader, full_names)
        self._callers = calls.callers(LIMITS.callers)
        ids = calls.slowest(LIMITS.slowest)
        begin = [call_id] if call_id is not None else ids[:1]
        self._steps = [step for each in begin for step in queries.hot_path(reader, each, LIMITS.path_steps)]
        self._calls = calls_by_id(reader, [*ids, *begin, *(step.call_id for step in self._steps)])
        self.slowest = [self._calls[each] for each in ids]
        self.begin = next((self._calls[each] for each in begin if each in self._calls), None)
        self._samples = calls.samples

    def growth(self) -> str:
        """Say how the time grows with an argument; "" if the calls do not show it."""
        growth = find_growth(self._samples())
        return growth.text() if growth else ""

    def callers_table(self) -> Table:
        first = self._callers.first
        has_active = _has_suspensions(each.times for each in first)
        active = ["active_ms"] if has_active else []
        return Table(
            columns=["caller", "calls", *_TIMES, *active, "share", *_PER_CALL],
            rows=[
                [
                    one_line(each.full_name, LIMITS.name_chars) or "(not recorded)",
                    each.times.calls,
                    milliseconds(each.times.total_ns),
                    milliseconds(each.times.self_ns),
                    *([milliseconds(each.times.active_ns)] if has_active else []),
                    _share(each.times.total_ns, self._callers.total_ns),
                    *_per_call(each.times),
                ]
                for each in first
            ],
            more=self._callers.count - len(first),
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
        if self.begin is None or not self._steps:
            return []
        return [
            f"{milliseconds(self.begin.duration_ns)} ms  {self._call(self.begin, chars)}",
            *(f"{milliseconds(step.total_ns)} ms  {self._step(step, chars)}" for step in self._steps),
        ]

    def _step(self, step: queries.HotPathStep, chars: int) -> str:
        text = self._call(self._calls[step.call_id], chars)
        if step.calls == 1:
            return text
        slowest = milliseconds(self._calls[step.call_id].duration_ns)
        return f"in {step.calls:,} calls, the slowest {slowest} ms: {text}"

    def _call(self, each: CallRow, chars: int) -> str:
        return f"{call_line(each, self._places, None, chars)}  #{each.call_id}"


def _per_call(times: queries.Durations) -> list[Cell]:
    return [milliseconds(ns) for ns in (times.mean_ns, times.p50_ns, times.p95_ns, times.max_ns)]


def _has_suspensions(times: Iterable[queries.Durations]) -> bool:
    """Return whether any call was suspended; if none was, all time was active."""
    return any(each.active_ns < each.total_ns for each in times)


def _share(part_ns: int, overall_ns: int) -> str:
    return f"{rounded(100 * part_ns / overall_ns if overall_ns else 0.0)}%"


def _notes(shown: Sequence[FunctionTime]) -> list[str]:
    sampled = [each for each in shown if each.started > each.recorded]
    notes: list[str] = []
    if sampled:
        notes.append(
            f"of {counted(len(sampled), 'function')} some calls were only counted and timed: mean, p50, p95 and max "
            "are of the recorded ones, self_ms of the others is estimated in proportion"
        )
    if any(not each.exact for each in sampled):
        notes.append(">=: counting was switched off for a while, so that these calls and times are lower bounds")
    return notes


def _follow_ups(
    next_calls: NextCalls, shown: Sequence[FunctionTime], detail: _FunctionDetail | None
) -> list[str | None]:
    if detail is None:
        hottest = next((each for each in shown if each.name != "<module>"), None)
        return [
            next_calls.call("analyze_performance", function=hottest.full_name)
            if hottest
            else next_calls.call("get_flow")
        ]
    if detail.begin is None:
        return [next_calls.call("get_flow")]
    return [
        next_calls.call("get_flow", root_call_id=detail.begin.call_id),
        next_calls.get_calls(f"{detail.begin.module}:{detail.begin.name}", {"call_id": detail.begin.call_id}),
    ]


def _nothing(reader: TraceReader, next_calls: NextCalls, function: str | None) -> Performance:
    message = "No call with a duration was recorded in this trace."
    follow_ups: list[str | None] = [next_calls.call("get_trace")]
    if function:
        functions = matching_functions(reader, function)
        if functions:
            message = f"No call of {one_line(function, 100)!r} has ended in this trace."
            follow_ups = [next_calls.call("get_flow", function=function)]
        else:
            message, follow_ups = why_no_calls(reader, next_calls, functions, function, None)
            for name in similar_names(reader, function.replace("*", "").rpartition(":")[2], 1):
                follow_ups = [next_calls.call("analyze_performance", function=name)]
    return Performance(
        project=next_calls.project,
        trace_id=reader.trace_id,
        functions=Table(columns=["function", "calls", *_TIMES, "share", *_PER_CALL], rows=[]),
        message=message,
        next=at_most_one(follow_ups),
    )
