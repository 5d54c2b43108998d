"""Define the limits of a comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a comparison of two traces, in calls, lines and characters."""

    # The calls to align.

    max_aligned: int = 20_000
    """Calls of each trace that are aligned. More would take longer than an answer may."""

    max_tests: int = 5
    """Tests whose calls are aligned. Further tests would add little."""

    max_searched: int = 300_000
    """Calls that are searched for the first other value in large traces: those of functions whose values differ."""

    max_unmatched: int = 300
    """Calls found by that search whose values are read."""

    max_focused: int = 6_000
    """Calls of each trace that are aligned around the first other value. As many if only the order may differ."""

    max_unfocused: int = 12_000
    """Calls of each trace that are aligned if values differ, but the first other value was not found."""

    # The search for divergences.

    max_pairs: int = 1_500
    """Pairs of calls that are read, to see whether they differ by more than noise."""

    pairs_at_once: int = 250
    """Pairs that are read with one query."""

    max_divergences: int = 60
    """Divergences, above which the search stops. An answer does not show more."""

    max_strands: int = 6
    """Strands with different trees that are aligned from the first difference on."""

    max_strand_calls: int = 1_500
    """Calls of such a strand that are aligned."""

    max_lone_strands: int = 40
    """Lone strands that are reported."""

    max_matched: int = 40_000
    """Product of the lengths of two sequences, above which difflib is not used: its worst case is cubic."""

    max_value_depth: int = 5
    """Levels of containers in which differing parts are searched for. Deeper down, the whole value is shown."""

    # The answer.

    detail: tuple[tuple[int, int], ...] = ((12, 400), (8, 200), (5, 120), (3, 80))
    """(lines of a list, characters of a value): tried in turn until the answer fits."""

    min_time_factor: float = 2.0
    """Factor by which the own time of a function must differ to be shown. Times differ from run to run."""

    min_time_ns: int = 20_000_000
    """Nanoseconds by which the own time of a function must differ to be shown."""

    max_parts: int = 6
    """Differing parts of a call that are shown one by one."""

    max_name_chars: int = 120
    """Characters of the name of a function, or of a part of a value."""

    max_named: int = 5
    """Functions that a note names."""


LIMITS = Limits()
