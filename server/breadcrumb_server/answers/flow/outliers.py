"""Find arguments that nearly all calls of a group have in common, and the calls that have another one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.tree import Group
from breadcrumb_server.answers.rendering.layout import value_text
from breadcrumb_storage.queries.flow.arguments import ArgumentValue, argument_values
from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class ArgumentOutlier:
    """A parameter with its values, the usual one first: text, number of calls, id of the first call."""

    name: str
    values: list[tuple[str, int, int]]

    @property
    def rarest_call_id(self) -> int:
        """The first call with the rarest value."""
        return self.values[-1][2]


def argument_outliers(reader: TraceReader, groups: Iterable[Group]) -> dict[int, ArgumentOutlier]:
    """Find at most one parameter in each group that has the same value in nearly all calls.

    Returns:
        The parameters by the first call of their group.
    """
    wanted: list[Group] = []
    left = LIMITS.max_argument_calls
    for group in groups:
        if LIMITS.min_calls <= len(group.call_ids) <= min(LIMITS.max_group_calls, left):
            wanted.append(group)
            left -= len(group.call_ids)
    found = argument_values(reader, [group.call_ids for group in wanted], LIMITS.max_argument_values)
    outliers: dict[int, list[ArgumentOutlier]] = {}
    for (number, name), values in groupby(found, key=lambda value: (value.group, value.name)):
        each = _outlier(wanted[number], name, [*values])
        if each is not None:
            outliers.setdefault(wanted[number].first_call_id, []).append(each)
    # Of several parameters, the one with the rarest outlier.
    return {call_id: max(several, key=lambda each: each.values[0][1]) for call_id, several in outliers.items()}


def _outlier(group: Group, name: str, values: Sequence[ArgumentValue]) -> ArgumentOutlier | None:
    if sum(value.calls for value in values) != group.calls or values[0].calls < LIMITS.usual_share * group.calls:
        return None
    return ArgumentOutlier(
        name, [(value_text(value.value, LIMITS.max_read_chars), value.calls, value.first_call_id) for value in values]
    )
