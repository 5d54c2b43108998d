"""Write a run report as one short text: what matters for this end of the run, and the rest in one line.

``get_trace`` has the whole report. A reader of this text decides what to look at next, so it holds the failure with the
source around it, loudly what was not recorded, and no more than one proposal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import Field

from breadcrumb_server.answers.common.budget import ends_that_fit, first_that_fits
from breadcrumb_server.answers.common.model import Section, Table
from breadcrumb_server.answers.common.next_calls import call
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import counted, cut
from breadcrumb_server.answers.exceptions.details import ExceptionDetail
from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.answers.report.failing_tests import FailingTest
from breadcrumb_server.answers.report.recording import FULL_RECORDS_ALL

MAX_CHARS = 2_500
# Characters up to which the source of functions is added that explain the failure: a reader asks for the others.
AIM_CHARS = 1_900
# Functions of one proposal, and characters that are kept free for it if functions may be left out.
MAX_PROPOSED = 2
_PROPOSAL_CHARS = 240
# Of a function's source: its file and line, and its qualified name.
_HEADING = re.compile(r"(\S+):\d+ ([^\s(]+)")
# Of a message of pytest: what the names in the assertion stood for.
_EXPLANATION = re.compile(r"\s*\+\s+(where|and) |\s*Use -v to get|\s*$")
# Of a sentence about what was recorded in part: where its details begin.
_DETAIL = re.compile(r" \(|; |\. ")
# What handles an exception that a test expects: assertRaises, pytest.raises.
_EXPECTED_BY_TEST = re.compile(r"unittest\.case:_AssertRaises|_pytest\.(raises|python_api):")
# Of source: a line at which the call stood in the end, or one that few passing tests executed.
_MARKED_LINE = re.compile(r"\s*\d+(x\d+)?(\*>?|>)\s")
# The parts of their wanted size that the sections get, tried in turn until all fit.
_SCALES = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1)


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
        is_optional: Whether it is left out if there is no room for it whole.
    """

    lines: Sequence[str]
    chars: int | None = None
    is_optional: bool = False

    def fit(self, scale: float) -> str:
        """Write the first and the last lines within the wanted size times ``scale``; of source, those around marks."""
        text = "\n".join(self.lines)
        room = len(text) if self.chars is None else int(self.chars * scale)
        if len(text) <= room:
            return text
        lines = text.split("\n")
        if any(map(_MARKED_LINE.match, lines)):
            return _around_marks(lines, room)
        begin, end = ends_that_fit([len(line) + 1 for line in lines], room - 20)
        if begin == end:
            return text
        if begin == 0:  # not even the first line
            return cut(lines[0], max(room, 40))
        return "\n".join([*lines[:begin], _left_out(end - begin), *lines[end:]])


def _around_marks(lines: Sequence[str], room: int) -> str:
    """Write the heading of a source, the line at which the call stood, the suspect lines, and those around them."""
    marked = [number for number, line in enumerate(lines) if _MARKED_LINE.match(line)]
    stood = [number for number in marked if ">" in lines[number].split(maxsplit=1)[0]]
    center = stood[-1] if stood else marked[0]
    near = sorted(range(len(lines)), key=lambda number: (abs(number - center), number))
    room -= 2 * len(_left_out(len(lines)))
    kept: set[int] = set()
    for number in dict.fromkeys([0, center, *marked, *near]):
        size = len(lines[number]) + 1
        if size <= room:
            kept.add(number)
            room -= size
        elif number in near and number not in marked:
            break
    shown: list[str] = []
    left = 0
    for number, line in enumerate([*lines, ""]):
        if number < len(lines) and number not in kept:
            left += 1
            continue
        if left:
            shown.append(_left_out(left))
            left = 0
        shown.append(line)
    return "\n".join(shown[:-1])


def _left_out(lines: int) -> str:
    return f"  … ({counted(lines, 'line')})"


def brief_of(report: RunReport, new_project: str = "") -> RunBrief:
    """Write what matters of a report.

    Args:
        report: The whole report.
        new_project: A sentence about the project that was made for the run; "" if it existed.
    """
    report = report.roomy
    made = Parts()
    parts = [_Part([new_project], 300)] if new_project else []
    for name, section in _SECTIONS.items():
        parts += made.rows(name, partial(_filled, section, report))
    parts += [_Part([f"note: {each}" for each in made.notes], 400)] if made.notes else []
    text = _write(parts, report)
    return RunBrief(
        trace_id=report.trace_id,
        status=report.status,
        exit_code=report.exit_code,
        signal=report.signal,
        duration_ms=report.duration_ms,
        report=text,
    )


