"""Holds the calls of two strands against each other from the place on where their trees part.

Siblings are aligned as sequences: a call that only one side has must not make everything after it differ. First those
that agree in function and arguments keep each other in place, then, between them, those that agree in function. Of long
sequences those that occur once in both come first of all (Bram Cohen's patience diff): that leaves short ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from breadcrumb_storage.queries.compare.aligned_calls import StrandCall

# Sequences whose lengths multiply to more than this are not matched by difflib, which may take as long as this product
# times their length.
MAX_MATCHED = 40_000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two calls that stand at the same place."""

    base: StrandCall
    this: StrandCall


@dataclass(frozen=True, slots=True)
class Alone:
    """A call that only one side made."""

    call: StrandCall
    in_this: bool
    parent: Pair | int  # the pair that stands around it, or that one's place in the part that is the same; 0: none
    at_ns: int | None  # this trace's time at which it was made, or not made; None: at the end of what stands around it


@dataclass(slots=True)
class Alignment:
    pairs: list[Pair] = field(default_factory=list[Pair])
    alone: list[Alone] = field(default_factory=list[Alone])


Siblings = Sequence[StrandCall]


def align(base: Siblings, this: Siblings, *, cut: bool) -> Alignment:
    """Pairs up calls, given in the order in which they began.

    Args:
        cut: further calls follow that are not given: then nothing is said about what stands last without a partner, as
            far as that may be among them.
    """
    found = Alignment()
    children = _by_parent(base), _by_parent(this)
    before = min((call.n for call in (*base, *this)), default=0)
    places = sorted({call.parent_n for call in (*base, *this) if call.parent_n < before}, reverse=True)
    # The innermost first, then the calls around it; each with all that stands below it.
    work: list[tuple[Pair | int, Siblings, Siblings]] = [
        (place, children[0].get(place, []), children[1].get(place, [])) for place in places
    ]
    for parent, base_calls, this_calls in work:
        matched = match(base_calls, this_calls)
        if cut:
            _drop_unfinished(matched, parent, _last(base), _last(this))
        next_ns = parent.this.ended_ns if isinstance(parent, Pair) else None
        for one, other in reversed(matched):
            if one is not None and other is not None:
                pair = Pair(one, other)
                found.pairs.append(pair)
                work.append((pair, children[0].get(one.n, []), children[1].get(other.n, [])))
            elif other is not None:
                found.alone.append(Alone(other, True, parent, other.started_ns))
            elif one is not None:  # it would have come before what this trace called next
                found.alone.append(Alone(one, False, parent, next_ns))
            if other is not None:
                next_ns = other.started_ns - 1
    return found


def match(base: Siblings, this: Siblings) -> list[tuple[StrandCall | None, StrandCall | None]]:
    """The siblings of both sides in one order, each with its partner or with None."""
    if [call.name for call in base] == [call.name for call in this]:
        return list(zip(base, this, strict=True))
    return [
        pair
        for kept_base, kept_this, equal in _blocks(base, this, values=True)
        for pair in (zip(kept_base, kept_this, strict=True) if equal else _by_name(kept_base, kept_this))
    ]


def _drop_unfinished(
    matched: list[tuple[StrandCall | None, StrandCall | None]], parent: Pair | int, last_base: int, last_this: int
) -> None:
    """Take off the end what may have its partner behind the end of what is given."""

    def goes_on(call: StrandCall, last: int) -> bool:
        return call.ended_ns is None or call.ended_ns > last

    base_goes_on = not isinstance(parent, Pair) or goes_on(parent.base, last_base)
    this_goes_on = not isinstance(parent, Pair) or goes_on(parent.this, last_this)
    while matched:
        one, other = matched[-1]
        if not ((other is None and this_goes_on) or (one is None and base_goes_on)):
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
    """Both sequences cut into blocks that are equal (of one length then) or have nothing in common."""
    keys = [[(call.name, call.args_hash if values else 0) for call in side] for side in (base, this)]
    head = _common(keys[0], keys[1])
    tail = _common(keys[0][head:][::-1], keys[1][head:][::-1])
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
    """The blocks of a part of both sequences."""
    (i, k), (j, m) = begin, end
    if (j - i) * (m - k) > MAX_MATCHED:
        return [(base[i:j], this[k:m], False)]
    matcher = SequenceMatcher(None, keys[0][i:j], keys[1][k:m], autojunk=False)
    return [(base[i + a : i + b], this[k + c : k + d], tag == "equal") for tag, a, b, c, d in matcher.get_opcodes()]


def _anchors(base: Sequence[Key], this: Sequence[Key], offset: int) -> list[tuple[int, int]]:
    """Where what occurs once in both stands, as far as it has the same order in both; nothing for short sequences."""
    if len(base) * len(this) <= MAX_MATCHED:
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


def _common(base: Sequence[object], this: Sequence[object]) -> int:
    """How many items both begin with."""
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
