"""Where to look next from the calls of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from breadcrumb_server.answers.calls.distributions import Distribution
from breadcrumb_server.answers.calls.where import parse_where
from breadcrumb_server.answers.common.next_calls import NextCalls
from breadcrumb_server.answers.lines.detail import LineDetail, ShownLines
from breadcrumb_storage.queries.calls.records import CallRow, find_calls
from breadcrumb_storage.queries.trace_reader import TraceReader


def one_call(next_calls: NextCalls, each: CallRow, **where: object) -> str:
    """Propose the call that shows this one alone."""
    return next_calls.get_calls(f"{each.module}:{each.name}", {"call_id": each.call_id, **where})


def follow_ups(
    next_calls: NextCalls,
    calls: Sequence[CallRow],
    *,
    single: bool,
    called: Set[int],
    sampled: bool,
    lines: LineDetail,
    shown: ShownLines,
    odd: str | None,
) -> list[str | None]:
    """From many calls to one of them, and to those that were only counted; from one call inwards, outwards, and closer.

    What stands in the answer already is not proposed again.

    Args:
        called: the calls that made recorded calls themselves.
        sampled: not all calls were recorded.
        odd: the call that shows those which stand out in the distribution.
    """
    if not calls:
        return []

    def around(**where: object) -> str:
        return next_calls.get_calls("*", where)

    unseen = one_call(next_calls, shown.unseen) if shown.unseen else None
    rest_of_lines = one_call(next_calls, shown.left_out[0], lines=shown.left_out[1]) if shown.left_out else None
    each = calls[0]
    inwards = around(parent_call_id=each.call_id) if each.call_id in called else None
    if single:  # one step inwards, one outwards, and a closer look
        outwards = around(call_id=each.parent_call_id) if each.parent_call_id else None
        return [rest_of_lines, inwards, outwards, _closer(next_calls, each, lines)]
    chosen = next((each for each in calls if each.outcome == "raised"), calls[0])
    alone: str | None = one_call(next_calls, chosen)
    if chosen.call_id in shown.whole:
        alone = around(parent_call_id=chosen.call_id) if chosen.call_id in called else None
    all_of_them = _closer(next_calls, chosen, lines, full=True) if sampled else None
    return [unseen, odd, rest_of_lines, alone, all_of_them]


def odd_ones(
    reader: TraceReader,
    next_calls: NextCalls,
    function: str,
    where: Mapping[str, Any] | None,
    distribution: Distribution,
    shown: ShownLines,
) -> str | None:
    """The call that shows those which stand out in the distribution, unless they are shown here with their lines."""
    if distribution.odd is None or distribution.odd.keys() & (where or {}).keys():
        return None
    conditions = {**(where or {}), **distribution.odd}
    if shown.whole:
        few = len(shown.whole) + 1
        ids, _ = find_calls(reader, parse_where(conditions, function), after=0, limit=few)
        if shown.whole.issuperset(ids):
            return None
    return next_calls.get_calls(function, conditions)


def _closer(next_calls: NextCalls, each: CallRow, lines: LineDetail, *, full: bool = False) -> str | None:
    """The run that records the lines of this call's function, if this one did not."""
    if lines.executed or each.name == "<module>" or next_calls.trace.status == "running":
        return None
    return next_calls.rerun(lines=[f"{each.module}:{each.name}"], full=full)
