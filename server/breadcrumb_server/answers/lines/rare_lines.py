"""The lines that few of a function's calls executed: where the odd ones parted from the others."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.lines import LineCount, line_counts
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from collections.abc import Sequence


# Executed in more than this share of the calls, a line is nothing out of the ordinary.
MAX_SHARE = 0.1
MAX_GROUPS = 3
MAX_RANGES = 8


def rare_lines(reader: TraceReader, function: str) -> list[str]:
    """What to tell of those of the one function that a pattern names, if its calls were recorded with their lines."""
    counts, calls = line_counts(reader, function)
    rare = sorted(
        (each for each in counts if each.calls <= MAX_SHARE * calls),
        key=lambda each: (each.calls, each.first_call_id, each.line),
    )
    groups = [list(group) for _, group in groupby(rare, lambda each: (each.calls, each.first_call_id))]
    return [_told(group, [each.line for each in counts], calls) for group in groups[:MAX_GROUPS]]


def _told(group: Sequence[LineCount], executed: Sequence[int], calls: int) -> str:
    first = group[0]
    lines = _ranges([each.line for each in group], executed)
    noun = "line" if len(group) == 1 else "lines"
    return f"{noun} {lines} ran in {first.calls:,} of {calls:,} calls only, first in call {first.first_call_id}"


def _ranges(lines: Sequence[int], executed: Sequence[int]) -> str:
    """``303-308, 313``: lines between which no other was executed belong together."""
    position = {line: number for number, line in enumerate(executed)}
    runs: list[list[int]] = []
    for line in lines:
        if runs and position[line] == position[runs[-1][-1]] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    told = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:MAX_RANGES]]
    return ", ".join(told) + (", …" if len(runs) > MAX_RANGES else "")
