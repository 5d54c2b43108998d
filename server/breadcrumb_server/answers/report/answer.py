"""Build the run report, which alone suffices to know what happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import Field, PrivateAttr

from breadcrumb.record_format import NOTICE_ENDS_UNSEEN, NOTICE_RECURSION_LIMIT
from breadcrumb_server.answers.annotated.layout import FunctionText
from breadcrumb_server.answers.common.budget import fit
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.model import Answer, Table
from breadcrumb_server.answers.common.next_calls import NextCalls
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import bounded, clean, counted, cut, milliseconds, one_line, rounded
from breadcrumb_server.answers.exceptions.details import (
    BRIEF_EXCEPTION,
    ExceptionDetail,
    ExceptionLimits,
    LoadedException,
    load_exceptions,
)
from breadcrumb_server.answers.exceptions.messages import summarize_messages
from breadcrumb_server.answers.flow.answer import get_flow
from breadcrumb_server.answers.gaps.ranking import RankedGap, rank_gaps
from breadcrumb_server.answers.gaps.suggested_include import Expansion, next_expansion
from breadcrumb_server.answers.probes.table import probes_text
from breadcrumb_server.answers.rendering.calls import Chain, read_chains
from breadcrumb_server.answers.report.busy_module import BusyModule
from breadcrumb_server.answers.report.failing_tests import LoadedTestResults, TestLimits, TestResults
from breadcrumb_server.answers.report.failure_source import FailureSource
from breadcrumb_server.answers.report.line_patterns import unmatched_patterns
from breadcrumb_server.answers.report.next_calls import follow_ups
from breadcrumb_server.answers.report.output import Output, output_end
from breadcrumb_server.answers.report.recording import Traced, count_traced, missing_from_trace, process_table, warnings
from breadcrumb_server.answers.report.stacks import StackLimits, ThreadStacks
from breadcrumb_server.answers.suspects.ranking import spectrum
from breadcrumb_server.answers.suspects.text import suspect_lines
from breadcrumb_storage.queries.calls.chains import Link, open_chains
from breadcrumb_storage.queries.exception_filter import ExceptionFilter
from breadcrumb_storage.queries.exceptions import HandledPlace, exception_groups, expected_types, handled_places
from breadcrumb_storage.queries.functions import FunctionTime, function_times, nested_times
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

# What a whole report is meant to take; one with much to tell may go up to the limit of all answers.
AIM_CHARS = 6_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of this answer at the highest level of detail."""

    exceptions: int = 3
    """Exceptions that traced code did not handle, in full: rarely more than one matters."""
    open_chains: int = 4
    """Chains of calls that had not ended."""
    handled: int = 6
    """Rows of handled exceptions."""
    expected: int = 3
    """Types of exceptions that their handlers expect."""
    calls_of_flow: int = 60
    """Calls up to which the flow is shown, and its characters."""
    flow_chars: int = 1_200
    hot: int = 6
    """Rows of hot functions."""
    hot_of_failed_tests: int = 3
    """Rows of hot functions if tests failed: then time matters less."""
    tail_lines: int = 8
    """Lines of stdout, and of stderr."""
    stdout_lines_of_failed_tests: int = 2
    """Lines of stdout if tests failed: the report has what a test runner prints."""
    repeated_stderr_lines: int = 3
    """Lines of stderr if the report has the exception or the stacks that Python prints there."""


LIMITS = Limits()


