"""Choose the calls that a run report proposes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from breadcrumb_server.answers.common.code_origin import is_generated
from breadcrumb_server.answers.common.next_calls import NextCalls, call, first_few
from breadcrumb_server.answers.common.trace_config import line_patterns, patterns_of
from breadcrumb_server.answers.exceptions.answer import raising_call
from breadcrumb_server.answers.exceptions.details import LoadedException
from breadcrumb_server.answers.gaps.ranking import RankedGap
from breadcrumb_server.answers.gaps.suggested_include import Expansion, next_expansion
from breadcrumb_server.answers.rendering.calls import Chain
from breadcrumb_server.answers.report.busy_module import BusyModule, is_slowed_down
from breadcrumb_server.answers.report.failing_tests import Failure, LoadedTestResults
from breadcrumb_server.answers.report.line_patterns import functions_with_lines
from breadcrumb_storage.queries.calls.records import CallRow
from breadcrumb_storage.queries.exceptions import HandledPlace
from breadcrumb_storage.queries.functions import FunctionTime
from breadcrumb_storage.queries.traces import TraceRow

# Functions whose source is proposed: the innermost one and its callers.
MAX_SHOWN = 3
# Self time of a slow function: nanoseconds, and share of the self time of all functions.
MIN_SLOW_NS = 100_000_000
MIN_SLOW_SHARE = 0.5
# Traced functions, beside those that an assertion failed in, with which a flow is worth more than tracing a package:
# a few often only pass on what the package returned, or are called by it.
MIN_LAYERS = 4


class Facts(Protocol):
    """The facts of a run that the choice depends on."""

    @property
    def functions(self) -> Sequence[FunctionTime]:
        """Traced functions, the one with the most self time first."""
        ...

    @property
    def exceptions(self) -> Sequence[LoadedException]:
        """Exceptions that traced code did not handle, other than those of tests."""
        ...

    @property
    def exception_kinds(self) -> int:
        """Number of different exceptions of this sort, loaded or not."""
        ...

    @property
    def tests(self) -> LoadedTestResults:
        """Results of the tests that ran."""
        ...

    @property
    def handled(self) -> Sequence[HandledPlace]:
        """Exceptions that traced code handled, the most instructive first."""
        ...

    @property
    def open(self) -> Sequence[Chain]:
        """Chains of calls that had not ended."""
        ...

    @property
    def gaps(self) -> Sequence[RankedGap]:
        """Gaps that an include pattern would close, the most instructive first."""
        ...

    @property
    def other_gaps(self) -> int:
        """Number of further gaps."""
        ...

    @property
    def traced_code(self) -> Collection[tuple[str, str]]:
        """Module and file of each traced function."""
        ...

    @property
    def expansion(self) -> Expansion:
        """Suggested include patterns."""
        ...

    @property
    def busy(self) -> BusyModule | None:
        """The module whose tracing makes the run too slow."""
        ...

    @property
    def passed_before(self) -> str | None:
        """Id of the last trace of the same command that completed, if this one did not."""
        ...


def follow_ups(next_calls: NextCalls, facts: Facts) -> list[str]:
    """Propose at most three calls, first the one that most likely explains what happened."""
    trace, project = next_calls.trace, next_calls.project
    too_slow = trace.status == "timeout" and is_slowed_down(trace, facts.functions)
    again = next_calls.rerun(longer=too_slow)
    open_call = _innermost_open_call(next_calls, facts)
    narrow = facts.busy.edit_config_call(project) if facts.busy else None
    if trace.status == "running":
        wait, stop = next_calls.call("wait_for_run", wait_seconds=45), next_calls.call("stop_run")
        raised = _raised_so_far(next_calls, facts)
        if narrow:
            return first_few([wait, stop, narrow])
        return first_few([raised, wait, stop] if raised else [wait, open_call, stop])
    edit = facts.expansion.edit_config_call(project) or None
    if not facts.functions:
        return first_few([edit, again if edit else call("get_config", project=project)])
    failure = facts.tests.first_failure
    by_test = failure.exception if failure and failure.raised_in_what_it_called() else None
    exceptions = [by_test, *facts.exceptions] if by_test else list(facts.exceptions)
    lines = _annotated(next_calls, failure) or _recorded_lines(next_calls, facts.functions, exceptions, failure)
    found = [_path_to(next_calls, facts, each) for each in exceptions[:1]]
    handled = [each for each in facts.handled if not each.importing]
    swallowed = _swallowed(next_calls, handled, exceptions, None if by_test else failure)
    # Own code ran untraced: traced code called it, or nothing but __main__ was traced.
    widen = any(gap.origin == "own" and not gap.row.importing for gap in facts.gaps) or facts.expansion.only_main
    if failure and not by_test:
        found = _path_to_wrong_result(next_calls, failure)[: 1 if edit and widen else None]
    # The flow to a wrong value shows nothing new if it leads through a package of which nothing is traced.
    widen_first = exceptions and _is_failed_check(exceptions[0]) and widen and not _extends_package(trace, facts)
    widen_first = widen_first and not _has_layers(facts, exceptions[0])
    if edit and (facts.expansion.workspace or widen_first):
        return first_few([lines, edit, again, swallowed, *found])
    raised_in = _gaps_raised_in(facts.gaps, exceptions) if by_test or not failure else []
    if raised_in:
        widened = next_expansion(trace, raised_in, facts.traced_code)
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
            open_call if ended_from_outside else None,
            narrow,
            again if narrow else None,
            next_calls.call("compare_traces", base_trace_id=passed) if passed else None,
            *found[1:],
            edit if widen else None,
            again if edit and widen else None,
            next_calls.call("find_exceptions") if handled and facts.exception_kinds <= 1 else None,
            _flow_around(next_calls, exceptions, facts.open if ended_from_outside else ()),
            raising_call(project, exceptions[0]) if exceptions else None,
            _rerun_with_lines(next_calls, exceptions),
            *_overview(next_calls, facts, found),
            edit,
            again if edit or too_slow else None,
            next_calls.call("find_gaps") if facts.gaps or facts.other_gaps else None,
        ]
    )
    if edit and edit not in proposed and _extends_package(trace, facts):  # complete a package that is traced in part
        proposed[2:] = [edit]
    return proposed


def _annotated(next_calls: NextCalls, failure: Failure | None) -> str | None:
    """Propose the source of the functions nearest to the failure of a test that the report does not show.

    None if no lines of the test were recorded.
    """
    if failure is None or failure.body is None:
        return None
    if failure.raised_in_what_it_called() and failure.exception and failure.exception.chain:
        chain = failure.exception.chain
        calls = [chain.calls.get(link.call_id) for link in reversed(chain.links[1:])]
        nearest = [f"{each.module}:{each.name}" for each in calls if each is not None]
        if failure.raised_in is not None:
            nearest = nearest[1:]
        # A check that the test shares with others: what it checked is the result of the last function that it called.
        checked = failure.called.called_by(chain.links[-1].call_id)
        if checked and failure.exception.row.type == "AssertionError" and not failure.explaining:
            nearest.insert(0, checked[0])
    elif failure.explaining:
        nearest = [f"{each.call.module}:{each.call.name}" for each in failure.explaining[1:]]
    else:
        last = failure.called.last
        nearest = [f"{last.module}:{last.name}"] if last is not None else []
    names = list(dict.fromkeys(nearest))[:MAX_SHOWN]
    return next_calls.call("show", what=names) if names else None


def _raised_so_far(next_calls: NextCalls, facts: Facts) -> str | None:
    """Propose what explains the first exception of a program that goes on, such as a server that answers with a 500."""
    failure = facts.tests.first_failure
    if failure and failure.exception and failure.raised_in_what_it_called():
        return _path_to(next_calls, facts, failure.exception)
    if facts.exceptions:
        return _path_to(next_calls, facts, facts.exceptions[0]) or next_calls.call("find_exceptions")
    if failure or any(not each.importing for each in facts.handled):
        return next_calls.call("find_exceptions")
    return None


def _recorded_lines(
    next_calls: NextCalls,
    functions: Sequence[FunctionTime],
    exceptions: Sequence[LoadedException],
    failure: Failure | None,
) -> str | None:
    """Propose the calls with recorded lines that are next to the failure, or else those with the most self time."""
    recorded = [each.full_name for each in functions_with_lines(next_calls.trace, functions)]
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
    """Propose the exceptions that were handled before a wrong result, if there are any.

    Args:
        next_calls: Proposes calls about the trace.
        handled: The handled exceptions, without those of imports.
        exceptions: The unhandled exceptions.
        failure: A test that failed because of a wrong result.
    """
    if failure:
        node_id = failure.first.node_id
        under_it = any(node_id in each.failed_tests for each in handled)
        return next_calls.call("find_exceptions", test=node_id) if under_it else None
    wrong_value = bool(exceptions) and _is_failed_check(exceptions[0])
    return next_calls.call("find_exceptions") if wrong_value and handled else None


def _path_to(next_calls: NextCalls, facts: Facts, exception: LoadedException) -> str | None:
    """Propose the flow around the call that raised an exception, or for a failed check the flow that led to it.

    The raising call alone adds little: the report has its arguments.
    """
    if not _is_failed_check(exception):
        return _flow_around(next_calls, [exception], ())
    checked_by = _caller_of_work(facts, exception.chain)
    # The flow below the checking call is not enough if other tasks did the work, and starts with imports in a module.
    alone = checked_by is not None and not checked_by.task and checked_by.name != "<module>"
    root = checked_by.call_id if checked_by and alone else None
    return next_calls.call("get_flow", root_call_id=root)


def _caller_of_work(facts: Facts, chain: Chain | None) -> CallRow | None:
    """Return the innermost call of a chain whose function made traced calls: one that only checks has no flow.

    Returns:
        The innermost call if no function of the chain made any; None if it is not known.
    """
    if chain is None:
        return None
    leaves = {(each.module, each.name) for each in facts.functions if each.total_ns == each.self_ns}
    calls = [chain.calls.get(link.call_id) for link in reversed(chain.links)]
    return next((each for each in calls if each and (each.module, each.name) not in leaves), chain.innermost)


def _has_layers(facts: Facts, exception: LoadedException) -> bool:
    """Return whether enough functions of the program are traced for its flow to tell where a value went wrong."""
    calls = exception.chain.calls.values() if exception.chain else ()
    on_the_way = {(each.module, each.name) for each in calls}
    functions = {(each.module, each.name) for each in facts.functions if each.name != "<module>"}
    return len(functions - on_the_way) >= MIN_LAYERS


def _extends_package(trace: TraceRow, facts: Facts) -> bool:
    """Return whether a suggested pattern is of a package of which a part is included."""
    present = {pattern.partition(".")[0] for pattern in patterns_of(trace.config, "include")}
    return any(pattern.partition(".")[0] in present for pattern in facts.expansion.patterns)


def _is_failed_check(exception: LoadedException) -> bool:
    """Return whether an assertion of the program itself, not of a test, ended it, or an exit with a message."""
    row = exception.row
    is_exit = row.type == "SystemExit" and not row.message.strip().removeprefix("-").isdigit() and bool(row.message)
    return bool(exception.group.uncaught) and (row.type == "AssertionError" or is_exit)


def _path_to_wrong_result(next_calls: NextCalls, failure: Failure) -> list[str | None]:
    """Propose calls that explain the result of the last function that a failed test called."""
    last = failure.called.last
    if last is None:
        return []
    if failure.body is not None:  # `show` explains it
        return [next_calls.call("get_flow", test=failure.first.node_id)]
    name = f"{last.module}:{last.name}"
    has_lines = not is_generated(last.module, last.name, last.file)
    return [
        None if line_patterns(next_calls.trace) or not has_lines else next_calls.rerun(lines=[name]),
        next_calls.get_calls(name, {"test": failure.first.node_id}),
        next_calls.call("get_flow", test=failure.first.node_id),
    ]


def _gaps_raised_in(gaps: Sequence[RankedGap], exceptions: Sequence[LoadedException]) -> list[RankedGap]:
    """Select the gaps that the first exception may come from: of its module, or else of own code."""
    if not exceptions or exceptions[0].raised_in_traced_code():
        return []
    module = exceptions[0].row.module
    of_module = [gap for gap in gaps if any(target.module == module for target in gap.targets)]
    return of_module or [gap for gap in gaps if gap.origin == "own"]


def _innermost_open_call(next_calls: NextCalls, facts: Facts) -> str | None:
    """Propose the first open call; for a bare script, the flow if no exception leads to a part of it."""
    innermost = facts.open[0].innermost if facts.open else None
    if innermost is None:
        return None
    if _is_bare_script(next_calls.trace, innermost):
        return None if facts.exceptions else next_calls.call("get_flow")
    return next_calls.get_calls(f"{innermost.module}:{innermost.name}", {"call_id": innermost.call_id})


def _is_bare_script(trace: TraceRow, open_call: CallRow) -> bool:
    """Return whether an open call is the script's own and takes nothing, as that which starts a server."""
    # A function of the script in which a run timed out or crashed may itself be at fault.
    ended_in_it = trace.status not in ("running", "stopped")
    takes_nothing = open_call.is_body or (open_call.args in (None, "{}") and not ended_in_it)
    return open_call.module == "__main__" and takes_nothing


