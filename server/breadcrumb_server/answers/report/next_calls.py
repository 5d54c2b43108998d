"""Where to look next after a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from breadcrumb_server.answers.common.next_calls import NextCalls, call, first_few
from breadcrumb_server.answers.common.trace_config import line_patterns, patterns_of
from breadcrumb_server.answers.exceptions.answer import raising_call
from breadcrumb_server.answers.exceptions.details import LoadedException
from breadcrumb_server.answers.gaps.ranking import RankedGap
from breadcrumb_server.answers.gaps.suggested_include import Expansion, next_expansion
from breadcrumb_server.answers.rendering.calls import Chain
from breadcrumb_server.answers.report.busy_module import BusyModule, is_slowed_down
from breadcrumb_server.answers.report.failing_tests import Failure, Results
from breadcrumb_server.answers.report.line_patterns import with_lines
from breadcrumb_storage.queries.exceptions import HandledPlace
from breadcrumb_storage.queries.functions import FunctionTime
from breadcrumb_storage.queries.traces import TraceRow

# A function that takes less is not what a program is slow for.
MIN_SLOW_NS = 100_000_000
MIN_SLOW_SHARE = 0.5


class Facts(Protocol):
    """What the choice depends on."""

    @property
    def functions(self) -> Sequence[FunctionTime]: ...
    @property
    def exceptions(self) -> Sequence[LoadedException]: ...
    @property
    def exception_kinds(self) -> int: ...
    @property
    def tests(self) -> Results: ...
    @property
    def handled(self) -> Sequence[HandledPlace]: ...
    @property
    def open(self) -> Sequence[Chain]: ...
    @property
    def gaps(self) -> Sequence[RankedGap]: ...
    @property
    def other_gaps(self) -> int: ...
    @property
    def traced_code(self) -> Collection[tuple[str, str]]: ...
    @property
    def expansion(self) -> Expansion: ...
    @property
    def busy(self) -> BusyModule | None: ...
    @property
    def passed_before(self) -> str | None: ...


def follow_ups(next_calls: NextCalls, facts: Facts) -> list[str]:
    """At most three calls, the one that is most likely to explain what happened first."""
    trace, project = next_calls.trace, next_calls.project
    too_slow = trace.status == "timeout" and is_slowed_down(trace, facts.functions)
    again = next_calls.rerun(longer=too_slow)
    standing = _open_call(next_calls, facts.open)
    narrow = facts.busy.edit_config_call(project) if facts.busy else None
    if trace.status == "running":
        wait, stop = next_calls.call("wait_for_run", wait_seconds=45), next_calls.call("stop_run")
        return first_few([wait, stop, narrow] if narrow else [wait, standing, stop])
    edit = facts.expansion.edit_config_call(project) or None
    if not facts.functions:
        return first_few([edit, again if edit else call("get_config", project=project)])
    failure = facts.tests.first_failure
    by_test = failure.exception if failure and failure.raised_in_what_it_called() else None
    exceptions = [by_test, *facts.exceptions] if by_test else list(facts.exceptions)
    lines = _recorded_lines(next_calls, facts.functions, exceptions, failure)
    found = [_what_led_to(next_calls, each) for each in exceptions[:1]]
    handled = [each for each in facts.handled if not each.importing]
    swallowed = _swallowed(next_calls, handled, exceptions, None if by_test else failure)
    # Beyond these lies what the program does.
    widen = any(gap.origin == "own" and not gap.row.importing for gap in facts.gaps) or facts.expansion.only_main
    if failure and not by_test:
        found = _wrong_result(next_calls, failure)[: 1 if edit and widen else None]
    # Of a package that nothing was seen of, the flow to a wrong value shows no more than the report does.
    to_be_widened_first = exceptions and _is_a_wrong_value(exceptions[0]) and widen and not _goes_on(trace, facts)
    if edit and (facts.expansion.workspace or to_be_widened_first):  # what was traced is not what goes wrong
        return first_few([lines, edit, again, swallowed, *found])
    beyond = _beyond_the_traced_code(facts.gaps, exceptions) if by_test or not failure else []
    if beyond:
        widened = next_expansion(trace, beyond, facts.traced_code)
        return first_few([lines, widened.edit_config_call(project) or None, again, *found])
    if facts.exception_kinds > 1:
        found.append(next_calls.call("find_exceptions", include_handled=False))
    ended_from_outside = trace.status in ("timeout", "stopped", "crashed")
    passed = facts.passed_before
    proposed = first_few(
        [
            lines,
            *found[:1],
            swallowed,
            standing if ended_from_outside else None,
            narrow,
            again if narrow else None,
            next_calls.call("compare_traces", base_trace_id=passed) if passed else None,
            *found[1:],
            edit if widen else None,
            again if edit and widen else None,
            next_calls.call("find_exceptions") if handled and facts.exception_kinds <= 1 else None,
            _flow_around(next_calls, exceptions, facts.open if ended_from_outside else ()),
            _lines_of_the_raising_function(next_calls, exceptions),
            _about_the_hottest(next_calls, facts),
            None if any(each and each.startswith("get_flow(") for each in found) else next_calls.call("get_flow"),
            edit,
            again if edit or too_slow else None,
            next_calls.call("find_gaps") if facts.gaps or facts.other_gaps else None,
        ]
    )
    if edit and edit not in proposed and _goes_on(trace, facts):  # half of a package is not left at that
        proposed[2:] = [edit]
    return proposed


def _recorded_lines(
    next_calls: NextCalls,
    functions: Sequence[FunctionTime],
    exceptions: Sequence[LoadedException],
    failure: Failure | None,
) -> str | None:
    """The calls of which the lines were recorded: that nearest to the failure, else those with the most own time."""
    recorded = [each.full_name for each in with_lines(next_calls.trace, functions)]
    if not recorded:
        return None
    chain = exceptions[0].chain if exceptions else None
    for link in reversed(chain.links if chain else ()):
        passed = chain.calls.get(link.call_id) if chain else None
        if passed and (name := f"{passed.module}:{passed.name}") in recorded:
            return next_calls.get_calls(name, {"call_id": passed.call_id})
    if failure:
        under_it = next((name for name in recorded if name in failure.called.functions), None)
        if under_it:
            return next_calls.get_calls(under_it, {"test": failure.first.node_id})
    return next_calls.get_calls(recorded[0])


def _swallowed(
    next_calls: NextCalls,
    handled: Sequence[HandledPlace],
    exceptions: Sequence[LoadedException],
    failure: Failure | None,
) -> str | None:
    """Where a result was wrong: the exceptions that were handled on the way to it, if there were any.

    Args:
        handled: those of run time, and not of imports.
        failure: a test that failed by a wrong result.
    """
    if failure:
        node_id = failure.first.node_id
        under_it = any(node_id in each.failed_tests for each in handled)
        return next_calls.call("find_exceptions", test=node_id) if under_it else None
    wrong_value = bool(exceptions) and _is_a_wrong_value(exceptions[0])
    return next_calls.call("find_exceptions") if wrong_value and handled else None


def _what_led_to(next_calls: NextCalls, exception: LoadedException) -> str | None:
    """The call that raised it; where the program found a value wrong itself, all that it did before."""
    if not _is_a_wrong_value(exception):
        return raising_call(next_calls.project, exception)
    checked_by = exception.chain.innermost if exception.chain else None
    # What an asyncio task waited for was done by others; what a module did begins with its imports.
    alone = checked_by is not None and not checked_by.task and checked_by.name != "<module>"
    root = checked_by.call_id if checked_by and alone else None
    return next_calls.call("get_flow", root_call_id=root)


def _goes_on(trace: TraceRow, facts: Facts) -> bool:
    """Whether what is to be traced as well belongs to packages of which some is traced already."""
    present = {pattern.partition(".")[0] for pattern in patterns_of(trace.config, "include")}
    return any(pattern.partition(".")[0] in present for pattern in facts.expansion.patterns)


def _is_a_wrong_value(exception: LoadedException) -> bool:
    """Whether the program itself, and no test, found that something is not as it should be."""
    return exception.row.type == "AssertionError" and bool(exception.group.uncaught)


def _wrong_result(next_calls: NextCalls, failure: Failure) -> list[str | None]:
    """Where a test failed by itself: how the last function that it called came to its result."""
    last = failure.called.last
    if last is None:
        return []
    name = f"{last.module}:{last.name}"
    return [
        None if line_patterns(next_calls.trace) else next_calls.rerun(lines=[name]),
        next_calls.get_calls(name, {"test": failure.first.node_id}),
        next_calls.call("get_flow", test=failure.first.node_id),
    ]


def _beyond_the_traced_code(gaps: Sequence[RankedGap], exceptions: Sequence[LoadedException]) -> list[RankedGap]:
    """The gaps that an exception came out of: of its module, or else the user's own."""
    if not exceptions or exceptions[0].raised_in_traced_code():
        return []
    module = exceptions[0].row.module
    of_module = [gap for gap in gaps if any(target.module == module for target in gap.targets)]
    return of_module or [gap for gap in gaps if gap.origin == "own"]