class RunReport(Answer):
    """What a command did: how it ended, what was recorded and what was not, and what to call next."""

    always_shown = frozenset({"trace_id", "status", "exit_code", "signal", "duration_ms", "traced"})

    trace_id: str
    status: str = Field(description="running, completed, failed, timeout, stopped or crashed")
    exit_code: int | None = None
    signal: str | None = None
    duration_ms: float | int | None = None
    command: str = ""
    label: str = ""
    traced: Traced | None = None
    not_traced: list[str] = Field(default_factory=list, description="what was not recorded, and why")
    warnings: list[str] = Field(default_factory=list)
    processes: Table | None = Field(
        default=None, description="if there are several; end: exit, exec (replaced by another program) or none"
    )
    tests: TestResults | None = Field(default=None, description="if pytest or unittest ran any")
    suspects: list[str] = Field(
        default_factory=list,
        description="lines that failed tests ran before they failed and few passing tests of their files did, by "
        "function, each with the number of those that did; without tests, those of this run and of earlier ones",
    )
    exceptions: list[ExceptionDetail] = Field(
        default_factory=list[ExceptionDetail],
        description="exceptions that the traced code did not handle, or that it logged; without those that made tests "
        "fail, and those that passing tests or their handlers expected; calls outermost first",
    )
    raised_in: str = Field(
        default="",
        description="the source of the innermost own function that the first of them left, with what its lines did",
    )
    open_calls: list[str] = Field(
        default_factory=list, description="calls that have not ended: where the program is, or was at its end"
    )
    stacks: list[str] = Field(
        default_factory=list,
        description="the stack of each thread and waiting task when the run was stopped or crashed, innermost frame "
        "first",
    )
    handled_exceptions: Table | None = None
    flow: list[str] = Field(
        default_factory=list, description="the calls in their order, if the run ended by itself and made few"
    )
    hot: Table | None = Field(default=None, description="the functions with the most time of their own")
    gaps: Table | None = Field(default=None, description="functions called from traced code but not traced")
    edit_config: str = Field(default="", description="the call that adds the best of the gaps to the next run")
    stdout_tail: str = ""
    stderr_tail: str = ""
    _roomy: RunReport | None = PrivateAttr(default=None)

    def keep_roomy(self, roomy: RunReport) -> None:
        """Keep a report without a limit of characters, of which the short text takes what matters."""
        self._roomy = roomy

    @property
    def roomy(self) -> RunReport:
        """The report to make the short text of, with the notes of this one."""
        return self if self._roomy is None else self._roomy.model_copy(update={"notes": self.notes})

    probes: str = Field(default="", description="what the expressions of probes were, -> what a function returned")


@dataclass(frozen=True, slots=True)
class _Level:
    """Maximum sizes of the parts of a report."""

    exceptions: int
    exception_chars: int
    chains: int
    rows: int
    tail_chars: int
    stacks: StackLimits
    tests: TestLimits
    exception: ExceptionLimits | None = None  # None: as exception_chars says


# Tried in turn, the most detailed first.
_LEVELS = (
    _Level(
        exceptions=LIMITS.exceptions,
        exception_chars=2_400,
        chains=LIMITS.open_chains,
        rows=LIMITS.hot,
        tail_chars=600,
        stacks=StackLimits(chars=1_600, frames=6, local_chars=120),
        tests=TestLimits(
            shown=3,
            first_chars=2_400,
            first_lines=14,
            other_chars=700,
            other_lines=6,
            source_chars=600,
            also=4,
            further=8,
        ),
    ),
    _Level(
        exceptions=2,
        exception_chars=1_600,
        chains=3,
        rows=5,
        tail_chars=400,
        stacks=StackLimits(chars=1_200, frames=5, local_chars=90),
        tests=TestLimits(
            shown=3,
            first_chars=1_600,
            first_lines=12,
            other_chars=400,
            other_lines=4,
            source_chars=450,
            also=3,
            further=6,
        ),
    ),
    _Level(
        exceptions=1,
        exception_chars=1_400,
        chains=2,
        rows=4,
        tail_chars=300,
        stacks=StackLimits(chars=900, frames=4, local_chars=70),
        tests=TestLimits(
            shown=2,
            first_chars=1_200,
            first_lines=10,
            other_chars=300,
            other_lines=3,
            source_chars=380,
            also=2,
            further=4,
        ),
    ),
    _Level(
        exceptions=1,
        exception_chars=1_000,
        chains=2,
        rows=3,
        tail_chars=200,
        stacks=StackLimits(chars=700, frames=3, local_chars=50),
        tests=TestLimits(
            shown=1, first_chars=900, first_lines=8, other_chars=300, other_lines=3, source_chars=350, also=2, further=3
        ),
    ),
)


