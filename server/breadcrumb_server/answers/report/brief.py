"""Write a run report as one short text: what matters for this end of the run, and the rest in one line.

``get_trace`` has the whole report. A reader of this text decides what to look at next, so it holds the failure with the
source around it, loudly what was not recorded, and no more than one proposal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import Field

from breadcrumb_server.answers.common.budget import ends_that_fit, first_that_fits
from breadcrumb_server.answers.common.model import Section, Table
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import counted, cut
from breadcrumb_server.answers.exceptions.details import ExceptionDetail
from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.answers.report.failing_tests import FailingTest

MAX_CHARS = 2_500
# The parts of their wanted size that the sections get, tried in turn until all fit.
_SCALES = (1.5, 1.2, 1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1)


class RunBrief(Section):
    """How a command ended, with the report as one text."""

    always_shown = frozenset({"trace_id", "status", "exit_code", "signal", "duration_ms", "report"})

    trace_id: str
    status: str = Field(description="running, completed, failed, timeout, stopped or crashed")
    exit_code: int | None = None
    signal: str | None = None
    duration_ms: float | int | None
    report: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A section of the text.

    Attributes:
        lines: Its lines.
        chars: The characters that it may have at most; None if it is never cut.
    """

    lines: Sequence[str]
    chars: int | None = None

    def fit(self, scale: float) -> str:
        """Write the first and the last lines within the wanted size times ``scale``."""
        text = "\n".join(self.lines)
        room = len(text) if self.chars is None else int(self.chars * scale)
        if len(text) <= room:
            return text
        lines = text.split("\n")
        begin, end = ends_that_fit([len(line) + 1 for line in lines], room - 20)
        if begin == end:
            return text
        if begin == 0:  # not even the first line
            return cut(lines[0], max(room, 40))
        return "\n".join([*lines[:begin], f"  … ({counted(end - begin, 'line')})", *lines[end:]])


def brief_of(report: RunReport) -> RunBrief:
    """Write what matters of a report."""
    made = Parts()
    parts: list[_Part] = []
    for name, section in _SECTIONS.items():
        parts += made.rows(name, partial(_filled, section, report))
    parts += [_Part([f"note: {each}" for each in made.notes], 400)] if made.notes else []
    candidates = ("\n".join(part.fit(scale) for part in parts) for scale in _SCALES)
    text = first_that_fits(candidates, MAX_CHARS, size=len)
    return RunBrief(
        trace_id=report.trace_id,
        status=report.status,
        exit_code=report.exit_code,
        signal=report.signal,
        duration_ms=report.duration_ms,
        report=text if text is not None else cut("\n".join(part.fit(_SCALES[-1]) for part in parts), MAX_CHARS),
    )


def _filled(section: Callable[[RunReport], Iterator[_Part]], report: RunReport) -> list[_Part]:
    """Return the parts of a section that have lines."""
    return [part for part in section(report) if any(part.lines)]


def _probes(report: RunReport) -> Iterator[_Part]:
    """Show what the expressions of probes were: the report of a run with probes has nothing else."""
    yield _Part(report.probes.split("\n"), 2_300)


def _loud(report: RunReport) -> Iterator[_Part]:
    """Say what was not recorded, and what the recording warns of."""
    yield _Part([f"NOT TRACED: {line}" for line in report.not_traced], 900)
    if report.traced is not None and report.traced.calls_started is not None:
        started = report.traced.calls_started
        yield _Part([f"recorded {report.traced.calls:,} of {started} calls"])
    yield _Part([f"warning: {line}" for line in report.warnings], 600)


def _tests(report: RunReport) -> Iterator[_Part]:
    tests = report.tests
    if tests is None:
        return
    yield _Part([f"tests: {tests.outcomes}"])
    yield _Part([f"did not end: {each}" for each in tests.unfinished], 300)
    for number, failing in enumerate(tests.failing):
        yield from _failing_test(failing, is_first=number == 0)
        if number == 0:
            yield from _suspects(report)
    yield _Part([f"failed: {each}" for each in tests.further], 300)


def _failing_test(failing: FailingTest, *, is_first: bool) -> Iterator[_Part]:
    share = 1.0 if is_first else 0.5
    found = failing.exception
    what = f"{found.type}: {found.message}" if found is not None else failing.message
    outcome = failing.outcome or "failed"
    yield _Part(f"{outcome}: {failing.test}  {what}".split("\n"), int(500 * share))
    shows_frame = bool(failing.raised_in)
    if found is not None and (found.calls or not failing.body):
        yield _exception_frames(found, shows_frame=shows_frame, chars=int(500 * share))
    yield _Part(failing.raised_in.split("\n"), int(800 * share))
    yield _Part(failing.body.split("\n"), int((700 if shows_frame or failing.checked else 1_100) * share))
    yield _Part(failing.checked.split("\n"), int(700 * share))
    if not failing.body:
        yield _Part([f"  {line}" for line in failing.called], int(500 * share))
    yield _Part([f"failed likewise: {each}" for each in failing.also], 200)


