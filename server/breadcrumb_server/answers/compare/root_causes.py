"""Of all that differs between two runs: which came first, what followed from it, and what else there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.compare.divergences import Divergence
from breadcrumb_server.answers.compare.text import Root
from breadcrumb_storage.queries.calls.records import CallRow


@dataclass(frozen=True, slots=True)
class Told:
    """The differences in the order in which they are told."""

    first: Root | None
    passed_on: Sequence[Root]  # calls around the first one that ended differently, the innermost first
    others: Sequence[Root]  # further ones that are not explained by a call within them
    without_effect: Sequence[Root]  # calls that one side only made, within calls that gave back the same


Pairs = Mapping[tuple[int, int], tuple[CallRow, CallRow]]


def tell_apart(divergences: Sequence[Divergence], around: Pairs, ancestors: Callable[[int], Sequence[int]]) -> Told:
    """Sort out the differences.

    Args:
        divergences: in the order in which they came about.
        around: the pairs of calls in which a call of one side only was made.
        ancestors: of a call of this trace, the calls around it, the outermost first.
    """
    roots = _roots(divergences, around)
    harmless = [root for root in roots if _is_without_effect(root)]
    serious = [root for root in roots if root not in harmless]
    first = next(iter(serious), None) or next(iter(harmless), None)
    if first is None:
        return Told(None, (), (), ())
    outer = list(ancestors(first.this.call_id)) if first.this else []
    passed_on = [root for root in serious if root is not first and root.this and root.this.call_id in outer]
    passed_on.sort(key=lambda root: -outer.index(root.call.call_id))
    parents = {root.this.parent_call_id for root in serious if root.this} | {
        root.base.parent_call_id for root in serious if root.base and not root.this
    }
    others = [
        root
        for root in serious
        if root is not first
        and root not in passed_on
        # A call with a differing one in it only hands that on.
        and (root.args or root.call.call_id not in parents)
    ]
    return Told(first, passed_on, others, [root for root in harmless if root is not first])


def _roots(divergences: Sequence[Divergence], around: Pairs) -> list[Root]:
    """One for each pair of calls, or lone call; what only one side called belongs to the call that it was made in."""
    by_pair: dict[tuple[int | None, int | None], list[Divergence]] = {}
    for each in divergences:
        ids = (each.base.call_id if each.base else None, each.this.call_id if each.this else None)
        by_pair.setdefault(each.around or ids, []).append(each)
    roots: list[Root] = []
    for members in by_pair.values():
        own = next((each for each in members if each.around is None), None)
        lone = [each for each in members if each.around is not None]
        if own is not None:
            roots.append(Root(own.base, own.this, own.args, own.end, lone))
        elif (pair := lone[0].around) is not None and pair in around:
            roots.append(Root(*around[pair], args=False, end=False, lone=lone))
    return roots


def _is_without_effect(root: Root) -> bool:
    """A cache that was filled in one run, an import, a destructor: other calls, and nothing came of it."""
    if root.args or root.end:
        return False
    names = {each.call.name.rpartition(".")[2] for each in root.lone} or {root.call.name}
    if names <= {"<module>", "__del__"}:
        return True
    return bool(root.lone) and root.call.return_value not in (None, "null")
