"""Find calls that returned although a callee raised: the first suspects of a wrong result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.tree import MODULE_BODY, Group
from breadcrumb_storage.queries.flow.caught import CaughtBelow, caught_below, partly_recorded_types
from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class CaughtType:
    """The rarest exception type that calls of a group caught."""

    type: str
    calls: int  # of the group that caught it
    first_call_id: int
    exact: bool  # False: more calls may have caught it, as not all exceptions of this type were recorded


class CaughtExceptions:
    """The exceptions that calls of a flow caught.

    Args:
        reader: the trace.
        call_ids: all calls of the flow, shown or not.
    """

    def __init__(self, reader: TraceReader, call_ids: Sequence[int]) -> None:
        self._types: dict[int, list[str]] = {}
        self._by_type: dict[str, list[CaughtBelow]] = {}
        for each in caught_below(reader, call_ids) if call_ids else ():
            self._types.setdefault(each.call_id, []).append(each.type)
            self._by_type.setdefault(each.type, []).append(each)
        self._incomplete_types = partly_recorded_types(reader) if self._types else frozenset[str]()

    def rarest_in(self, group: Group) -> CaughtType | None:
        """Return the rarest exception type that calls of the group caught."""
        counts = Counter(name for call_id in group.call_ids for name in self._types.get(call_id, ()))
        if not counts:
            return None
        name = min(counts, key=lambda name: (name in self._incomplete_types, counts[name], len(self._by_type[name])))
        first = next(call_id for call_id in group.call_ids if name in self._types.get(call_id, ()))
        return CaughtType(short_name(name), counts[name], first, name not in self._incomplete_types)

    def rare(self) -> list[CaughtBelow]:
        """Return one call for each function and exception type that is rarely caught, the rarest first.

        A type is rare if few calls of the function caught it, or if no other call of the flow did.
        """
        by_function: dict[tuple[str, str], list[CaughtBelow]] = {}
        for name, calls in self._by_type.items():
            for each in calls if name not in self._incomplete_types else ():
                by_function.setdefault((name, each.function), []).append(each)
        found = [
            (_share_of_function(calls), len(self._by_type[name]), calls[0]) for (name, _), calls in by_function.items()
        ]
        rare = [each for each in found if each[0] <= LIMITS.max_rare_share or each[1] == 1]
        # Modules try optional imports and do without them.
        rare = [each for each in rare if not each[2].function.endswith(f":{MODULE_BODY}")]
        return [
            call for _, _, call in sorted(rare, key=lambda each: (each[0] > LIMITS.max_rare_share, each[1], each[0]))
        ]


def short_name(type_name: str) -> str:
    """Remove the module from the name of a type."""
    return type_name.rpartition(".")[2]


def _share_of_function(calls: Sequence[CaughtBelow]) -> float:
    return len(calls) / calls[0].calls_of_function