# For the short text, which takes of it what there is room for.
_BRIEF_LEVEL = _Level(
    exceptions=2,
    exception_chars=1_500,
    chains=2,
    rows=6,
    tail_chars=400,
    stacks=StackLimits(chars=1_400, frames=6, local_chars=90),
    tests=TestLimits(
        shown=2,
        first_chars=1_800,
        first_lines=8,
        other_chars=900,
        other_lines=4,
        source_chars=480,
        also=2,
        further=4,
        exception=BRIEF_EXCEPTION,
    ),
    exception=BRIEF_EXCEPTION,
)


def build_report(
    con: DuckDBPyConnection,
    project: str,
    *,
    trace_id: str | None,
    running: Mapping[str, Output] | None = None,
    redact: Sequence[str] = (),
) -> RunReport:
    """Build the report on a trace; the program may still run.

    Args:
        con: A connection to the project's database.
        project: The project's name, for the proposed calls.
        trace_id: A whole id, or a prefix or suffix that only one trace has; None for the newest trace.
        running: The output so far of the programs that this server runs, by trace id.
        redact: The project's patterns of secret names, for source text.

    Raises:
        BreadcrumbError: The trace is unknown or ambiguous.
    """
    reader = TraceReader.open(con, trace_id, project)
    trace = reader.trace
    if trace.status == "running" and (output := (running or {}).get(trace.trace_id)):
        reader = TraceReader(
            con,
            replace(
                trace,
                stdout_tail=output.stdout,
                stderr_tail=output.stderr,
                stdout_bytes=output.stdout_bytes,
                stderr_bytes=output.stderr_bytes,
            ),
        )
    facts = RunFacts(reader, project, redact)
    # Too much for the aim at any level: the tightest is still the whole story.
    report = fit((facts.report(level) for level in _LEVELS), aim=AIM_CHARS)
    report.keep_roomy(facts.report(_BRIEF_LEVEL))
    return report