def _open_call(next_calls: NextCalls, chains: Sequence[Chain]) -> str | None:
    innermost = chains[0].innermost if chains else None
    if innermost is None:
        return None
    return next_calls.get_calls(f"{innermost.module}:{innermost.name}", {"call_id": innermost.call_id})


def _lines_of_the_raising_function(next_calls: NextCalls, exceptions: Sequence[LoadedException]) -> str | None:
    """The run that records how the function came to its exception, unless this one did."""
    if not exceptions or not exceptions[0].raised_in_traced_code() or line_patterns(next_calls.trace):
        return None
    row = exceptions[0].row
    return next_calls.rerun(lines=[f"{row.module}:{row.name}"]) if row.name != "<module>" else None


def _flow_around(next_calls: NextCalls, exceptions: Sequence[LoadedException], chains: Sequence[Chain]) -> str | None:
    """What was called before it came to the exception, or to where the program stood."""
    chain = next((each.chain for each in exceptions if each.chain), None) or next(iter(chains), None)
    innermost = chain.innermost if chain else None
    return next_calls.call("get_flow", around_call_id=innermost.call_id) if innermost is not None else None


def _about_the_hottest(next_calls: NextCalls, facts: Facts) -> str | None:
    """Its calls; or why they took so long, where that is what stands out of the run."""
    hot = next((each for each in facts.functions if each.recorded and each.name != "<module>"), None)
    if hot is None:
        return None
    overall_ns = sum(each.self_ns for each in facts.functions)
    slow = not facts.exceptions and hot.self_ns >= max(MIN_SLOW_NS, MIN_SLOW_SHARE * overall_ns)
    return next_calls.call("analyze_performance" if slow else "get_calls", function=f"{hot.module}:{hot.name}")
