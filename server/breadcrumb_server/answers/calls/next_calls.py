"""Propose the calls of tools that lead on from the calls of a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from breadcrumb_server.answers.calls.distributions import Distribution
from breadcrumb_server.answers.common.code_origin import is_generated
from breadcrumb_server.answers.common.next_calls import NextCalls
from breadcrumb_server.answers.conditions.where import parse_where
from breadcrumb_server.answers.lines.detail import LineDetail, ShownLines
from breadcrumb_storage.queries.calls.records import CallRow, find_calls
from breadcrumb_storage.queries.trace_reader import TraceReader


def one_call(next_calls: NextCalls, each: CallRow, **where: object) -> str:
    """Propose get_calls for one call alone."""
    return next_calls.get_calls(f"{each.module}:{each.name}", {"call_id": each.call_id, **where})


def follow_ups(
    next_calls: NextCalls,
    calls: Sequence[CallRow],
    *,
    single: bool,
    sampled: bool,
    lines: LineDetail,
    shown: ShownLines,
    odd: str | None,
) -> list[str | None]:
    """Propose what leads on from calls, without what the answer shows already.

    Several calls lead to those that stand out, or to a run that records all; a single one to the rest of its lines.

    Args:
        next_calls: Renders calls of tools.
        calls: The calls shown.
        single: Whether no other call was found.
        sampled: Whether some calls were only counted.
        lines: The lines of the calls.
        shown: Those of the lines that the answer shows.
        odd: The call of a tool that shows the calls that stand out in the distribution.

    Returns:
        Calls of tools, the most useful first; None for one that does not apply.
    """
    if not calls:
        return []
    unseen = one_call(next_calls, shown.unseen) if shown.unseen else None
    rest_of_lines = one_call(next_calls, shown.left_out[0], lines=shown.left_out[1]) if shown.left_out else None
    if single:
        return [rest_of_lines]
    return [unseen, odd, rest_of_lines, _rerun(next_calls, calls, lines) if sampled else None]


def propose_odd_calls(
    reader: TraceReader,
    next_calls: NextCalls,
    function: str,
    where: Mapping[str, Any] | None,
    distribution: Distribution,
    shown: ShownLines,
) -> str | None:
    """Propose get_calls for the calls that stand out in the distribution, unless all their lines are shown here."""
    if distribution.odd is None or distribution.odd.keys() & (where or {}).keys():
        return None
    conditions = {**(where or {}), **distribution.odd}
    if shown.whole:
        few = len(shown.whole) + 1
        ids, _ = find_calls(reader, parse_where(conditions, function), after=0, limit=few)
        if shown.whole.issuperset(ids):
            return None
    return next_calls.get_calls(function, conditions)


def _rerun(next_calls: NextCalls, calls: Sequence[CallRow], lines: LineDetail) -> str | None:
    """Propose a run that records every call, and their lines; None if this run did, or none is possible."""
    each = next((each for each in calls if each.outcome == "raised"), calls[0])
    if lines.executed or each.name == "<module>" or next_calls.trace.status == "running":
        return None
    if is_generated(each.module, each.name, each.file):
        return next_calls.rerun(full=True)
    return next_calls.rerun(lines=[f"{each.module}:{each.name}"], full=True)
