"""Align the calls of two strands from the first difference between their trees on.

Siblings are aligned as sequences, so that a lone call does not make everything after it differ. Calls that agree in
function and arguments are matched first, then, between them, calls that agree in function. Long sequences are first
split at calls that occur once in both (Bram Cohen's patience diff), which leaves short ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from breadcrumb_server.answers.compare.limits import LIMITS
from breadcrumb_storage.queries.compare.aligned_calls import StrandCall


@dataclass(frozen=True, slots=True)
class Pair:
    """Two calls at the same place of both trees."""

    base: StrandCall
    this: StrandCall


@dataclass(frozen=True, slots=True)
class LoneCall:
    """A call without a partner in the other trace."""

    call: StrandCall
    in_this: bool
    parent: Pair | int  # the pair around it, or the place of that pair in the part of equal trees (0: none)
    at_ns: int | None  # when it was made, or not made, in the time of this trace; None: at the end of its parent


@dataclass(slots=True)
class Alignment:
    """Calls that have a partner, and calls that have none."""

    pairs: list[Pair] = field(default_factory=list[Pair])
    lone_calls: list[LoneCall] = field(default_factory=list[LoneCall])


Siblings = Sequence[StrandCall]


def align(base: Siblings, this: Siblings, *, more: bool) -> Alignment:
    """Align calls.

    Args:
        base: calls of the base, by the time of their begin.
        this: the same of this trace.
        more: further calls follow, which are not given. The last calls are not reported as lone if their partners may
            be among those.
    """
    found = Alignment()
    children = _by_parent(base), _by_parent(this)
    before = min((call.n for call in (*base, *this)), default=0)
    places = sorted({call.parent_n for call in (*base, *this) if call.parent_n < before}, reverse=True)
    # The innermost parents come first. The loop adds each pair, so that the calls below it are aligned too.
    work: list[tuple[Pair | int, Siblings, Siblings]] = [
        (place, children[0].get(place, []), children[1].get(place, [])) for place in places
    ]
    for parent, base_calls, this_calls in work:
        matched = match(base_calls, this_calls)
        if more:
            _drop_undecided(matched, parent, _last(base), _last(this))
        next_ns = parent.this.ended_ns if isinstance(parent, Pair) else None
        for one, other in reversed(matched):
            if one is not None and other is not None:
                pair = Pair(one, other)
                found.pairs.append(pair)
                work.append((pair, children[0].get(one.n, []), children[1].get(other.n, [])))
            elif other is not None:
                found.lone_calls.append(LoneCall(other, True, parent, other.started_ns))
            elif one is not None:  # it is missing just before the next call of this trace
                found.lone_calls.append(LoneCall(one, False, parent, next_ns))
            if other is not None:
                next_ns = other.started_ns - 1
    return found


def match(base: Siblings, this: Siblings) -> list[tuple[StrandCall | None, StrandCall | None]]:
    """Merge the siblings of both sides in order, each with its partner or None."""
    if [call.name for call in base] == [call.name for call in this]:
        return list(zip(base, this, strict=True))
    return [
        pair
        for kept_base, kept_this, equal in _blocks(base, this, values=True)
        for pair in (zip(kept_base, kept_this, strict=True) if equal else _by_name(kept_base, kept_this))
    ]


def _drop_undecided(
    matched: list[tuple[StrandCall | None, StrandCall | None]], parent: Pair | int, last_base: int, last_this: int
) -> None:
    """Remove calls from the end whose partners may follow the given calls."""

    def may_go_on(call: StrandCall, last: int) -> bool:
        return call.ended_ns is None or call.ended_ns > last

    base_may_go_on = not isinstance(parent, Pair) or may_go_on(parent.base, last_base)
    this_may_go_on = not isinstance(parent, Pair) or may_go_on(parent.this, last_this)
    while matched:
        one, other = matched[-1]
        if not ((other is None and this_may_go_on) or (one is None and base_may_go_on)):
            break
        matched.pop()


def _last(calls: Siblings) -> int:
    return calls[-1].started_ns if calls else 0


def _by_name(base: Siblings, this: Siblings) -> list[tuple[StrandCall | None, StrandCall | None]]:
    matched: list[tuple[StrandCall | None, StrandCall | None]] = []
    for kept_base, kept_this, equal in _blocks(base, this, values=False):
        if equal:
            matched += zip(kept_base, kept_this, strict=True)
        else:
            matched += [(call, None) for call in kept_base]
            matched += [(None, call) for call in kept_this]
    return matched


def _blocks(base: Siblings, this: Siblings, *, values: bool) -> list[tuple[Siblings, Siblings, bool]]:
    """Split both sequences into blocks that are equal, and blocks that have nothing in common (False)."""
    keys = [[(call.name, call.args_hash if values else 0) for call in side] for side in (base, this)]
    head = _common_length(keys[0], keys[1])
    tail = _common_length(keys[0][head:][::-1], keys[1][head:][::-1])
    ends = len(base) - tail, len(this) - tail
    blocks: list[tuple[Siblings, Siblings, bool]] = [(base[:head], this[:head], True)]
    begin = (head, head)
    for end in [*_anchors(keys[0][head : ends[0]], keys[1][head : ends[1]], head), ends]:
        blocks += _between(base, this, keys, begin, end)
        if end != ends:
            blocks.append((base[end[0] : end[0] + 1], this[end[1] : end[1] + 1], True))
        begin = (end[0] + 1, end[1] + 1)
    blocks.append((base[ends[0] :], this[ends[1] :], True))
    return blocks


Key = tuple[str, int]


def _between(
    base: Siblings, this: Siblings, keys: Sequence[Sequence[Key]], begin: tuple[int, int], end: tuple[int, int]
) -> list[tuple[Siblings, Siblings, bool]]:
    """Split a part of both sequences into blocks."""
    (i, k), (j, m) = begin, end
    if (j - i) * (m - k) > LIMITS.max_matched:
        return [(base[i:j], this[k:m], False)]
    matcher = SequenceMatcher(None, keys[0][i:j], keys[1][k:m], autojunk=False)
    return [(base[i + a : i + b], this[k + c : k + d], tag == "equal") for tag, a, b, c, d in matcher.get_opcodes()]


def _anchors(base: Sequence[Key], this: Sequence[Key], offset: int) -> list[tuple[int, int]]:
    """Find the places of items that occur once in both and in the same order; none in short sequences."""
    if len(base) * len(this) <= LIMITS.max_matched:
        return []
    counts = Counter(base), Counter(this)
    there = {key: place for place, key in enumerate(this)}
    pairs = [(i, there[key]) for i, key in enumerate(base) if counts[0][key] == 1 == counts[1][key]]
    # The longest increasing subsequence of the places in ``this``, by patience sorting.
    tops: list[int] = []
    piles: list[list[tuple[int, int]]] = []
    before: dict[tuple[int, int], tuple[int, int] | None] = {}
    for pair in pairs:
        pile = bisect_left(tops, pair[1])
        before[pair] = piles[pile - 1][-1] if pile else None
        if pile == len(piles):
            piles.append([])
            tops.append(0)
        piles[pile].append(pair)
        tops[pile] = pair[1]
    longest: list[tuple[int, int]] = []
    pair_or_none = piles[-1][-1] if piles else None
    while pair_or_none is not None:
        longest.append((pair_or_none[0] + offset, pair_or_none[1] + offset))
        pair_or_none = before[pair_or_none]
    return longest[::-1]


def _common_length(base: Sequence[object], this: Sequence[object]) -> int:
    """Count the equal items at the beginning."""
    count = 0
    for one, other in zip(base, this, strict=False):
        if one != other:
            break
        count += 1
    return count


def _by_parent(calls: Siblings) -> dict[int, list[StrandCall]]:
    children: dict[int, list[StrandCall]] = {}
    for call in calls:
        children.setdefault(call.parent_n, []).append(call)
    return children
