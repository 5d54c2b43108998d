"""Arguments that nearly all calls of a group have in common: the call that has another one is worth a look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_server.answers.flow_tree import Group
from breadcrumb_server.answers.values import named_values
from breadcrumb_storage.queries.flow_calls import load_arguments
from breadcrumb_storage.queries.traces import TraceRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Below so many calls nothing is usual; groups of more, and those beyond so many calls altogether, are not looked at.
MIN_CALLS = 4
MAX_CALLS = 1_000
MAX_LOOKED_AT = 3_000
# One value is usual if so many calls have it, and there are few others.
USUAL_SHARE = 0.75
MAX_VALUES = 3


@dataclass(frozen=True, slots=True)
class OddArgument:
    """A parameter with its values, the usual one first: text, calls, the first call that has it."""

    name: str
    values: list[tuple[str, int, int]]

    @property
    def odd_call_id(self) -> int:
        """The first call with the rarest value."""
        return self.values[-1][2]


def odd_arguments(con: DuckDBPyConnection, trace: TraceRow, groups: Iterable[Group]) -> dict[int, OddArgument]:
    """By the first call of a group, the parameter of which nearly all its calls have the same value, but not all."""
    wanted: list[Group] = []
    left = MAX_LOOKED_AT
    for group in groups:
        if MIN_CALLS <= len(group.call_ids) <= min(MAX_CALLS, left):
            wanted.append(group)
            left -= len(group.call_ids)
    stored = load_arguments(con, trace, [call_id for group in wanted for call_id in group.call_ids])
    found = ((group.first_call_id, _odd(group.call_ids, stored)) for group in wanted)
    return {call_id: odd for call_id, odd in found if odd is not None}


def _odd(call_ids: Iterable[int], stored: dict[int, str]) -> OddArgument | None:
    values: dict[str, dict[str, list[int]]] = {}
    for call_id in call_ids:
        for name, text in named_values(stored.get(call_id)):
            values.setdefault(name, {}).setdefault(text, []).append(call_id)
    odd: list[OddArgument] = []
    for name, calls in values.items():
        by_count = sorted(calls.items(), key=lambda item: -len(item[1]))
        usual = len(by_count[0][1]) / sum(map(len, calls.values()))
        if 1 < len(by_count) <= MAX_VALUES and usual >= USUAL_SHARE:
            odd.append(OddArgument(name, [(text, len(ids), ids[0]) for text, ids in by_count]))
    # Where there are several, the one whose other values are rarest.
    return max(odd, key=lambda each: each.values[0][1], default=None)
