"""What a growth costs, from the times of its runs, and its plot."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from benchmarks.growth.__main__ import STORED, UNTRACED, Least, added, plot, sizes_of
from benchmarks.growth.programs import GROWTHS
from benchmarks.growth.slope import MAX_LINEAR

from breadcrumb import record_format

CALLS = GROWTHS["calls"]


def least(power: float = 1.0) -> Least:
    """Return times in which the core in C costs a power of the size, beside a start of 30 ms and a program of 10 ns a call."""
    times: Least = {(series, 0): 0.05 for series in (UNTRACED, record_format.CORE_PURE, record_format.CORE_C, STORED)}
    for series in (record_format.CORE_PURE, record_format.CORE_C):
        times[series, 0] += 0.03
    for size in sizes_of(CALLS):
        program = size * 10e-9
        times[UNTRACED, size] = times[UNTRACED, 0] + program
        times[record_format.CORE_PURE, size] = times[record_format.CORE_PURE, 0] + program + size * 2e-6
        times[record_format.CORE_C, size] = times[record_format.CORE_C, 0] + program + size**power * 1e-6
        times[STORED, size] = times[STORED, 0] + 0.001
    return times


def test_the_start_and_the_program_itself_are_left_out() -> None:
    pure, compiled, _ = added(least(), CALLS)
    assert pure.seconds == pytest.approx([size * 2e-6 for size in sizes_of(CALLS)])
    assert str(pure.slope) == str(compiled.slope) == "linear 1.00"


def test_a_series_that_is_worse_than_linear_is_told_from_the_others() -> None:
    within = [each.is_within for each in added(least(MAX_LINEAR + 0.01), CALLS)]
    assert within == [True, False, True]


def test_a_cost_of_a_millisecond_has_no_slope() -> None:
    stored = added(least(), CALLS)[-1]
    assert stored.slope is None and stored.is_within


def test_a_plot_is_an_image_with_a_point_for_each_cost_and_no_colour_of_the_page() -> None:
    drawn = plot(CALLS, added(least(), CALLS))
    image = ElementTree.fromstring(drawn)
    tags = [element.tag.rpartition("}")[2] for element in image.iter()]
    assert tags.count("polyline") == 3 and tags.count("circle") == len(sizes_of(CALLS)) + 1  # one in the legend
    assert "core in C: linear 1.00" in drawn and "too little to tell" in drawn
    assert "background" not in drawn and "<rect width" not in drawn


def test_sizes_double() -> None:
    for growth in GROWTHS.values():
        sizes = sizes_of(growth)
        assert len(sizes) >= 5
        assert all(later == 2 * earlier for earlier, later in pairwise(sizes))
