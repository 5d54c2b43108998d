"""Find the lines that few of a function's calls executed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.lines import LineCount, line_counts
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the rare lines in an answer."""

    share: float = 0.1
    """Largest share of the calls that may execute a rare line."""
    groups: int = 3
    """Groups of lines, each rendered as a text."""
    ranges: int = 8
    """Ranges of line numbers in a group."""


LIMITS = Limits()


def rare_lines(reader: TraceReader, function: str) -> list[str]:
    """Render the lines that few calls of a function executed, the rarest first.

    Args:
        reader: The trace.
        function: A pattern that matches one function.

    Returns:
        A text for each group of lines; none if no call was recorded with its lines.
    """
    counts, calls = line_counts(reader, function)
    rare = sorted(
        (each for each in counts if each.calls <= LIMITS.share * calls),
        key=lambda each: (each.calls, each.first_call_id, each.line),
    )
    groups = [list(group) for _, group in groupby(rare, lambda each: (each.calls, each.first_call_id))]
    return [_group_text(group, [each.line for each in counts], calls) for group in groups[: LIMITS.groups]]


def _group_text(group: Sequence[LineCount], executed: Sequence[int], calls: int) -> str:
    first = group[0]
    lines = _ranges([each.line for each in group], executed)
    noun = "line" if len(group) == 1 else "lines"
    return f"{noun} {lines} ran in {first.calls:,} of {calls:,} calls only, first in call {first.first_call_id}"


def _ranges(lines: Sequence[int], executed: Sequence[int]) -> str:
    """Render line numbers as ``303-308, 313``; a range has no other executed line in it."""
    position = {line: number for number, line in enumerate(executed)}
    ranges: list[list[int]] = []
    for line in lines:
        if ranges and position[line] == position[ranges[-1][-1]] + 1:
            ranges[-1].append(line)
        else:
            ranges.append([line])
    texts = [str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in ranges[: LIMITS.ranges]]
    return ", ".join(texts) + (", …" if len(ranges) > LIMITS.ranges else "")
