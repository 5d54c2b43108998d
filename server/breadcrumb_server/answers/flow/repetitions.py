"""Fold repetitions in a sequence: ``a b a b a b c`` becomes three rounds of ``a b``, then ``c``.

Rounds may contain rounds.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from breadcrumb_server.answers.flow.limits import LIMITS


@dataclass(slots=True)
class EqualSteps:
    """One step, or several equal ones in a row."""

    symbol: int
    members: list[int]  # ids of the steps


@dataclass(slots=True)
class Rounds:
    """A sequence that repeats. Each part has the members of all rounds."""

    symbol: int
    parts: list[Part]
    rounds: int


Part = EqualSteps | Rounds


class Symbols:
    """Numbers that stand for values: equal values have equal numbers, which are fast to compare."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, value: Hashable) -> int:
        """Return the number of a value."""
        return self._numbers.setdefault(value, len(self._numbers))


class SequenceFolder:
    """A folder of sequences. Rounds of equal steps have equal symbols, however many rounds there are."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols

    def fold(self, keys: Sequence[int], members: Sequence[int], min_rounds: int = 2) -> list[Part]:
        """Fold the repetitions in a sequence.

        Args:
            keys: the symbol of each step.
            members: the id of each step, in ascending order.
            min_rounds: repetitions with fewer rounds are not folded.
        """
        if len(set(keys)) == len(keys):  # true of most sequences, and fast
            return [EqualSteps(key, [member]) for key, member in zip(keys, members, strict=True)]
        probe = slice(LIMITS.probe_steps)
        if len(keys) > LIMITS.probe_steps and len(self._fold(keys[probe], members[probe])) > LIMITS.max_probed_parts:
            parts = _equal_steps(keys, members)
        else:
            parts = self._fold(keys, members)
        return parts if min_rounds <= 2 else [*_unfold_rare(parts, dict(zip(members, keys, strict=True)), min_rounds)]

    def _fold(self, keys: Sequence[int], members: Sequence[int]) -> list[Part]:
        parts = _equal_steps(keys, members)
        for _ in range(LIMITS.max_nesting):
            before = len(parts)
            for period in range(2, LIMITS.max_period + 1):
                if 2 * period <= len(parts):
                    parts = self._fold_rounds(parts, period)
            if len(parts) == before:
                break
            parts = _join_adjacent_rounds(parts)
        return parts

    def _fold_rounds(self, parts: list[Part], period: int) -> list[Part]:
        symbols = [part.symbol for part in parts]
        folded: list[Part] = []
        patterns: set[tuple[int, ...]] = set()
        at = 0
        while at < len(parts):
            end = _end_of_rounds(symbols, at, period)
            if end - at > period and not _is_better_later(symbols, at, end, period, patterns):
                pattern = tuple(symbols[at : at + period])
                patterns.add(pattern)
                folded.append(self._merged_rounds(pattern, parts[at:end]))
                at = end
            else:
                folded.append(parts[at])
                at += 1
        for pattern in patterns:
            folded = self._fold_single_rounds(folded, pattern)
        return folded

    def _merged_rounds(self, pattern: tuple[int, ...], parts: Sequence[Part]) -> Rounds:
        period = len(pattern)
        first = list(parts[:period])
        for index, part in enumerate(parts[period:]):
            merge(first[index % period], part)
        return Rounds(self._symbols.of(("rounds", pattern)), first, len(parts) // period)

    def _fold_single_rounds(self, parts: list[Part], pattern: tuple[int, ...]) -> list[Part]:
        """Make a single occurrence of the pattern a round too, so that longer rounds that contain it become equal."""
        found: list[Part] = []
        at = 0
        while at < len(parts):
            if parts[at].symbol == pattern[0]:
                here = parts[at : at + len(pattern)]
                if tuple(part.symbol for part in here) == pattern:
                    found.append(self._merged_rounds(pattern, here))
                    at += len(pattern)
                    continue
            found.append(parts[at])
            at += 1
        return found


def merge(into: Part, other: Part) -> None:
    """Add the members and rounds of an equal part."""
    if isinstance(into, EqualSteps) and isinstance(other, EqualSteps):
        into.members.extend(other.members)
    elif isinstance(into, Rounds) and isinstance(other, Rounds):
        into.rounds += other.rounds
        for mine, theirs in zip(into.parts, other.parts, strict=True):
            merge(mine, theirs)


def _equal_steps(keys: Sequence[int], members: Sequence[int]) -> list[Part]:
    runs: list[Part] = []
    at = 0
    for symbol, equal in groupby(keys):
        count = sum(1 for _ in equal)
        runs.append(EqualSteps(symbol, list(members[at : at + count])))
        at += count
    return runs


def _unfold_rare(parts: Sequence[Part], keys: Mapping[int, int], min_rounds: int) -> Iterator[Part]:
    """Replace parts with fewer than ``min_rounds`` repetitions by their steps. Parts within rounds stay folded."""
    for part in parts:
        if (len(part.members) if isinstance(part, EqualSteps) else part.rounds) >= min_rounds:
            yield part
        else:
            yield from (EqualSteps(keys[member], [member]) for member in sorted(_members(part)))


def _members(part: Part) -> Iterator[int]:
    if isinstance(part, EqualSteps):
        yield from part.members
    else:
        for each in part.parts:
            yield from _members(each)


def _end_of_rounds(symbols: Sequence[int], at: int, period: int) -> int:
    """Return the end of the whole rounds of ``period`` steps that begin at ``at``."""
    end = at + period
    if end >= len(symbols) or symbols[at] != symbols[end]:
        return end
    pattern = symbols[at:end]
    while symbols[end : end + period] == pattern:
        end += period
    return end


def _is_better_later(
    symbols: Sequence[int], at: int, end: int, period: int, patterns: Collection[tuple[int, ...]]
) -> bool:
    """Return whether rounds of a known pattern begin within the period after ``at``, and are as long or longer.

    If rounds of ``a b`` were found earlier, ``b a b a b`` is ``b`` and two rounds of ``a b`` rather than two rounds of
    ``b a`` and ``b``. Longer rounds that contain both can then be equal.
    """
    if tuple(symbols[at : at + period]) in patterns:
        return False
    return any(
        tuple(symbols[later : later + period]) in patterns
        and _end_of_rounds(symbols, later, period) - later >= end - at
        for later in range(at + 1, at + period)
    )


def _join_adjacent_rounds(parts: Sequence[Part]) -> list[Part]:
    """Join adjacent rounds of equal steps."""
    joined: list[Part] = []
    for part in parts:
        if joined and isinstance(part, Rounds) and joined[-1].symbol == part.symbol:
            merge(joined[-1], part)
        else:
            joined.append(part)
    return joined