def _rerun_with_lines(next_calls: NextCalls, exceptions: Sequence[LoadedException]) -> str | None:
    """Propose a run that records the lines of the raising function; None if this run recorded lines."""
    if not exceptions or not exceptions[0].raised_in_traced_code() or line_patterns(next_calls.trace):
        return None
    row = exceptions[0].row
    if is_generated(row.module, row.name, row.file):
        return None
    return next_calls.rerun(lines=[f"{row.module}:{row.name}"]) if row.name != "<module>" else None


def _flow_around(next_calls: NextCalls, exceptions: Sequence[LoadedException], chains: Sequence[Chain]) -> str | None:
    """Propose the flow around the first exception with traced calls, or else around the first open call."""
    chain = next((each.chain for each in exceptions if each.chain), None) or next(iter(chains), None)
    innermost = chain.innermost if chain else None
    if innermost is None or (_is_bare_script(next_calls.trace, innermost) and not exceptions):
        return None
    return next_calls.call("get_flow", around_call_id=innermost.call_id)


def _overview(next_calls: NextCalls, facts: Facts, found: Sequence[str | None]) -> list[str | None]:
    """Propose the flow, and the calls of the function with the most self time; first its performance if it is slow."""
    flow = None if any(each and each.startswith("get_flow(") for each in found) else next_calls.call("get_flow")
    hot = next((each for each in facts.functions if each.recorded and each.name != "<module>"), None)
    if hot is None:
        return [flow]
    name = f"{hot.module}:{hot.name}"
    overall_ns = sum(each.self_ns for each in facts.functions)
    if not facts.exceptions and hot.self_ns >= max(MIN_SLOW_NS, MIN_SLOW_SHARE * overall_ns):
        return [next_calls.call("analyze_performance", function=name), flow]
    return [flow, next_calls.call("get_calls", function=name)]
