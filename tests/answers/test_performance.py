"""Where the time went: by function and caller, the slowest calls, the way of the time, and how it grows."""

from __future__ import annotations

import json
import re

import pytest

from breadcrumb_server.answers.fit import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.growth import find_growth, length_of
from breadcrumb_server.answers.performance import analyze_performance


@pytest.fixture
def trace(project):
    trace = project.trace()
    trace.process()
    return trace


def test_the_hot_list_tells_self_time_share_and_distribution(project, trace) -> None:
    main, slow = trace.function("main"), trace.function("slow")
    outer = trace.call(main, ms=100, child_ns=80_000_000)
    for ms in (10, 20, 50):
        trace.call(slow, outer, ms=ms)
    answer = analyze_performance(project.con, "shop")
    assert answer.functions.rows == [
        ["shop.pricing:slow", 3, 80.0, 80.0, "80.0%", 26.7, 20.0, 47.0, 50.0],
        ["shop.pricing:main", 1, 100, 20.0, "20.0%", 100, 100, 100, 100],
    ]
    assert answer.next == [
        f'analyze_performance(project="shop", function="shop.pricing:slow", trace_id="{trace.trace_id}")'
    ]
    assert (answer.callers, answer.slowest, answer.critical_path) == (None, None, [])


def test_a_function_is_told_with_its_callers_its_slowest_calls_and_the_way_of_the_time(project, trace) -> None:
    main, load, parse = trace.function("main"), trace.function("load"), trace.function("parse")
    outer = trace.call(main, ms=100)
    trace.call(load, outer, args={"path": "a"}, ms=10)
    slow = trace.call(load, outer, args={"path": "b"}, returns=[1], ms=60)
    inner = trace.call(parse, slow, args={"text": "x"}, ms=50)
    trace.call(parse, slow, ms=5)
    trace.call(load, None, args={"path": "c"}, ms=1)
    answer = analyze_performance(project.con, "shop", "load")
    assert [row[0] for row in answer.functions.rows] == ["shop.pricing:load"]
    assert answer.callers is not None and answer.slowest is not None
    assert answer.callers.rows == [["shop.pricing:main", 2, 70.0, 60.0], ["(not recorded)", 1, 1.0, 1.0]]
    assert answer.slowest.rows[0] == [slow, 60.0, "path='b'", "[1]"]
    assert [re.sub(r" +", " ", line) for line in answer.critical_path] == [
        "60.0 ms shop/pricing.py:1 load(path='b')", "50.0 ms shop/pricing.py:1 parse(text='x')",
    ]  # fmt: skip
    assert inner and answer.next[0].endswith(f'where={{"parent_call_id": {slow}}})')


def test_counts_that_are_lower_bounds_are_marked_and_counted_calls_are_in_the_total(project, trace) -> None:
    hot = trace.function("hot", started_count=150_000, exact=False, counted_ns=9_000_000)
    trace.call(hot, ms=1)
    answer = analyze_performance(project.con, "shop")
    assert answer.functions.rows[0][:4] == ["shop.pricing:hot", ">=150000", 10.0, 10.0]
    assert "only counted" in answer.notes[0]


def test_quadratic_time_is_recognised_from_the_lengths_of_an_argument(project, trace) -> None:
    total = trace.function("total")
    for n in range(2, 40):
        trace.call(total, args={"items": list(range(n)), "rate": 0.2}, ms=n * n / 100)
    answer = analyze_performance(project.con, "shop", "total")
    assert answer.growth.startswith("time grows with len(items)^2 (len(items) from 2 to 39")


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [('{"n": 5}', 100)] * 50,
        [(json.dumps({"n": n}), 1000 + (n * 7919) % 500) for n in range(1, 200)],
        [("not json", 1), ("[1]", 5), ('{"n": true}', 5)],
    ],
)
def test_no_growth_is_claimed_where_the_calls_show_none(samples) -> None:
    assert find_growth(samples) is None


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ([1, 2], 2), ([1, "…(+40 items)"], 41), ("abc", 3), ("abc…(+970 chars)", 973), ({"$tuple": [1, 2, 3]}, 3),
        ({"a": 1, "…": "+9 items"}, 10), ({"$type": "Cart", "items": [1]}, 1), ({"$type": "Cart", "name": "x"}, None),
        ({"$bytes": "ab", "size": 5000}, 5000), (None, None), ([], 0),
    ],
)  # fmt: skip
def test_the_length_of_a_cut_value_is_the_true_one(value, length) -> None:
    assert length_of(value) == length


def test_a_name_that_fits_nothing_is_answered_with_names_like_it(project, trace) -> None:
    trace.call(trace.function("total"))
    answer = analyze_performance(project.con, "shop", "totl")
    assert answer.functions.rows == []
    assert "shop.pricing:total" in answer.message
    assert answer.next[0].startswith('analyze_performance(project="shop", function="shop.pricing:total"')


def test_a_long_hot_list_stays_within_its_size(project, trace) -> None:
    for number in range(120):
        trace.call(trace.function(f"function_with_a_rather_long_name_{number}"), ms=number + 1)
    answer = analyze_performance(project.con, "shop", limit=100)
    assert size_of(answer) <= MAX_ANSWER_CHARS
    assert answer.functions.more == 120 - len(answer.functions.rows)
