"""Arguments that nearly all calls of a group have in common: the call that has another one is worth a look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from breadcrumb_server.answers.flow.tree import Group
from breadcrumb_server.answers.rendering.layout import value_text
from breadcrumb_storage.queries.flow.arguments import ArgumentValue, argument_values
from breadcrumb_storage.queries.trace_reader import TraceReader

# Below so many calls nothing is usual; groups of more, and those beyond so many calls altogether, are not looked at.
MIN_CALLS = 4
MAX_CALLS = 1_000
MAX_LOOKED_AT = 3_000
# One value is usual if so many calls have it, and there are few others.
USUAL_SHARE = 0.75
MAX_VALUES = 3
# Far more than is shown: where texts begin alike, what differs may come late.
_MAX_READ_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class OddArgument:
    """A parameter with its values, the usual one first: text, calls, the first call that has it."""

    name: str
    values: list[tuple[str, int, int]]

    @property
    def odd_call_id(self) -> int:
        """The first call with the rarest value."""
        return self.values[-1][2]


def odd_arguments(reader: TraceReader, groups: Iterable[Group]) -> dict[int, OddArgument]:
    """By the first call of a group, the parameter of which nearly all its calls have the same value, but not all."""
    wanted: list[Group] = []
    left = MAX_LOOKED_AT
    for group in groups:
        if MIN_CALLS <= len(group.call_ids) <= min(MAX_CALLS, left):
            wanted.append(group)
            left -= len(group.call_ids)
    found = argument_values(reader, [group.call_ids for group in wanted], MAX_VALUES)
    odd: dict[int, list[OddArgument]] = {}
    for (number, name), values in groupby(found, key=lambda value: (value.group, value.name)):
        each = _odd(wanted[number], name, [*values])
        if each is not None:
            odd.setdefault(wanted[number].first_call_id, []).append(each)
    # Where there are several, the one whose other values are rarest.
    return {call_id: max(several, key=lambda each: each.values[0][1]) for call_id, several in odd.items()}


def _odd(group: Group, name: str, values: Sequence[ArgumentValue]) -> OddArgument | None:
    if sum(value.calls for value in values) != group.calls or values[0].calls < USUAL_SHARE * group.calls:
        return None
    return OddArgument(
        name, [(value_text(value.value, _MAX_READ_CHARS), value.calls, value.first_call_id) for value in values]
    )