class RunFacts:
    """The contents of a trace that a report may show."""

    def __init__(self, reader: TraceReader, project: str, redact: Sequence[str]) -> None:
        trace = reader.trace
        self._con = reader.con
        self.parts = part = Parts()
        self.project = project
        self.trace = trace
        self.places = part.make("paths", lambda: Places.of(trace), Places((), has_workspace=False))
        self.probes = part.text("probes", lambda: probes_text(reader, self.places))
        processes = part.optional("processes", lambda: list_processes(reader))
        functions = part.optional("hot", lambda: function_times(reader))
        self.processes = processes or []
        self.functions = functions or []
        self._has_functions = functions is not None  # without them all code would seem untraced
        self.hot = part.rows("hot", self._hot_functions)
        self.nested = part.make(
            "hot",
            lambda: nested_times(reader, [each.full_name for each in self.hot[: LIMITS.hot]]),
            dict[str, int](),
        )
        ranked = part.rows("gaps", lambda: rank_gaps(list_gaps(reader), self.places, trace.config))
        # find_gaps lists the others: functions that cannot be traced, imports and the standard library.
        self.gaps = part.rows("gaps", lambda: [gap for gap in ranked if _is_worth_telling(gap)])
        listed = sum(gap.row.kind == "python" and not gap.launched for gap in ranked)
        self.other_gaps = listed - len(self.gaps)
        self.traced_code = {(each.module, each.file or "") for each in self.functions}
        self.busy = part.optional("notes", lambda: BusyModule.of(trace, self.functions, self.places))

        compared = part.optional("suspects", lambda: spectrum(reader))
        self.source = part.optional("source", lambda: FailureSource(reader, self.places, compared, redact, part))
        self.tests = part.make(
            "tests",
            lambda: LoadedTestResults(reader, self.places, self.source),
            LoadedTestResults.none(reader, self.places),
        )
        no_exceptions: tuple[list[LoadedException], int, dict[str, int]] = ([], 0, {})
        self.exceptions, self.exception_kinds, self.expected = part.make(
            "exceptions", lambda: _unhandled_exceptions(reader, self.tests), no_exceptions
        )
        self.raised_in = part.optional("source", self._raised_in)
        self.expansion = part.make("edit_config", self._choose_expansion, Expansion())
        source = self.source
        self.suspects = part.rows(
            "suspects", lambda: suspect_lines(reader, compared, self.places, source) if source else []
        )
        ended_badly = trace.status in ("failed", "timeout", "crashed")
        self.passed_before = part.optional("next", lambda: last_completed(reader)) if ended_badly else None
        none_handled: tuple[list[HandledPlace], int] = ([], 0)
        self.handled, self.handled_kinds = part.make(
            "handled_exceptions", lambda: handled_places(reader, LIMITS.handled), none_handled
        )
        none_open: tuple[list[list[Link]], int] = ([], 0)
        links, unfinished = part.make("open_calls", lambda: open_chains(reader), none_open)
        notices = part.rows("warnings", lambda: list_notices(reader))
        # Near the recursion limit, or when its budget is used up, the tracer misses ends of calls: open calls do not
        # show where the program stopped.
        ends_lost = trace.status in ("completed", "failed") and any(
            each.code in (NOTICE_RECURSION_LIMIT, NOTICE_ENDS_UNSEEN) for each in notices
        )
        if ends_lost:
            links = []
        elif trace.status in ("completed", "failed") and part.make("tests", lambda: self.tests.all_ended, False):
            links, unfinished = [], 0  # tests leave generators that nobody reads to their end
        self.open = part.rows("open_calls", lambda: read_chains(reader, links[: LIMITS.open_chains]))
        self.open_count = len(links)
        self.stacks = part.optional("stacks", lambda: ThreadStacks(reader, self.places, self.processes, self.functions))
        process_ids = [process.process_id for process in self.processes]
        self.threads = part.make("open_calls", lambda: thread_names(reader, process_ids), dict[tuple[int, int], str]())
        several = len(self.processes) > 1
        self.calls_by_process = part.make(
            "processes", lambda: calls_by_process(reader) if several else {}, dict[int, int]()
        )
        self.traced: Traced | None = None
        self.not_traced: list[str] = []
        if processes is not None and functions is not None:  # nothing can be said to be missing of what was not read
            self.traced = part.optional("traced", lambda: count_traced(reader, processes, functions))
            self.not_traced = part.make(
                "not_traced", lambda: missing_from_trace(trace, processes, functions, notices), self.not_traced
            )
        self.warnings = part.make(
            "warnings",
            lambda: warnings(
                trace,
                self.processes,
                notices,
                unfinished,
                ends_lost=ends_lost,
                without_lines=[] if functions is None else unmatched_patterns(trace, functions, ranked),
            ),
            [cut(clean(each.message), 300) for each in notices],
        )
        self.flow = part.rows("flow", self._short_flow)

    def _raised_in(self) -> FunctionText | None:
        return self.source.raised_in(self.exceptions[0]) if self.exceptions and self.source else None

    def _hot_functions(self) -> list[FunctionTime]:
        """Select the functions with times, without launchers if there are others."""
        # Calls that have not ended have no time; open_calls lists them.
        timed = [each for each in self.functions if each.total_ns]
        return [each for each in timed if not self.places.is_launcher(each.module, each.name, each.file)] or timed

    def _choose_expansion(self) -> Expansion:
        if not self._has_functions:
            return Expansion()
        expansion = next_expansion(self.trace, self.gaps, self.traced_code)
        if expansion.is_foreign and self._failed_in_own_code():
            return Expansion(only_main=expansion.only_main)
        return expansion

    def _failed_in_own_code(self) -> bool:
        """Return whether own code raised what ended the run or the first failed test: packages then show nothing more.

        Not so for a failed assertion, whose wrong value may come from anywhere.
        """
        failure = self.tests.first_failure
        if failure:
            first = failure.exception if failure.raised_in_what_it_called() else None
        else:
            first = self.exceptions[0] if self.exceptions else None
        if first is None or first.row.type == "AssertionError" or not first.raised_in_traced_code():
            return False
        return self.places.origin(first.row.file, first.row.module) == "own"

    def report(self, level: _Level) -> RunReport:
        """Build the report at one level of detail."""
        trace, part = self.trace, self.parts
        return part.told(
            RunReport(
                project=self.project,
                trace_id=trace.trace_id,
                status=trace.status,
                exit_code=trace.exit_code,
                signal=trace.signal,
                duration_ms=part.optional(
                    "duration_ms", lambda: None if trace.duration_ms is None else rounded(trace.duration_ms)
                ),
                command=part.text("command", lambda: cut(clean(trace.command), 300)),
                label=part.text("label", lambda: one_line(trace.label or "", 100)),
                traced=self.traced,
                not_traced=self.not_traced,
                warnings=self.warnings,
                processes=part.make(
                    "processes",
                    lambda: process_table(
                        self.processes, self.calls_by_process, level.rows, running=trace.status == "running"
                    ),
                    None,
                ),
                tests=part.optional("tests", lambda: self.tests.render(level.tests)),
                suspects=self.suspects,
                exceptions=part.rows("exceptions", lambda: self._exceptions(level)),
                raised_in=part.text(
                    "raised_in", lambda: self.raised_in.fit(level.exception_chars // 3) if self.raised_in else ""
                ),
                open_calls=part.rows("open_calls", lambda: list(self._open_calls(level))),
                stacks=part.rows("stacks", lambda: self.stacks.lines(level.stacks) if self.stacks else []),
                handled_exceptions=part.optional("handled_exceptions", lambda: self._handled_table(level.rows)),
                flow=self.flow,
                hot=part.optional("hot", lambda: self._hot_table(level.rows)),
                gaps=part.optional("gaps", lambda: self._gap_table(level.rows)),
                edit_config=part.text("edit_config", lambda: self.expansion.edit_config_call(self.project)),
                stdout_tail=part.text("stdout_tail", lambda: self._stdout_tail(level)),
                stderr_tail=part.text("stderr_tail", lambda: self._stderr_tail(level)),
                probes=self.probes,
                notes=part.rows("notes", lambda: self._notes(level)),
                next=part.rows("next", self._next),
            )
        )

    def _short_flow(self) -> list[str]:
        """Return the flow of a run that ended by itself, if it is short."""
        recorded = self.traced.calls if self.traced is not None else 0
        if (
            self.trace.status not in ("completed", "failed")
            or self.tests.any_ran
            or not 0 < recorded <= LIMITS.calls_of_flow
        ):
            return []
        flow = get_flow(self._con, self.project, trace_id=self.trace.trace_id)
        is_short = flow.next_cursor is None and sum(map(len, flow.lines)) <= LIMITS.flow_chars
        return flow.lines if is_short else []

    def _stdout_tail(self, level: _Level) -> str:
        lines = LIMITS.stdout_lines_of_failed_tests if self.tests.failed else LIMITS.tail_lines
        return output_end(self.trace.stdout_tail, self.trace.stdout_bytes, level.tail_chars, lines)

    def _stderr_tail(self, level: _Level) -> str:
        crashed = self.trace.status == "crashed" and bool(self.stacks)
        shows_failure = self.exceptions or self.tests.failed or crashed
        lines = LIMITS.repeated_stderr_lines if shows_failure else LIMITS.tail_lines
        return output_end(self.trace.stderr_tail, self.trace.stderr_bytes, level.tail_chars, lines)

    def _next(self) -> list[str]:
        next_calls = NextCalls(self.project, self.trace)
        if self._has_functions:
            return follow_ups(next_calls, self)
        return [next_calls.call("get_flow"), next_calls.call("find_exceptions")]

    def _exceptions(self, level: _Level) -> list[ExceptionDetail]:
        return self.parts.each(
            "exceptions",
            self.exceptions[: level.exceptions],
            lambda each: each.render(level.exception or ExceptionLimits.of_size(level.exception_chars), self.source),
        )

    def _open_calls(self, level: _Level) -> Iterator[str]:
        lines = 12 if level.chains == LIMITS.open_chains else 8
        # The stacks show every thread; the chains add the arguments of the calls.
        chains = min(level.chains, 2) if self.stacks else level.chains
        for chain in self.open[:chains]:
            if self.open_count > 1 and chain.innermost is not None:
                yield self._thread_of(chain) + ":"
            yield from chain.lines(self.places, lines=lines, chars=level.exception_chars // 12)
        if self.open_count > chains:
            yield f"… {self.open_count - chains:,} more threads, tasks or generators with open calls"

    def _thread_of(self, chain: Chain) -> str:
        call_row = chain.innermost
        if call_row is None:
            return "?"
        thread = self.threads.get((call_row.process_id, call_row.thread_id), f"thread {call_row.thread_id}")
        thread = f"task {call_row.task}" if call_row.task else thread
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
                    summarize_messages(each.messages, 80, at_least=bool(each.further)),
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
            rows = min(rows, LIMITS.hot_of_failed_tests)
        sampled = any(each.started > each.recorded for each in hot[:rows])
        if not hot:
            return None
        recorded = ["recorded"] if sampled else []
        return Table(
            columns=["function", "calls", "total_ms", "self_ms", *recorded],
            rows=[
                [
                    one_line(each.full_name, 120),
                    bounded(each.started, exact=each.exact),
                    milliseconds(each.total_ns - self.nested.get(each.full_name, 0)),
                    milliseconds(each.self_ns),
                    *([each.recorded] if sampled else []),
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
                    bounded(gap.row.call_count, exact=gap.row.exact),
                    milliseconds(gap.row.time_ns) if gap.row.time_ns else None,
                    cut(gap.suggested_include, 120),
                ]
                for gap in shown
            ],
            more=len(self.gaps) - len(shown),
        )

    def _notes(self, level: _Level) -> list[str]:
        left = self.exception_kinds - min(len(self.exceptions), level.exceptions)
        notes = (
            [f"{counted(left, 'more kind')} of exceptions were not handled: find_exceptions lists them"] if left else []
        )
        if self.expected:
            shown = [f"{name} ({count:,})" for name, count in list(self.expected.items())[: LIMITS.expected]]
            more = f" and {counted(left, 'more type')}" if (left := len(self.expected) - len(shown)) else ""
            notes.append(f"expected by the code that caught them: {', '.join(shown)}{more}: find_exceptions")
        return notes + [note for note in (self.busy.note if self.busy else "", self.expansion.price) if note]


def _is_worth_telling(gap: RankedGap) -> bool:
    return bool(gap.suggested_include) and not gap.noise and gap.origin != "stdlib"


def _unhandled_exceptions(
    reader: TraceReader, tests: LoadedTestResults
) -> tuple[list[LoadedException], int, dict[str, int]]:
    """Load the first exceptions that traced code did not handle.

    Returns:
        The exceptions, the number of their kinds, and the numbers of expected ones by type, which are not among them.
    """
    wanted = ExceptionFilter(
        trace_id=reader.trace_id, include_handled=False, include_expected=False, of_tests=not tests.any_ran
    )
    loaded, kinds = _first_of_each_place(reader, wanted)
    kept = [each for each in loaded if each.row.type != "SystemExit"]
    # sys.exit() and what is expected explain only a run that failed without another: not one that goes on, or was
    # stopped.
    did_not_fail = reader.trace.exit_code == 0 or reader.trace.status in ("running", "stopped")
    if kept or did_not_fail or tests.failed:
        return kept, kinds - len(loaded) + len(kept), expected_types(reader.con, wanted)
    expected, expected_kinds = _first_of_each_place(reader, replace(wanted, include_expected=True))
    exits_last = sorted(expected, key=lambda each: each.row.type == "SystemExit")
    return exits_last, expected_kinds, {}


def _first_of_each_place(reader: TraceReader, wanted: ExceptionFilter) -> tuple[list[LoadedException], int]:
    groups, kinds, _ = exception_groups(reader.con, wanted, by_place=True, limit=LIMITS.exceptions)
    # What executes a notebook fails because a cell did, whose exception the kernel has caught.
    return sorted(load_exceptions(reader.con, groups, reader), key=LoadedException.raised_by_launcher), kinds
