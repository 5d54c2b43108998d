"""Calls of a flow that returned although something that they called raised: the first suspects of a wrong result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.flow.tree import MODULE_BODY, Group
from breadcrumb_storage.queries.flow.caught import CaughtBelow, caught_below, partly_recorded_types
from breadcrumb_storage.queries.trace_reader import TraceReader

# A type that more calls of a function catch is its normal way.
MAX_RARE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Caught:
    """The rarest type of exception that calls of a group have caught."""

    type: str
    calls: int  # of the group that caught it
    first_call_id: int
    exact: bool  # else there may be more calls: not all exceptions of this type are known


class CaughtExceptions:
    """What the calls of a flow have caught."""

    def __init__(self, reader: TraceReader, call_ids: Sequence[int]) -> None:
        """
        Args:
            call_ids: all calls of the flow, shown or not.
        """
        self._types: dict[int, list[str]] = {}
        self._by_type: dict[str, list[CaughtBelow]] = {}
        for each in caught_below(reader, call_ids):
            self._types.setdefault(each.call_id, []).append(each.type)
            self._by_type.setdefault(each.type, []).append(each)
        self._many = partly_recorded_types(reader) if self._types else frozenset[str]()

    def of(self, group: Group) -> Caught | None:
        """What calls of a group have caught."""
        counts = Counter(name for call_id in group.call_ids for name in self._types.get(call_id, ()))
        if not counts:
            return None
        name = min(counts, key=lambda name: (name in self._many, counts[name], len(self._by_type[name])))
        first = next(call_id for call_id in group.call_ids if name in self._types.get(call_id, ()))
        return Caught(short_name(name), counts[name], first, name not in self._many)

    def rare(self) -> list[CaughtBelow]:
        """The first call of each function to catch what it seldom does, or nothing else did; the rarest first."""
        by_function: dict[tuple[str, str], list[CaughtBelow]] = {}
        for name, calls in self._by_type.items():
            for each in calls if name not in self._many else ():
                by_function.setdefault((name, each.function), []).append(each)
        found = [(_share(calls), len(self._by_type[name]), calls[0]) for (name, _), calls in by_function.items()]
        rare = [each for each in found if each[0] <= MAX_RARE_SHARE or each[1] == 1]
        # What an import tried and did without is seldom what is looked for.
        rare = [each for each in rare if not each[2].function.endswith(f":{MODULE_BODY}")]
        return [call for _, _, call in sorted(rare, key=lambda each: (each[0] > MAX_RARE_SHARE, each[1], each[0]))]


def short_name(type_name: str) -> str:
    """A type without its module."""
    return type_name.rpartition(".")[2]


def _share(calls: Sequence[CaughtBelow]) -> float:
    """How many of the calls of their function these are."""
    return len(calls) / calls[0].calls_of_function
