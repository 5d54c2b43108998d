"""Calls of a flow that returned although something that they called raised: the first suspects of a wrong result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_server.answers.flow_tree import Group
from breadcrumb_storage.queries.flow_caught import caught_below, types_not_all_written
from breadcrumb_storage.queries.traces import TraceRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A type that more calls of these functions catch is their normal way.
MAX_RARE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Caught:
    """The rarest type of exception that calls of a group have caught."""

    type: str
    calls: int  # of the group that caught it
    first_call_id: int
    exact: bool  # else there may be more calls: not all exceptions of this type are known
    shown: int  # calls of all groups shown that caught it
    rare: bool  # among the calls shown of the functions that caught it


def caught_exceptions(con: DuckDBPyConnection, trace: TraceRow, groups: Iterable[Group]) -> dict[int, Caught]:
    """By the first call of a group, what calls of it have caught."""
    group_of = {call_id: group for group in groups for call_id in group.call_ids if group.calling}
    found: dict[int, dict[str, list[int]]] = {}
    shown: Counter[str] = Counter()
    catching: dict[str, dict[int, Group]] = {}
    for call_id, type_name in caught_below(con, trace, [*group_of]):
        group = group_of[call_id]
        found.setdefault(group.first_call_id, {}).setdefault(type_name, []).append(call_id)
        shown[type_name] += 1
        catching.setdefault(type_name, {})[group.first_call_id] = group
    if not found:
        return {}
    many = types_not_all_written(con, trace)

    def is_rare(type_name: str) -> bool:
        calls = sum(group.calls for group in catching[type_name].values())
        return type_name not in many and (shown[type_name] == 1 or shown[type_name] <= calls * MAX_RARE_SHARE)

    def rarest(by_type: dict[str, list[int]]) -> Caught:
        name, ids = min(by_type.items(), key=lambda item: (item[0] in many, len(item[1]), shown[item[0]]))
        return Caught(name.rpartition(".")[2], len(ids), ids[0], name not in many, shown[name], is_rare(name))

    return {first_call_id: rarest(by_type) for first_call_id, by_type in found.items()}