def _write(parts: Sequence[_Part], report: RunReport) -> str:
    """Write all parts that are not optional, and as many of the others as there is room for."""
    can_be_left_out = any(part.is_optional for part in parts)
    # The proposal may become one of the functions that are left out.
    room = MAX_CHARS - max(len(_proposal(report, [])) + 1, _PROPOSAL_CHARS if can_be_left_out else 0)
    candidates = (_texts(parts, scale) for scale in _SCALES)
    texts = first_that_fits(candidates, room, size=_size)
    if texts is None:
        return cut("\n".join(each for each in _texts(parts, _SCALES[-1]) if each is not None), MAX_CHARS)
    missing: list[str] = []
    for number, part in enumerate(parts):
        if part.is_optional:
            whole = "\n".join(part.lines)
            if _size(texts) + len(whole) + 1 <= min(room, AIM_CHARS):
                texts[number] = whole
            else:
                missing.append(whole)
    shown = [each for each in texts if each is not None]
    text = "\n".join([*shown, *filter(None, [_proposal(report, missing)])])
    return text if len(text) <= MAX_CHARS else "\n".join([*shown, *filter(None, [_proposal(report, missing[:1])])])


def _texts(parts: Sequence[_Part], scale: float) -> list[str | None]:
    return [None if part.is_optional else part.fit(scale) for part in parts]


def _size(texts: Sequence[str | None]) -> int:
    return sum(len(each) + 1 for each in texts if each is not None)


def _filled(section: Callable[[RunReport], Iterator[_Part]], report: RunReport) -> list[_Part]:
    """Return the parts of a section that have lines."""
    return [part for part in section(report) if any(part.lines)]


def _probes(report: RunReport) -> Iterator[_Part]:
    """Show what the expressions of probes were: the report of a run with probes has nothing else."""
    yield _Part(report.probes.split("\n"), 2_300)


def _loud(report: RunReport) -> Iterator[_Part]:
    """Say what was not recorded, and what the recording warns of."""
    yield _Part([f"NOT TRACED: {line}" for line in report.not_traced if not line.endswith(FULL_RECORDS_ALL)], 900)
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
            yield from (_Part(each.split("\n"), is_optional=True) for each in failing.explaining)
    yield _Part([f"failed: {each}" for each in tests.further], 300)


def _within(text: str, margin: str = "  ") -> str:
    """Indent the further lines of what a program says: none of them is taken for a line of the report."""
    return re.sub(r"\n(?! )", f"\n{margin}", text)


def _failing_test(failing: FailingTest, *, is_first: bool) -> Iterator[_Part]:
    share = 1.0 if is_first else 0.5
    found = failing.exception
    what = f"{found.type}: {found.message}" if found is not None else failing.message
    outcome = failing.outcome or "failed"
    lines = _within(f"{outcome}: {failing.test}  {what}").split("\n")
    if failing.body:  # its notes have the values that pytest explains
        lines = [line for line in lines if not _EXPLANATION.match(line)]
    yield _Part(lines, int(500 * share))
    shows_frame = bool(failing.raised_in)
    if found is not None and (found.calls or not failing.body):
        yield _exception_frames(found, shows_frame=shows_frame, chars=int(400 * share))
    yield _Part(failing.raised_in.split("\n"), int(500 * share))
    # Whole, as long as it can be: an agent that does not see all of the test opens its file.
    yield _Part(failing.body.split("\n"), int((800 if shows_frame else 1_300) * share))
    if not failing.body:
        yield _Part([f"  {line}" for line in failing.called], int(500 * share))
    yield _Part([f"failed likewise: {each}" for each in failing.also], 200)


