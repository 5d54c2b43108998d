"""Sort the differences between two runs: the first one, its consequences, and the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.compare.divergences import Divergence
from breadcrumb_server.answers.compare.text import CallDifference
from breadcrumb_storage.queries.calls.records import CallRow


@dataclass(frozen=True, slots=True)
class SortedDifferences:
    """The differences between two runs, in the groups in which an answer shows them."""

    first: CallDifference | None
    passed_on: Sequence[CallDifference]  # calls around the first one that ended differently, the innermost first
    others: Sequence[CallDifference]  # later ones that no differing callee explains
    without_effect: Sequence[CallDifference]  # lone calls within calls that returned the same


Pairs = Mapping[tuple[int, int], tuple[CallRow, CallRow]]


def sort_differences(
    divergences: Sequence[Divergence], parents: Pairs, ancestors: Callable[[int], Sequence[int]]
) -> SortedDifferences:
    """Sort the differences into groups.

    Args:
        divergences: in the order of time.
        parents: the pairs of calls, by their ids, in which lone calls were made.
        ancestors: returns the ids of the calls around a call of this trace, the outermost first.
    """
    differences = _call_differences(divergences, parents)
    harmless = [each for each in differences if _is_without_effect(each)]
    serious = [each for each in differences if each not in harmless]
    first = next(iter(serious), None) or next(iter(harmless), None)
    if first is None:
        return SortedDifferences(None, (), (), ())
    outer = list(ancestors(first.this.call_id)) if first.this else []
    passed_on = [each for each in serious if each is not first and each.this and each.this.call_id in outer]
    passed_on.sort(key=lambda each: -outer.index(each.call.call_id))
    parent_ids = {each.this.parent_call_id for each in serious if each.this} | {
        each.base.parent_call_id for each in serious if each.base and not each.this
    }
    others = [
        each
        for each in serious
        if each is not first
        and each not in passed_on
        # A call with the same arguments and a differing callee only passes that difference on.
        and (each.args_differ or each.call.call_id not in parent_ids)
    ]
    return SortedDifferences(first, passed_on, others, [each for each in harmless if each is not first])


def _call_differences(divergences: Sequence[Divergence], parents: Pairs) -> list[CallDifference]:
    """Combine the divergences of each pair of calls, with lone calls as part of the pair in which they were made."""
    by_pair: dict[tuple[int | None, int | None], list[Divergence]] = {}
    for each in divergences:
        ids = (each.base.call_id if each.base else None, each.this.call_id if each.this else None)
        by_pair.setdefault(each.parent_ids or ids, []).append(each)
    differences: list[CallDifference] = []
    for members in by_pair.values():
        own = next((each for each in members if each.parent_ids is None), None)
        lone_calls = [each for each in members if each.parent_ids is not None]
        if own is not None:
            differences.append(CallDifference(own.base, own.this, own.args_differ, own.end_differs, lone_calls))
        elif (pair := lone_calls[0].parent_ids) is not None and pair in parents:
            differences.append(
                CallDifference(*parents[pair], args_differ=False, end_differs=False, lone_calls=lone_calls)
            )
    return differences


def _is_without_effect(difference: CallDifference) -> bool:
    """Return whether lone calls, such as filling a cache, an import or a destructor, changed no result."""
    if difference.args_differ or difference.end_differs:
        return False
    names = {each.call.name.rpartition(".")[2] for each in difference.lone_calls} or {difference.call.name}
    if names <= {"<module>", "__del__"}:
        return True
    return bool(difference.lone_calls) and difference.call.return_value not in (None, "null")
