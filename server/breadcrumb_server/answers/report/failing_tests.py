"""Load the results of the tests of a run, with the exceptions and calls of those that failed, and render them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from breadcrumb_server.answers.annotated.layout import FunctionText, Style
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.model import Section
from breadcrumb_server.answers.common.text import clean, counted, cut, one_line
from breadcrumb_server.answers.exceptions.details import (
    ExceptionDetail,
    ExceptionLimits,
    LoadedException,
    load_exceptions,
)
from breadcrumb_server.answers.report.failure_source import ExplainingCall, FailureSource
from breadcrumb_server.answers.report.test_calls import CallTree, function_of
from breadcrumb_storage.queries.exceptions import ExceptionGroup
from breadcrumb_storage.queries.test_results import FailedTest, count_tests, failed_tests, unfinished_tests
from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the tests in a report."""

    failures: int = 3
    """Failures in full. Tests that failed at the same place are one failure."""
    failed_tests: int = 300
    """Failed tests that are read, to fold those that failed at the same place."""
    unfinished: int = 3
    """Tests that had not ended."""
    node_chars: int = 160
    """Characters of a node id."""


LIMITS = Limits()

# The outcome of an error that is not in the test itself, by phase.
_ERROR_IN_PHASE = {"setup": "error in setup", "teardown": "error in teardown", "collect": "error in collection"}
_STACK_LINE = re.compile(r"(?P<file>.+):(?P<line>\d+) in (?P<name>.+)")


class FailingTest(Section):
    """A failed test, and the tests that failed at the same place."""

    always_shown = frozenset({"test"})

    test: str = Field(description="node id")
    outcome: str = Field(default="", description="if the test itself did not fail: error in setup, collection, ...")
    exception: ExceptionDetail | None = None
    message: str = Field(default="", description="message of the test runner, if there was no exception")
    body: str = Field(
        default="",
        description="the source of the test with what each line did: what it changed, compared, called and received; "
        "x3: ran three times, -: did not run",
    )
    raised_in: str = Field(
        default="", description="the source of the innermost own function that the exception left, likewise"
    )
    explaining: list[str] = Field(
        default_factory=list,
        description="the source of other functions likewise, the one most likely to explain the failure first",
    )
    called: list[str] = Field(
        default_factory=list,
        description="the last calls of traced functions by the test, and the callees of the last one: "
        "file:line name(args) -> result  #call_id",
    )
    also: list[str] = Field(default_factory=list, description="tests that failed at the same place, with their message")


class TestResults(Section):
    """The results of the tests that pytest or unittest ran."""

    __test__ = False  # pytest takes the name for that of a test class

    outcomes: str
    unfinished: list[str] = Field(
        default_factory=list, description="tests that started and did not end, the last one first"
    )
    failing: list[FailingTest] = Field(default_factory=list[FailingTest])
    further: list[str] = Field(default_factory=list, description="other failing tests")


@dataclass(frozen=True, slots=True)
class TestLimits:
    """Maximum sizes of the failing tests in a report."""

    shown: int  # failures in full
    first_chars: int  # characters of the exception of the first failure
    first_lines: int  # lines of its calls
    other_chars: int  # the same of each other failure
    other_lines: int
    source_chars: int  # characters of the source of each function
    also: int  # tests that failed at the same place
    further: int  # failing tests that are only named
    exception: ExceptionLimits | None = None  # None: as first_chars and other_chars say


@dataclass(frozen=True, slots=True)
class Failure:
    """Tests that failed at the same place, with the exception and the calls of the first of them."""

    tests: Sequence[FailedTest]
    exception: LoadedException | None
    called: CallTree
    body: FunctionText | None = None
    raised_in: FunctionText | None = None
    explaining: Sequence[ExplainingCall] = ()

    @property
    def first(self) -> FailedTest:
        """Return the test that represents them."""
        return self.tests[0]

    def raised_in_what_it_called(self) -> bool:
        """Return whether traced code that the test called raised the exception, and not the test itself."""
        chain = self.exception.chain if self.exception else None
        innermost = chain.innermost if chain else None
        return innermost is not None and innermost.name.rpartition(".")[2] != function_of(self.first.node_id)