def _exception_frames(found: ExceptionDetail, *, shows_frame: bool, chars: int) -> _Part:
    """Write where an exception was raised, and the calls that led there."""
    lines = [f"raised at {found.raised_at}" + (f", {found.outcome}" if found.outcome else "")]
    # The source of the innermost call is shown below.
    lines += [f"  {line}" for line in (found.calls[:-1] if shows_frame else found.calls)]
    if not shows_frame and not lines[-1].endswith("(not traced)"):  # variables of the program
        lines += [f"    {line}" for line in [*found.locals, *found.stack]]
    lines += found.causes
    return _Part(lines, chars)


def _exceptions(report: RunReport) -> Iterator[_Part]:
    for number, found in enumerate(report.exceptions):
        if number and report.tests is not None:
            break
        times = f" (x{found.count:,})" if found.count and found.count > 1 else ""
        head = f"{found.type}: {found.message}".split("\n")
        where = f"{found.outcome}, " if found.outcome and found.outcome != "uncaught" else ""
        if number == 0:
            yield _Part([*head[:-1], head[-1] + times], 500)
            yield _exception_frames(found, shows_frame=bool(report.raised_in), chars=700)
            yield _Part(report.raised_in.split("\n"), 900)
            if report.tests is None:
                yield from _suspects(report)
        else:
            yield _Part([f"also {found.type}: {found.message}{times}, {where}raised at {found.raised_at}"], 300)


def _suspects(report: RunReport) -> Iterator[_Part]:
    yield _Part(report.suspects, 700)


def _where_it_is(report: RunReport) -> Iterator[_Part]:
    """Say where a program is that runs, or was when it was ended from outside."""
    if report.stacks:
        yield _Part(["stacks:", *(f"  {line}" for line in report.stacks)], 1_400)
    if report.open_calls and not report.stacks:
        yield _Part(["calls that have not ended:", *(f"  {line}" for line in report.open_calls)], 700)


def _what_it_did(report: RunReport) -> Iterator[_Part]:
    """Show the calls in their order, or else the functions with the most time, where nothing failed."""
    failed = report.exceptions or (report.tests is not None and report.tests.failing)
    if failed or report.hot is None or report.status in ("running", "stopped", "crashed"):
        return
    if report.flow:
        yield _Part(["flow:", *(f"  {line}" for line in report.flow)], 1_250)
        return
    yield _Part(["most time (calls, total ms, self ms):", *_hot_rows(report.hot)], 400)


def _hot_rows(hot: Table) -> list[str]:
    return [f"  {row[0]}  {row[1]}  {row[2]}  {row[3]}" for row in hot.rows[:4]]


def _output(report: RunReport) -> Iterator[_Part]:
    """Show the end of what was printed, where it says more than the rest."""
    failing = report.tests is not None and bool(report.tests.failing)
    raised = report.exceptions and report.exceptions[0].type != "SystemExit"  # which stderr explains
    if report.stderr_tail and not raised and not failing:
        yield _Part(["stderr:", *(f"  {line}" for line in report.stderr_tail.split("\n"))], 500)
    if report.stdout_tail and not failing:
        yield _Part(["stdout:", *(f"  {line}" for line in report.stdout_tail.split("\n"))], 300)


def _also(report: RunReport) -> Iterator[_Part]:
    """Count what get_trace has beside this."""
    more: list[str] = []
    if report.gaps is not None:
        more.append(counted(len(report.gaps.rows) + report.gaps.more, "gap"))
    if report.handled_exceptions is not None:
        handled = len(report.handled_exceptions.rows) + report.handled_exceptions.more
        more.append(counted(handled, "kind") + " of handled exceptions")
    if report.processes is not None:
        more.append(counted(len(report.processes.rows) + report.processes.more, "process"))
    if report.traced is not None:
        more.append(counted(report.traced.calls, "recorded call"))
    yield _Part([f"also: {', '.join(more)} (get_trace)"] if more else [])
    yield _Part([f"note: {each}" for each in report.notes], 700)


def _next(report: RunReport) -> Iterator[_Part]:
    # The flow is shown already.
    proposed = [each for each in report.next if not (report.flow and each.startswith("get_flow("))]
    if proposed:
        yield _Part([f"next: {proposed[0]}"])


_SECTIONS: Mapping[str, Callable[[RunReport], Iterator[_Part]]] = {
    "probes": _probes,
    "not_traced": _loud,
    "tests": _tests,
    "exceptions": _exceptions,
    "stacks": _where_it_is,
    "flow": _what_it_did,
    "output": _output,
    "also": _also,
    "next": _next,
}