def _exception_frames(found: ExceptionDetail, *, shows_frame: bool, chars: int) -> _Part:
    """Write where an exception was raised, and the calls that led there."""
    lines = [f"raised at {found.raised_at}" + (f", {found.outcome}" if found.outcome else "")]
    # The source of the innermost call is shown below.
    lines += [f"  {line}" for line in (found.calls[:-1] if shows_frame else found.calls)]
    if not shows_frame and not lines[-1].endswith("(not traced)"):  # variables of the program
        lines += [_within(f"    {line}", "    ") for line in [*found.locals, *found.stack]]
    lines += map(_within, found.causes)
    return _Part(lines, chars)


def _exceptions(report: RunReport) -> Iterator[_Part]:
    failed_test = report.tests is not None and any(each.exception for each in report.tests.failing)
    for number, found in enumerate(report.exceptions):
        if number and report.tests is not None:
            break
        if failed_test and _EXPECTED_BY_TEST.search(found.outcome or ""):
            continue
        times = f" (x{found.count:,})" if found.count and found.count > 1 else ""
        head = _within(f"{found.type}: {found.message}").split("\n")
        where = f"{found.outcome}, " if found.outcome and found.outcome != "uncaught" else ""
        if number == 0 and not failed_test:
            yield _Part([*head[:-1], head[-1] + times], 500)
            yield _exception_frames(found, shows_frame=bool(report.raised_in), chars=700)
            yield _Part(report.raised_in.split("\n"), 900)
            if report.tests is None:
                yield from _suspects(report)
        else:
            also = f"also {found.type}: {found.message}{times}, {where}raised at {found.raised_at}"
            yield _Part(_within(also).split("\n"), 300)


def _suspects(report: RunReport) -> Iterator[_Part]:
    yield _Part(report.suspects)


def _where_it_is(report: RunReport) -> Iterator[_Part]:
    """Say where a program is that runs, or was when it was ended from outside."""
    if report.stacks:
        yield _Part(["stacks:", *(f"  {line}" for line in report.stacks)], 1_400)
    if report.open_calls and not report.stacks:
        yield _Part(["calls that have not ended:", *(f"  {line}" for line in report.open_calls)], 700)
    if report.tests is None and not report.exceptions:
        yield from _suspects(report)


def _what_it_did(report: RunReport) -> Iterator[_Part]:
    """Show the calls in their order, or else the functions with the most time, where nothing failed."""
    failed = report.exceptions or (report.tests is not None and report.tests.failing)
    if report.flow:
        yield _Part(["flow:", *(f"  {line}" for line in report.flow)], 1_250, is_optional=bool(failed))
    elif not failed and report.hot is not None and report.status not in ("running", "stopped", "crashed"):
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
    """Count what get_trace has beside this, and what was recorded in part."""
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
    thinned = (line for line in report.not_traced if line.endswith(FULL_RECORDS_ALL))
    yield _Part([f"in part: {_DETAIL.split(line)[0]}" for line in thinned], 130)
    yield _Part([f"also: {', '.join(more)} (get_trace)"] if more else [])
    yield _Part([f"note: {each}" for each in report.notes], 700)


def _proposal(report: RunReport, missing: Sequence[str]) -> str:
    """Propose one call: the source of functions that there was no room for, or else what the report proposes first."""
    headings = [found.groups() for each in missing if (found := _HEADING.match(each))]
    # A constructor, and what else Python calls by itself, only prepares the fault or meets it.
    headings = sorted(headings, key=lambda each: each[1].rpartition(".")[2].startswith("__"))[:MAX_PROPOSED]
    # A method's name is seldom ambiguous, that of a function often.
    names = [name if "." in name else f"{file}:{name}" for file, name in headings]
    if names:
        return f"next: {call('show', project=report.project, trace_id=report.trace_id, what=names)}"
    is_explained = _explains(report) and not missing
    done = ["get_flow("] if report.flow or is_explained else []
    done += ["show(", "get_calls(", "find_gaps("] if is_explained else []
    proposed = [each for each in report.next if not each.startswith(tuple(done))]
    return f"next: {proposed[0]}" if proposed else ""


def _explains(report: RunReport) -> bool:
    return report.tests is not None and any(each.explaining for each in report.tests.failing)


_SECTIONS: Mapping[str, Callable[[RunReport], Iterator[_Part]]] = {
    "probes": _probes,
    "not_traced": _loud,
    "tests": _tests,
    "exceptions": _exceptions,
    "stacks": _where_it_is,
    "flow": _what_it_did,
    "output": _output,
    "also": _also,
}
