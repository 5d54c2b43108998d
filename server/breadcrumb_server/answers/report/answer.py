"""The run report: who reads only this knows what happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb.record_format import NOTICE_RECURSION_LIMIT
from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, fit, size_of
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.model import Answer, Table
from breadcrumb_server.answers.common.next_calls import NextCalls
from breadcrumb_server.answers.common.text import clean, cut, last_lines, milliseconds, one_line, rounded
from breadcrumb_server.answers.exceptions.details import (
    ExceptionDetail,
    ExceptionLimits,
    LoadedException,
    load_exceptions,
)
from breadcrumb_server.answers.gaps.ranking import rank_gaps
from breadcrumb_server.answers.gaps.suggested_include import next_expansion
from breadcrumb_server.answers.rendering.calls import Chain, read_chains
from breadcrumb_server.answers.report.busy_module import BusyModule
from breadcrumb_server.answers.report.failing_tests import ResultDetail, Results, TestResults
from breadcrumb_server.answers.report.line_patterns import unmatched
from breadcrumb_server.answers.report.next_calls import follow_ups
from breadcrumb_server.answers.report.recording import Traced, how_much, not_traced, process_table, warnings
from breadcrumb_server.answers.report.stacks import StackDetail, ThreadStacks
from breadcrumb_storage.queries.calls.chains import open_chains
from breadcrumb_storage.queries.exception_filter import ExceptionFilter
from breadcrumb_storage.queries.exceptions import HandledPlace, exception_groups, handled_places
from breadcrumb_storage.queries.functions import function_times, nested_times
from breadcrumb_storage.queries.gaps import list_gaps
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import (
    calls_by_process,
    last_completed,
    list_notices,
    list_processes,
    thread_names,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What a report is meant to take; one with much to tell may go up to MAX_ANSWER_CHARS.
AIM_CHARS = 3_500
# Exceptions that were not handled by traced code, in full; there is rarely more than one that matters.
MAX_EXCEPTIONS = 3
MAX_OPEN_CHAINS = 4
MAX_HANDLED = 6
MAX_TAIL_LINES = 8
MAX_HOT = 6
# Where tests failed, it is not their time that is asked for.
MAX_HOT_OF_TESTS = 3


class RunReport(Answer):
    """What a command did: how it ended, what was recorded and what was not, and where to look next."""

    always_shown = frozenset({"trace_id", "status", "exit_code", "signal", "duration_ms", "traced"})

    trace_id: str
    status: str = Field(description="running, completed, failed, timeout, stopped or crashed")
    exit_code: int | None = None
    signal: str | None = None
    duration_ms: float | int | None
    command: str
    label: str = ""
    traced: Traced
    not_traced: list[str] = Field(default_factory=list, description="what is missing from the recording, and why")
    warnings: list[str] = Field(default_factory=list)
    processes: Table | None = Field(
        default=None, description="where there are several; end: exit, exec (another program took its place) or none"
    )
    tests: TestResults | None = Field(default=None, description="where pytest or unittest ran some")
    exceptions: list[ExceptionDetail] = Field(
        default_factory=list[ExceptionDetail],
        description="those that the traced code did not handle itself, other than what failed tests and what tests "
        "that passed expected; calls outermost first",
    )
    open_calls: list[str] = Field(
        default_factory=list, description="where the program stands, or stood at its end: calls that had not ended"
    )
    stacks: list[str] = Field(
        default_factory=list,
        description="where each thread and waiting task stood when the run was ended or crashed, innermost frame first",
    )
    handled_exceptions: Table | None = None
    hot: Table | None = Field(default=None, description="functions by the time spent in themselves")
    gaps: Table | None = Field(default=None, description="called from traced code, but not traced")
    edit_config: str = Field(default="", description="the call that has the best of the gaps traced in the next run")
    stdout_tail: str = ""
    stderr_tail: str = ""


@dataclass(frozen=True, slots=True)
class _Level:
    """How much of everything a report tells."""

    exceptions: int
    exception_chars: int
    chains: int
    rows: int
    tail_chars: int
    stacks: StackDetail
    tests: ResultDetail


_LEVELS = (
    _Level(
        MAX_EXCEPTIONS,
        2_400,
        MAX_OPEN_CHAINS,
        MAX_HOT,
        600,
        StackDetail(chars=1_600, frames=6, local_chars=120),
        ResultDetail(3, 2_400, 14, 700, 6, 4, 8),
    ),
    _Level(
        2,
        1_600,
        3,
        5,
        400,
        StackDetail(chars=1_200, frames=5, local_chars=90),
        ResultDetail(3, 1_600, 12, 400, 4, 3, 6),
    ),
    _Level(
        1, 1_400, 2, 4, 300, StackDetail(chars=900, frames=4, local_chars=70), ResultDetail(2, 1_200, 10, 300, 3, 2, 4)
    ),
    _Level(
        1, 1_000, 2, 3, 200, StackDetail(chars=700, frames=3, local_chars=50), ResultDetail(1, 900, 8, 300, 3, 2, 3)
    ),
)


def build_report(con: DuckDBPyConnection, project: str, *, trace_id: str | None) -> RunReport:
    """The report on a trace, also on one whose program still runs.

    Raises:
        BreadcrumbError: an unknown or ambiguous trace.
    """
    facts = RunFacts(TraceReader.open(con, trace_id, project), project)
    reports = [facts.report(level) for level in _LEVELS]
    brief = next((report for report in reports if size_of(report) <= AIM_CHARS), None)
    # Too much for the aim at any level: the tightest is still the whole story.
    return fit([brief or reports[-1]], MAX_ANSWER_CHARS)


class RunFacts:
    """All that a report may tell of a trace."""

    def __init__(self, reader: TraceReader, project: str) -> None:
        trace = reader.trace
        self.project = project
        self.trace = trace
        self.places = Places.of(trace)
        processes = list_processes(reader)
        self.functions = function_times(reader)
        # Calls that had not ended have no time yet; open_calls tells of them.
        timed = [each for each in self.functions if each.total_ns]
        self.hot = [each for each in timed if not self.places.is_launcher(each.module, each.name, each.file)] or timed
        self.nested = nested_times(reader, [each.full_name for each in self.hot[:MAX_HOT]])
        ranked = rank_gaps(list_gaps(reader), self.places, trace.config)
        # What cannot be traced, how modules were imported and the standard library are for find_gaps to tell.
        self.gaps = [gap for gap in ranked if gap.suggested_include and not gap.noise and gap.origin != "stdlib"]
        self.other_gaps = len(ranked) - len(self.gaps)
        self.traced_code = {(each.module, each.file or "") for each in self.functions}
        self.expansion = next_expansion(trace, self.gaps, self.traced_code)
        self.busy = BusyModule.of(trace, self.functions, self.places)
        self.tests = Results(reader, self.places)
        self.exceptions, self.exception_kinds = _not_handled(reader, self.tests)
        ended_badly = trace.status in ("failed", "timeout", "crashed")
        self.passed_before = last_completed(reader) if ended_badly else None
        self.handled, self.handled_kinds = handled_places(reader, MAX_HANDLED)
        links, unfinished = open_chains(reader)
        notices = list_notices(reader)
        # Near the recursion limit calls end unseen: that they have no end says nothing of where the program stood.
        ends_lost = trace.status in ("completed", "failed") and any(
            each.code == NOTICE_RECURSION_LIMIT for each in notices
        )
        if ends_lost:
            links = []
        self.open = read_chains(reader, links[:MAX_OPEN_CHAINS])
        self.open_count = len(links)
        self.stacks = ThreadStacks(reader, self.places, processes, self.functions)
        self.threads = thread_names(reader, [process.process_id for process in processes])
        self.processes = processes
        self.calls_by_process = calls_by_process(reader) if len(processes) > 1 else {}
        self.traced = how_much(reader, processes, self.functions)
        self.not_traced = not_traced(trace, processes, self.functions)
        self.warnings = warnings(
            trace,
            processes,
            notices,
            unfinished,
            ends_lost=ends_lost,
            without_lines=unmatched(trace, self.functions, ranked),
        )

    def report(self, level: _Level) -> RunReport:
        trace = self.trace
        # What Python prints of an exception or a crash is told better.
        told_already = bool(self.exceptions or self.tests.failed) or (bool(self.stacks) and trace.status == "crashed")
        stdout_lines = 2 if self.tests.failed else MAX_TAIL_LINES  # a test runner prints what is told here
        return RunReport(
            project=self.project,
            trace_id=trace.trace_id,
            status=trace.status,
            exit_code=trace.exit_code,
            signal=trace.signal,
            duration_ms=None if trace.duration_ms is None else rounded(trace.duration_ms),
            command=cut(clean(trace.command), 300),
            label=one_line(trace.label or "", 100),
            traced=self.traced,
            not_traced=self.not_traced,
            warnings=self.warnings,
            processes=process_table(
                self.processes, self.calls_by_process, level.rows, running=trace.status == "running"
            ),
            tests=self.tests.tell(level.tests),
            exceptions=self._exceptions(level),
            open_calls=list(self._open_calls(level)),
            stacks=self.stacks.lines(level.stacks),
            handled_exceptions=self._handled_table(level.rows),
            hot=self._hot_table(level.rows),
            gaps=self._gap_table(level.rows),
            edit_config=self.expansion.edit_config_call(self.project),
            stdout_tail=last_lines(trace.stdout_tail or "", level.tail_chars, stdout_lines),
            stderr_tail=last_lines(trace.stderr_tail or "", level.tail_chars, 3 if told_already else MAX_TAIL_LINES),
            notes=self._notes(level),
            next=follow_ups(NextCalls(self.project, trace), self),
        )

    def _exceptions(self, level: _Level) -> list[ExceptionDetail]:
        limits = ExceptionLimits.of_size(level.exception_chars)
        return [each.render(limits) for each in self.exceptions[: level.exceptions]]

    def _open_calls(self, level: _Level) -> Iterator[str]:
        lines = 12 if level.chains == MAX_OPEN_CHAINS else 8
        # The stacks tell of every thread; the chains add the arguments that the calls began with.
        chains = min(level.chains, 2) if self.stacks else level.chains
        for chain in self.open[:chains]:
            if self.open_count > 1 and chain.innermost is not None:
                yield self._where(chain) + ":"
            yield from chain.lines(self.places, lines=lines, chars=level.exception_chars // 12)
        if self.open_count > chains:
            yield f"… {self.open_count - chains:,} more threads, tasks or generators with open calls"

    def _where(self, chain: Chain) -> str:
        call_row = chain.innermost
        if call_row is None:
            return "?"
        thread = self.threads.get((call_row.process_id, call_row.thread_id), f"thread {call_row.thread_id}")
        return one_line(f"process {call_row.process_id}, {thread}" if len(self.processes) > 1 else thread, 100)

    def _handled_table(self, rows: int) -> Table | None:
        if not self.handled:
            return None
        return Table(
            columns=["type", "raised_at", "count", "message", "handled_by"],
            rows=[
                [
                    one_line(each.type, 80),
                    self._place(each),
                    each.count,
                    one_line(each.message, 80) if each.messages == 1 else f"{each.messages} different",
                    one_line(each.handled_by or "?", 100),
                ]
                for each in self.handled[:rows]
            ],
            more=self.handled_kinds - len(self.handled[:rows]),
        )

    def _place(self, each: HandledPlace) -> str:
        return one_line(f"{self.places.path(each.file)}:{each.line or '?'} {each.name}", 120)

    def _hot_table(self, rows: int) -> Table | None:
        hot = self.hot
        if self.tests.failed:
            rows = min(rows, MAX_HOT_OF_TESTS)
        sampled = any(each.started > each.recorded for each in hot[:rows])
        if not hot:
            return None
        return Table(
            columns=["function", "calls", "total_ms", "self_ms", *["recorded"] * sampled],
            rows=[
                [
                    one_line(each.full_name, 120),
                    each.started if each.exact else f">={each.started}",
                    milliseconds(each.total_ns - self.nested.get(each.full_name, 0)),
                    milliseconds(each.self_ns),
                    *[each.recorded] * sampled,
                ]
                for each in hot[:rows]
            ],
            more=len(hot) - len(hot[:rows]),
        )

    def _gap_table(self, rows: int) -> Table | None:
        own = [gap for gap in self.gaps if gap.origin == "own"]
        shown = (own or self.gaps)[:rows]
        if not shown:
            return None
        return Table(
            columns=["function", "called_by", "call_count", "time_ms", "suggested_include"],
            rows=[
                [
                    one_line(gap.full_name, 120),
                    gap.called_by(120),
                    gap.row.call_count if gap.row.exact else f">={gap.row.call_count}",
                    milliseconds(gap.row.time_ns) if gap.row.time_ns else None,
                    cut(gap.suggested_include, 120),
                ]
                for gap in shown
            ],
            more=len(self.gaps) - len(shown),
        )

    def _notes(self, level: _Level) -> list[str]:
        left = self.exception_kinds - min(len(self.exceptions), level.exceptions)
        told = [f"{left:,} more kinds of exceptions were not handled: find_exceptions lists them"] if left else []
        return told + ([self.busy.note] if self.busy else [])


def _says_no_such_name(exception: LoadedException) -> bool:
    """Whether it is how ``__getattr__`` answers an import or hasattr, and not what a program ended with."""
    row = exception.row
    of_lookup = row.name.rpartition(".")[2] in ("__getattr__", "__getattribute__")
    return row.type == "AttributeError" and of_lookup and not row.uncaught


def _not_handled(reader: TraceReader, tests: Results) -> tuple[list[LoadedException], int]:
    wanted = ExceptionFilter(trace_id=reader.trace_id, include_handled=False, of_tests=not tests.any)
    groups, kinds, _ = exception_groups(reader.con, wanted, limit=MAX_EXCEPTIONS)
    loaded = load_exceptions(reader.con, groups, reader)
    kept = [each for each in loaded if each.row.type != "SystemExit" and not _says_no_such_name(each)]
    # sys.exit() tells no more than the exit code does, unless it is all there is to a failure.
    if kept or reader.trace.exit_code == 0 or tests.failed:
        return kept, kinds - len(loaded) + len(kept)
    return loaded, kinds