class LoadedTestResults:
    """The results of the tests of a trace, with all that is needed to render them.

    Args:
        reader: The trace.
        places: Shortens paths.
        source: Writes the source around a failure; None leaves it out.
        load: Whether to read anything.
    """

    def __init__(
        self,
        reader: TraceReader,
        places: Places,
        source: FailureSource | None = None,
        *,
        load: bool = True,
    ) -> None:
        self._places = places
        self._source = source
        self._trace_id = reader.trace_id
        self._counts = count_tests(reader) if load else {}
        self._unfinished: list[str] = []
        self._failures: list[Failure] = []
        self._further: list[FailedTest] = []
        if not load:
            return
        if self._counts.get("unfinished"):
            self._unfinished = unfinished_tests(reader, LIMITS.unfinished)
        if not self.failed:
            return
        folded = list(_group_by_place(failed_tests(reader, LIMITS.failed_tests), places))
        self._further = [test for tests in folded[LIMITS.failures :] for test in tests]
        shown = folded[: LIMITS.failures]
        exceptions = _load_exceptions(reader, [tests[0] for tests in shown])
        for tests, exception in zip(shown, exceptions, strict=True):
            called = CallTree(reader, tests[0])
            self._failures.append(_failure(tests, exception, called, source, explain=not self._failures))

    @classmethod
    def none(cls, reader: TraceReader, places: Places) -> LoadedTestResults:
        """Return the results of a trace whose tests cannot be read."""
        return cls(reader, places, load=False)

    @property
    def any_ran(self) -> bool:
        """Return whether the run had tests."""
        return bool(self._counts)

    @property
    def all_ended(self) -> bool:
        """Return whether the run had tests, and all of them ended."""
        return self.any_ran and not self._counts.get("unfinished")

    @property
    def failed(self) -> int:
        """Return the number of tests that failed or had an error."""
        return self._counts.get("failed", 0) + self._counts.get("error", 0)

    @property
    def first_failure(self) -> Failure | None:
        """Return the first failure, if any test failed."""
        return self._failures[0] if self._failures else None

    def render(self, limits: TestLimits) -> TestResults | None:
        """Render the results; None if there were no tests."""
        if not self._counts:
            return None
        shown = self._failures[: limits.shown]
        further = [test for failure in self._failures[limits.shown :] for test in failure.tests] + self._further
        named = [_brief(test) for test in further[: limits.further]]
        left = self.failed - sum(len(failure.tests) for failure in shown) - len(named)
        if left > 0 and (named or not shown or further):
            named.append(
                f"… {left:,} more: SELECT node_id, message FROM tests WHERE trace_id = '{self._trace_id}' "
                "AND outcome IN ('failed', 'error')"
            )
        return TestResults(
            outcomes=", ".join(f"{count:,} {outcome}" for outcome, count in self._counts.items()),
            unfinished=[one_line(node_id, LIMITS.node_chars) for node_id in self._unfinished],
            failing=[
                self._failing(
                    failure,
                    limits,
                    is_first=position == 0,
                )
                for position, failure in enumerate(shown)
            ],
            further=named,
        )

    def _failing(self, failure: Failure, limits: TestLimits, *, is_first: bool) -> FailingTest:
        test = failure.first
        loaded = failure.exception
        chars = limits.first_chars if is_first else limits.other_chars
        lines = limits.first_lines if is_first else limits.other_lines
        detail = limits.exception or ExceptionLimits.of_size(chars)
        exception = loaded.render(detail, self._source) if loaded else None
        if exception is not None:
            # The outcome would be that the test runner handled it.
            changes: dict[str, object] = {"outcome": "", "trace_id": "", "count": None, "test": ""}
            if not failure.raised_in_what_it_called():
                changes |= {"calls": [], "raised_at": self._place(test) or exception.raised_at}
            exception = exception.model_copy(update=changes)
        others = [_brief_beside(each, test) for each in failure.tests[1 : 1 + limits.also]]
        left = len(failure.tests) - 1 - len(others)
        message = f"{test.exception_type}: {test.message}" if test.exception_type else test.message or ""
        return FailingTest(
            test=one_line(test.node_id, LIMITS.node_chars),
            outcome=_outcome(test),
            exception=exception,
            message="" if exception else cut(clean(message), 400),
            body=failure.body.fit(limits.source_chars * 5 // 3, Style.SOURCE_FIRST) if failure.body else "",
            raised_in=failure.raised_in.fit(limits.source_chars) if failure.raised_in else "",
            explaining=[
                each.text.fit(limits.source_chars * (1 if position else 2), Style.BESIDE if position else Style.ALONE)
                for position, each in enumerate(failure.explaining)
            ],
            called=self._called(failure, lines, max(chars // 12, 60)),
            also=others + ([f"… {counted(left, 'more test')}"] if left else []),
        )

    def _place(self, test: FailedTest) -> str:
        """Render the place in the user's code at which a test failed; "" if it has no stack."""
        frame = _STACK_LINE.fullmatch(_users_line(test, self._places))
        return one_line(f"{self._places.path(frame['file'])}:{frame['line']} {frame['name']}", 200) if frame else ""

    def _called(self, failure: Failure, lines: int, chars: int) -> list[str]:
        if not failure.called.total:
            if failure.first.phase == "collect":  # collection only imports modules: the exception has their chain
                return []
            return ["no call of a traced function was recorded under this test"]
        chain = failure.exception.chain if failure.exception and failure.raised_in_what_it_called() else None
        if chain is None:
            return failure.called.lines(self._places, lines, chars)
        # The exception already shows the calls of the chain.
        shown = {link.call_id for link in chain.links}
        return failure.called.lines_before(self._places, shown, max(lines // 3, 1), chars)


def _failure(
    tests: Sequence[FailedTest],
    exception: LoadedException | None,
    called: CallTree,
    source: FailureSource | None,
    *,
    explain: bool,
) -> Failure:
    if source is None:
        return Failure(tests, exception, called)
    test = called.itself
    return Failure(
        tests,
        exception,
        called,
        body=source.of_test(test, exception) if test is not None else None,
        raised_in=source.raised_in(exception, function_of(tests[0].node_id)) if exception is not None else None,
        explaining=source.explaining(test, exception) if test is not None and explain else [],
    )


def _outcome(test: FailedTest) -> str:
    outcome = "" if test.outcome == "failed" else _ERROR_IN_PHASE.get(test.phase or "", "error")
    return f"{outcome or 'failed'}, and passed when it was run again" if test.passed_later else outcome


def _brief(test: FailedTest) -> str:
    message = f"{test.exception_type or ''}: {test.message or ''}".strip(": ")
    return f"{one_line(test.node_id, 100)}: {one_line(message, 60)}"


def _brief_beside(test: FailedTest, first: FailedTest) -> str:
    """Render a test that failed at the same place as ``first``, without the part of the node id that they share."""
    path = first.node_id.partition("::")[0] + "::"
    message = (test.message or "").partition("\n")[0]
    return f"{one_line(test.node_id.removeprefix(path), 80)}: {one_line(message, 80)}"


def _group_by_place(tests: Sequence[FailedTest], places: Places) -> Iterator[list[FailedTest]]:
    """Group tests by outcome, type of exception and line of the user's code, in the order of first occurrence."""
    found: dict[tuple[str | None, ...], list[FailedTest]] = {}
    for test in tests:
        where = _users_line(test, places) if test.exception_id is not None else test.message
        found.setdefault((test.outcome, test.exception_type, where), []).append(test)
    yield from found.values()


def _users_line(test: FailedTest, places: Places) -> str:
    """Return the innermost frame of the user's code: the assertions of libraries such as unittest fail further in."""
    for line in reversed(test.stack_end.splitlines()):
        frame = _STACK_LINE.fullmatch(line)
        if frame and places.origin(frame["file"], "") == "own":
            return line
    return f"{test.file}:{test.line}"


def _load_exceptions(reader: TraceReader, tests: Sequence[FailedTest]) -> list[LoadedException | None]:
    """Load the exception of each test, with the calls that led to it within the test."""
    groups = {
        test.exception_id: ExceptionGroup(reader.trace_id, test.exception_id)
        for test in tests
        if test.exception_id is not None
    }
    first_calls = {test.exception_id: test.first_call_id for test in tests if test.exception_id is not None}
    loaded = load_exceptions(reader.con, [*groups.values()], reader, first_calls=first_calls)
    by_id = dict(zip(groups, loaded, strict=True))
    return [by_id[test.exception_id] if test.exception_id is not None else None for test in tests]
