"""Folds what repeats in a sequence: ``a b a b a b c`` is three rounds of ``a b``, then ``c``; also rounds in rounds."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

# Rounds of more different steps than this are not looked for.
MAX_PERIOD = 12
# Rounds in rounds, so deep.
MAX_NESTING = 4
# A sequence that stays longer than the second number over its first steps does not repeat: the rest is not tried.
_PROBE = 2_000
_MAX_PROBED = 600


@dataclass(slots=True)
class Run:
    """One step, or the same one several times in a row; ``members`` are who made it."""

    symbol: int
    members: list[int]


@dataclass(slots=True)
class Rounds:
    """Steps that were made again and again; each of ``parts`` has the members of all rounds."""

    symbol: int
    parts: list[Part]
    rounds: int


Part = Run | Rounds


class Symbols:
    """Numbers for whatever is to be compared often."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, value: Hashable) -> int:
        return self._numbers.setdefault(value, len(self._numbers))


class Folder:
    """Folds sequences; equal rounds have equal symbols in all of them, however many rounds there are."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols

    def fold(self, keys: Sequence[int], members: Sequence[int], min_rounds: int = 2) -> list[Part]:
        """The sequence with its repetitions folded.

        Args:
            keys: a symbol a step.
            members: who made each step, in ascending order.
            min_rounds: what repeats less often stays as it is.
        """
        if len(set(keys)) == len(keys):  # as most are
            return [Run(key, [member]) for key, member in zip(keys, members, strict=True)]
        if len(keys) > _PROBE and len(self._fold(keys[:_PROBE], members[:_PROBE])) > _MAX_PROBED:
            parts = _runs(keys, members)
        else:
            parts = self._fold(keys, members)
        return parts if min_rounds <= 2 else [*_unfolded(parts, dict(zip(members, keys, strict=True)), min_rounds)]

    def _fold(self, keys: Sequence[int], members: Sequence[int]) -> list[Part]:
        parts = _runs(keys, members)
        for _ in range(MAX_NESTING):
            before = len(parts)
            for period in range(2, MAX_PERIOD + 1):
                if 2 * period <= len(parts):
                    parts = self._rounds_of(parts, period)
            if len(parts) == before:
                break
            parts = _together(parts)
        return parts

    def _rounds_of(self, parts: list[Part], period: int) -> list[Part]:
        symbols = [part.symbol for part in parts]
        folded: list[Part] = []
        patterns: set[tuple[int, ...]] = set()
        at = 0
        while at < len(parts):
            end = _end_of_rounds(symbols, at, period)
            if end - at > period and not _is_better_later(symbols, at, end, period, patterns):
                pattern = tuple(symbols[at : at + period])
                patterns.add(pattern)
                folded.append(self._repeated(pattern, parts[at:end]))
                at = end
            else:
                folded.append(parts[at])
                at += 1
        for pattern in patterns:
            folded = self._single_rounds(folded, pattern)
        return folded

    def _repeated(self, pattern: tuple[int, ...], parts: Sequence[Part]) -> Rounds:
        period = len(pattern)
        first = list(parts[:period])
        for index, part in enumerate(parts[period:]):
            merge(first[index % period], part)
        return Rounds(self._symbols.of(("rounds", pattern)), first, len(parts) // period)

    def _single_rounds(self, parts: list[Part], pattern: tuple[int, ...]) -> list[Part]:
        """One round that stands alone is a loop as well where others repeat it: rounds around both are then equal."""
        found: list[Part] = []
        at = 0
        while at < len(parts):
            if parts[at].symbol == pattern[0]:
                here = parts[at : at + len(pattern)]
                if tuple(part.symbol for part in here) == pattern:
                    found.append(self._repeated(pattern, here))
                    at += len(pattern)
                    continue
            found.append(parts[at])
            at += 1
        return found


def merge(into: Part, other: Part) -> None:
    """Add the members of an equal part."""
    if isinstance(into, Run) and isinstance(other, Run):
        into.members.extend(other.members)
    elif isinstance(into, Rounds) and isinstance(other, Rounds):
        into.rounds += other.rounds
        for mine, theirs in zip(into.parts, other.parts, strict=True):
            merge(mine, theirs)


def _runs(keys: Sequence[int], members: Sequence[int]) -> list[Part]:
    runs: list[Part] = []
    at = 0
    for symbol, equal in groupby(keys):
        count = sum(1 for _ in equal)
        runs.append(Run(symbol, list(members[at : at + count])))
        at += count
    return runs


def _unfolded(parts: Sequence[Part], keys: Mapping[int, int], min_rounds: int) -> Iterator[Part]:
    """The parts, but with the steps of what was repeated seldom; what is in rounds stays folded."""
    for part in parts:
        if (len(part.members) if isinstance(part, Run) else part.rounds) >= min_rounds:
            yield part
        else:
            yield from (Run(keys[member], [member]) for member in sorted(_members(part)))


def _members(part: Part) -> Iterator[int]:
    if isinstance(part, Run):
        yield from part.members
    else:
        for each in part.parts:
            yield from _members(each)


def _end_of_rounds(symbols: Sequence[int], at: int, period: int) -> int:
    """Where the rounds that begin at ``at`` end: equal steps, a period apart, for whole rounds."""
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
    """Whether a step or more after ``at`` as many rounds begin of a pattern that was found before.

    ``b a b a b`` is two rounds of ``a b`` behind a ``b`` where there were such rounds already: then what stands around
    both can be equal.
    """
    if tuple(symbols[at : at + period]) in patterns:
        return False
    return any(
        tuple(symbols[later : later + period]) in patterns
        and _end_of_rounds(symbols, later, period) - later >= end - at
        for later in range(at + 1, at + period)
    )


def _together(parts: Sequence[Part]) -> list[Part]:
    """Rounds of the same that stand side by side are more rounds of it."""
    joined: list[Part] = []
    for part in parts:
        if joined and isinstance(part, Rounds) and joined[-1].symbol == part.symbol:
            merge(joined[-1], part)
        else:
            joined.append(part)
    return joined
