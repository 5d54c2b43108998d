"""Answer the question: what went differently in this run than in the other one?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.common.budget import DEFAULT_ANSWER_CHARS, first_texts, fit
from breadcrumb_server.answers.common.code_origin import Places, is_generated
from breadcrumb_server.answers.common.model import Answer, Cell, Table
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one, call
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import bounded_text, counted, milliseconds, one_line
from breadcrumb_server.answers.compare.divergences import Findings, find_divergences
from breadcrumb_server.answers.compare.limits import LIMITS
from breadcrumb_server.answers.compare.root_causes import SortedDifferences, sort_differences
from breadcrumb_server.answers.compare.scope import (
    Scope,
    choose_scope,
    recorded_calls,
    sampled_functions,
    trace_notes,
    whole_scope,
)
from breadcrumb_server.answers.compare.text import (
    CallDifference,
    FirstDifference,
    ending_line,
    lone_calls_line,
    render_first_difference,
    summary_line,
)
from breadcrumb_server.answers.rendering.calls import Chain, read_chains
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.calls.chains import Link, chains
from breadcrumb_storage.queries.calls.records import calls_by_id
from breadcrumb_storage.queries.compare.functions import (
    FunctionPair,
    FunctionSide,
    TestPair,
    changed_tests,
    function_pairs,
    name_functions,
)
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import TraceRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Comparison(Answer):
    """What went differently in one run than in another (the base)."""

    always_shown = frozenset({"base_trace_id", "trace_id", "verdict"})

    base_trace_id: str
    trace_id: str
    runs: list[str] = Field(default_factory=list, description="how the base and this trace ended")
    verdict: str = Field(description="the result in one sentence")
    first: FirstDifference | None = Field(default=None, description="the first difference: start here")
    passed_on: list[str] = Field(default_factory=list, description="callers that therefore ended differently")
    others: list[str] = Field(
        default_factory=list, description="later differences (base call_id / call_id): consequences, or further causes"
    )
    without_effect: list[str] = Field(
        default_factory=list, description="calls that differ within a call whose result is the same"
    )
    tests: Table | None = Field(default=None, description="tests that ended differently")
    only_in_base: list[str] = Field(default_factory=list, description="functions that only the base called")
    only_in_this: list[str] = Field(default_factory=list, description="functions that only the other trace called")
    counts: Table | None = Field(default=None, description="functions called more or less often; >= is a lower bound")
    times: Table | None = Field(default=None, description="functions whose own time changed much, in ms")
    compared: str = ""


def compare_traces(con: DuckDBPyConnection, project: str, *, base_trace_id: str, trace_id: str) -> Comparison:
    """Compare a trace with a base, such as a failing run with a passing one.

    Args:
        con: the project's database.
        project: its name.
        base_trace_id: id of the base, or a part of it as TraceReader.open takes it.
        trace_id: the same of the other trace.

    Raises:
        BreadcrumbError: a trace is unknown, or both are the same.
    """
    base = TraceReader.open(con, base_trace_id, project)
    this = TraceReader.open(con, trace_id, project)
    if base.trace_id == this.trace_id:
        raise BreadcrumbError(
            f"base_trace_id and trace_id name the same trace, {base.trace_id}.",
            hint=f"{call('list_traces', project=project)} shows the others.",
        )
    tests = changed_tests(base, this)
    functions = function_pairs(base, this, values=not tests)  # tests that ended differently say where to look
    name_functions(base, this, sampled_functions(functions))
    scope = choose_scope(base, this, functions, tests)
    found = find_divergences(base, this, scope.selection, scope.trusts_lone_calls)
    if not found.divergences and scope.is_part:  # the cause may lie outside of the ranges
        scope = whole_scope(scope)
        found = find_divergences(base, this, scope.selection, scope.trusts_lone_calls)
    builder = _ComparisonBuilder(base, this, functions, tests, scope, found)
    return fit(builder.candidates(project), limit=DEFAULT_ANSWER_CHARS)


@dataclass(slots=True)
class _ComparisonBuilder:
    """The findings about two traces, from which their comparison is built at any level of detail."""

    base: TraceReader
    this: TraceReader
    functions: Sequence[FunctionPair]
    tests: Sequence[TestPair]
    scope: Scope
    found: Findings
    _known_links: dict[tuple[int, bool], list[Link]] = field(default_factory=dict[tuple[int, bool], list[Link]])

    def candidates(self, project: str) -> Iterator[Comparison]:
        """Yield the comparison at each level of detail, the most detailed first."""
        part = Parts()
        differences = self._sorted_differences()
        first = differences.first
        chain = part.optional("first", lambda: self._chain(first)) if first else None
        places = Places.of((self.this if first is None or first.this else self.base).trace)
        notes = [
            *part.rows("notes", lambda: [*trace_notes(self.base.trace, self.this.trace, self.functions)]),
            *self.scope.notes,
            *self._search_notes(),
        ]
        sampled = bool(self.scope.selection.sampled)

        def first_part(lines: int, chars: int) -> FirstDifference | None:
            if first is None:
                return None
            return render_first_difference(first, chain, places, lines=lines, chars=chars, sampled=sampled)

        def build(lines: int, chars: int) -> Comparison:
            return Comparison(
                project=project,
                base_trace_id=self.base.trace_id,
                trace_id=self.this.trace_id,
                runs=part.rows(
                    "runs", lambda: [_run_line("base", self.base.trace), _run_line("this", self.this.trace)]
                ),
                verdict=self._verdict(differences),
                first=part.optional("first", lambda: first_part(lines, chars)),
                passed_on=part.rows(
                    "passed_on", lambda: first_texts(_passed_on_lines(differences.passed_on, chars), lines // 2)
                ),
                others=part.rows("others", lambda: _summary_lines(differences.others, lines, chars)),
                without_effect=part.rows(
                    "without_effect", lambda: _summary_lines(differences.without_effect, lines // 2, chars)
                ),
                tests=part.optional("tests", lambda: self._tests_table(lines)),
                only_in_base=part.rows(
                    "only_in_base", lambda: _one_sided_functions(self.functions, lines, in_base=True)
                ),
                only_in_this=part.rows(
                    "only_in_this", lambda: _one_sided_functions(self.functions, lines, in_base=False)
                ),
                counts=part.optional("counts", lambda: _counts_table(self.functions, lines)),
                times=part.optional("times", lambda: _times_table(self.functions, lines)),
                compared=part.text("compared", self._compared_text),
                notes=[*notes],
                next=part.rows("next", lambda: at_most_one(self._next_calls(project, differences))),
            )

        for lines, chars in LIMITS.detail:
            yield part.told(build(lines, chars))

    def _sorted_differences(self) -> SortedDifferences:
        ids = {each.parent_ids for each in self.found.divergences if each.parent_ids is not None}
        base = calls_by_id(self.base, [pair[0] for pair in ids])
        this = calls_by_id(self.this, [pair[1] for pair in ids])
        parents = {pair: (base[pair[0]], this[pair[1]]) for pair in ids}
        return sort_differences(
            self.found.divergences, parents, lambda call_id: [link.call_id for link in self._links(call_id)]
        )

    def _links(self, call_id: int, *, in_base: bool = False) -> list[Link]:
        """Return the chain of callers of a call, which is needed twice."""
        key = (call_id, in_base)
        if key not in self._known_links:
            self._known_links[key] = chains(self.base if in_base else self.this, [call_id])[call_id]
        return self._known_links[key]

    def _chain(self, first: CallDifference) -> Chain:
        links = self._links(first.call.call_id, in_base=first.this is None)
        return read_chains(self.this if first.this else self.base, [links])[0]

    def _verdict(self, differences: SortedDifferences) -> str:
        first = differences.first
        if first is None:
            nothing = "No call went differently"
            if self.base.trace.status != self.this.trace.status:
                return f"{nothing}, though the runs ended differently: the cause is not traced (find_gaps shows it)."
            return f"{nothing}."
        ids = (
            f"calls {first.base.call_id} / {first.this.call_id}"
            if first.base and first.this
            else f"call {first.call.call_id} of one side"
        )
        verdict = f"The first thing that went differently is {first.name} ({ids})."
        if differences.passed_on:
            verdict += f" {counted(len(differences.passed_on), 'call')} around it ended differently because of it."
        if differences.others:
            verdict += f" {counted(len(differences.others), 'further difference')} followed."
        return one_line(verdict, 400)

    def _compared_text(self) -> str:
        base, this = self.found.compared
        all_base, all_this = recorded_calls(self.functions)
        noise = ""
        if self.found.noise:
            noise = f"; {counted(len(self.found.noise), 'pair')} differ by times, ids or temporary names only"
        if (base, this) == (all_base, all_this):
            return f"all recorded calls: {base:,} and {this:,}{noise}"
        return f"{base:,} of {all_base:,} and {this:,} of {all_this:,} recorded calls, one by one{noise}"

    def _search_notes(self) -> list[str]:
        if self.found.complete:
            return []
        return ["there are more differences than were examined: `others` may lack later ones"]

    def _tests_table(self, lines: int) -> Table | None:
        if not self.tests:
            return None
        rows: list[list[Cell]] = [
            [one_line(each.node_id, 200), each.base or "not ended", each.this or "not ended"]
            for each in self.tests[:lines]
        ]
        return Table(columns=["test", "base", "this"], rows=rows, more=len(self.tests) - len(rows))

    def _next_calls(self, project: str, differences: SortedDifferences) -> list[str | None]:
        first = differences.first
        about_this, about_base = NextCalls(project, self.this.trace), NextCalls(project, self.base.trace)
        if first is None:
            return [about_this.call("find_gaps")]

        if first.is_origin and self.scope.selection.sampled:  # the culprit may be a call that was not recorded
            return [about_this.rerun(full=True)]
        about, there = (about_this, first.this) if first.this else (about_base, first.base)
        if there is None:
            return []
        if first.lone_calls:
            return [about.call("get_flow", root_call_id=there.call_id)]
        if is_generated(first.call.module, first.call.name, first.call.file):
            return [about.get_calls(first.name, {"call_id": there.call_id})]
        return [about.show(first.name, there.call_id)]


def _passed_on_lines(differences: Sequence[CallDifference], chars: int) -> list[str]:
    """Render a line for each call; of a recursion only the innermost one."""
    lines: list[str] = []
    for _, group in groupby(differences, key=lambda each: each.name):
        members = list(group)
        more = f" (and {len(members) - 1:,} more around it)" if len(members) > 1 else ""
        lines.append(ending_line(members[0], chars) + more)
    return lines


def _summary_lines(differences: Sequence[CallDifference], lines: int, chars: int) -> list[str]:
    found: list[str] = []
    for key, equal in groupby(differences, key=lambda each: (each.name, each.base is None, each.this is None)):
        several = [*equal]
        if len(several) > 1 and (key[1] or key[2]):
            found.append(lone_calls_line(several))
        else:
            found += [summary_line(each, chars) for each in several]
    return first_texts(found, lines)


def _run_line(side: str, trace: TraceRow) -> str:
    end = f" ({trace.signal or f'exit {trace.exit_code}'})" if trace.signal or trace.exit_code is not None else ""
    label = f" [{trace.label}]" if trace.label else ""
    duration = milliseconds((trace.duration_ms or 0) * 1_000_000)
    return one_line(f"{side} {trace.trace_id}{label}: {trace.status}{end}, {duration} ms, {trace.command}", 300)


def _one_sided_functions(functions: Sequence[FunctionPair], lines: int, *, in_base: bool) -> list[str]:
    """List the functions that only one trace called, those with the most calls first."""
    sides = [
        (pair.full_name, pair.base if in_base else pair.this) for pair in functions if not (pair.base and pair.this)
    ]
    found = [(name, side) for name, side in sides if side is not None]
    found.sort(key=lambda each: -each[1].started)
    return first_texts(found, lines, text=lambda each: f"{one_line(each[0], 120)} x{_started_text(each[1])}")


def _started_text(side: FunctionSide) -> str:
    return bounded_text(side.started, exact=side.exact)


def _surely_differ(base: FunctionSide, this: FunctionSide) -> bool:
    """Return whether the numbers of calls differ, whatever a lower bound leaves open."""
    less, more = sorted((base, this), key=lambda side: side.started)
    return less.exact and less.started != more.started


def _counts_table(functions: Sequence[FunctionPair], lines: int) -> Table | None:
    found = [
        (pair.full_name, pair.base, pair.this)
        for pair in functions
        if pair.base and pair.this and _surely_differ(pair.base, pair.this)
    ]
    if not found:
        return None
    found.sort(key=lambda each: -abs(each[1].started - each[2].started))
    rows: list[list[Cell]] = [[one_line(name, 120), _started_text(b), _started_text(t)] for name, b, t in found[:lines]]
    return Table(columns=["function", "base", "this"], rows=rows, more=len(found) - len(rows))


def _times_table(functions: Sequence[FunctionPair], lines: int) -> Table | None:
    found = [
        (pair.full_name, pair.base.self_ns, pair.this.self_ns)
        for pair in functions
        if pair.base
        and pair.this
        and pair.base.exact
        and pair.this.exact
        and abs(pair.base.self_ns - pair.this.self_ns) >= LIMITS.min_time_ns
        and max(pair.base.self_ns, pair.this.self_ns)
        >= LIMITS.min_time_factor * min(pair.base.self_ns, pair.this.self_ns)
    ]
    if not found:
        return None
    found.sort(key=lambda each: -abs(each[1] - each[2]))
    rows: list[list[Cell]] = [[one_line(name, 120), milliseconds(b), milliseconds(t)] for name, b, t in found[:lines]]
    return Table(columns=["function", "base_ms", "this_ms"], rows=rows, more=len(found) - len(rows))
