"""Where to look next from the calls of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from breadcrumb_server.answers.distributions import Distribution
from breadcrumb_server.answers.follow_ups import call
from breadcrumb_server.answers.gaps import rerun_call
from breadcrumb_server.answers.line_detail import LineDetail
from breadcrumb_storage.queries.calls import CallRow
from breadcrumb_storage.queries.traces import TraceRow


def one_call(project: str, trace: TraceRow, each: CallRow, **where: object) -> str:
    """The call that shows this one alone."""
    return call(
        "get_calls",
        project=project,
        function=f"{each.module}:{each.name}",
        trace_id=trace.trace_id,
        where={"call_id": each.call_id, **where},
    )


def follow_ups(
    project: str,
    trace: TraceRow,
    calls: Sequence[CallRow],
    *,
    single: bool,
    called: bool,
    sampled: bool,
    lines: LineDetail,
) -> list[str | None]:
    """From many calls to one of them, and to those that were only counted; from one call inwards, outwards, and closer.

    Args:
        called: the single one made calls that were recorded.
        sampled: not all calls were recorded.
    """
    if not calls:
        return []
    if not single:
        chosen = next((each for each in calls if each.outcome == "raised"), calls[0])
        all_of_them = _closer(project, trace, chosen, lines, full=True) if sampled else None
        return [one_call(project, trace, chosen), all_of_them]

    def around(**where: object) -> str:
        return call("get_calls", project=project, function="*", trace_id=trace.trace_id, where=where)

    each = calls[0]  # one step inwards, one outwards, and a closer look
    inwards = around(parent_call_id=each.call_id) if called else None
    outwards = around(call_id=each.parent_call_id) if each.parent_call_id else None
    return [inwards, outwards, _closer(project, trace, each, lines)]


def odd_ones(
    project: str, trace: TraceRow, function: str, where: Mapping[str, Any] | None, distribution: Distribution
) -> str | None:
    """The call that shows those which stand out in the distribution, unless it is this one."""
    if distribution.odd is None or distribution.odd.keys() & (where or {}).keys():
        return None
    conditions = {**(where or {}), **distribution.odd}
    return call("get_calls", project=project, function=function, trace_id=trace.trace_id, where=conditions)


def _closer(project: str, trace: TraceRow, each: CallRow, lines: LineDetail, *, full: bool = False) -> str | None:
    """The run that records the lines of this call's function, if this one did not."""
    if lines.executed or each.name == "<module>" or trace.status == "running":
        return None
    return rerun_call(project, trace, lines=[f"{each.module}:{each.name}"], full=full)
