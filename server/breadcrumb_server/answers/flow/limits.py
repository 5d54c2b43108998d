"""Define the limits of a flow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a flow, in lines, calls and characters."""

    # The outline.

    aim_lines: int = 48
    """Lines of an outline without a given depth: what a reader takes in at once."""

    fewer_lines: tuple[int, ...] = (36, 26)
    """Lines to aim at instead, in turn, where values would not be legible in so many."""

    legible_value_chars: int = 60
    """Characters of the arguments, and of the result, of one call in a legible line."""

    max_lines: int = 2_000
    """Lines of an outline of a given depth, over all of its pages."""

    max_depth: int = 50
    """Levels of calls that can be asked for."""

    totals_depth: int = 5
    """Levels of totals if no depth is given. Each level scans all calls again."""

    max_lanes: int = 12
    """Lanes of a flow. The last one takes all threads that are left; totals of more threads are a single lane."""

    max_lanes_by_shape: int = 6
    """Lanes in a shortened outline. Above it, threads share a lane if they called the same functions."""

    min_lane_lines: int = 4
    """Lines of a lane in a shortened outline, however many lanes there are."""

    min_chain: int = 5
    """Levels of a function that calls nothing but itself. Of so many or more, only the first and the last are shown."""

    # Folding.

    max_period: int = 12
    """Steps of a round. Longer rounds are not searched for."""

    min_equal: int = 3
    """Calls in a row with equal results that are folded although there is room for each."""

    max_nesting: int = 4
    """Levels of rounds within rounds."""

    probe_steps: int = 2_000
    """Steps of a long sequence that are folded first, to see whether it repeats."""

    max_probed_parts: int = 600
    """Parts of the folded probe, above which the sequence counts as not repeating and is not searched for rounds."""

    max_in_order: int = 60
    """Items below a group, folded by function, that keep their order. In longer lists no order helps the reader."""

    max_in_order_by_shape: int = 200
    """The same, folded by shape."""

    max_parts_with_loop: int = 10
    """Parts into which the first callees of a call are folded. Among more, no loop is looked for (totals only)."""

    min_loop_share: float = 0.9
    """Share of the first callees of a call that must belong to its loop (totals only)."""

    max_calls_beside_loop: int = 10
    """Calls by which the functions of a loop may differ, as some may be made before or after it (totals only)."""

    # What stands out.

    max_results: int = 3
    """Different results of a group that are shown with their counts."""

    min_calls: int = 4
    """Calls of a group, below which no value counts as usual."""

    max_group_calls: int = 1_000
    """Calls of a group, above which its arguments are not read."""

    max_argument_calls: int = 3_000
    """Calls of all groups together whose arguments are read."""

    usual_share: float = 0.75
    """Share of the calls of a group that must have a value for it to be the usual one."""

    max_argument_values: int = 3
    """Different values of a parameter, above which it has no outlier."""

    max_rare_share: float = 0.25
    """Share of the calls of a function that catch an exception type, above which that is normal."""

    # The text.

    value_chars: tuple[int, ...] = (140, 90, 60, 40, 25, 15)
    """Characters of the arguments, and of the result, of one call: tried in turn until all lines fit."""

    min_page_value_chars: int = 60
    """The same, if not all lines fit: a page of shorter values is not worth reading."""

    min_value_chars: int = 8
    """Characters of a value that is cut."""

    short_value_chars: int = 24
    """Characters of a value, above which its argument comes after the others, as it may be cut."""

    owner_share: float = 1 / 6
    """Share of the characters of all arguments that ``self`` keeps. Its type says enough."""

    max_read_chars: int = 20_000
    """Characters of a value that are read. Far more than is shown, as values that begin alike may differ late."""

    max_name_chars: int = 100
    """Characters of the name of a function or an exception type."""

    max_heading_chars: int = 160
    """Characters of the heading of a lane."""

    max_counted_functions: int = 3
    """Functions in the note about calls that were only counted."""

    beside_chars: int = 500
    """Characters beside the text: ids, notes, and what is proposed next."""

    min_shown_ns: int = 100_000
    """Nanoseconds of a call, or of all calls of a group, below which its time is not shown: it says nothing."""

    max_trivial_named: int = 4
    """Functions in the line about trivial calls that were left out."""

    max_hidden_catches: int = 3
    """Calls in the note about exceptions that were caught on no line."""


LIMITS = Limits()
