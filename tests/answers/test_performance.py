"""Test the times of functions and callers, slowest calls, critical paths and growth."""

from __future__ import annotations

import json
from random import Random

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.performance.answer import analyze_performance
from breadcrumb_server.answers.performance.complexity import find_growth, length_of
from breadcrumb_storage.errors import BreadcrumbError

COLUMNS = ["function", "calls", "total_ms", "self_ms", "share", "mean_ms", "p50_ms", "p95_ms", "max_ms"]


@pytest.fixture
def trace(project):
    trace = project.trace()
    trace.process()
    return trace


def test_the_hot_list_has_self_time_share_and_distribution(project, trace) -> None:
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


def test_a_function_is_shown_with_its_callers_slowest_calls_and_critical_path(project, trace) -> None:
    main, load, parse = trace.function("main"), trace.function("load"), trace.function("parse")
    outer = trace.call(main, ms=100)
    trace.call(load, outer, args={"path": "a"}, ms=10)
    slow = trace.call(load, outer, args={"path": "b"}, returns=[1], ms=60)
    inner = trace.call(parse, slow, args={"text": "x"}, ms=50)
    trace.call(parse, slow, ms=5)
    trace.call(load, None, args={"path": "c"}, ms=1)
    answer = analyze_performance(project.con, "shop", function="load")
    assert [row[0] for row in answer.functions.rows] == ["shop.pricing:load"]
    assert answer.callers is not None and answer.slowest is not None
    assert answer.callers.columns == ["caller", *COLUMNS[1:]]
    assert answer.callers.rows == [
        ["shop.pricing:main", 2, 70.0, 70.0, "98.6%", 35.0, 35.0, 57.5, 60.0],
        ["(not recorded)", 1, 1.0, 1.0, "1.41%", 1.0, 1.0, 1.0, 1.0],
    ]
    assert answer.slowest.rows[0] == [slow, 60.0, "path='b'", "[1]"]
    assert answer.critical_path == [
        f"60.0 ms  shop/pricing.py:1 load(path='b')  #{slow}",
        f"55.0 ms  in 2 calls, the slowest 50.0 ms: shop/pricing.py:1 parse(text='x')  #{inner}",
    ]
    assert answer.next[0] == f'get_flow(project="shop", trace_id="{trace.trace_id}", root_call_id={slow})'


def test_the_critical_path_begins_at_the_given_call_and_follows_the_largest_total_time(project, trace) -> None:
    main, rare, often = trace.function("main"), trace.function("rare"), trace.function("often")
    outer = trace.call(main, ms=100)
    trace.call(main, ms=500)
    trace.call(rare, outer, ms=20)
    ids = [trace.call(often, outer, ms=ms) for ms in (10, 15, 30 / 2.5, 18)]
    answer = analyze_performance(project.con, "shop", call_id=outer)
    assert [row[0] for row in answer.functions.rows] == ["shop.pricing:main"]
    assert answer.critical_path == [
        f"100 ms  shop/pricing.py:1 main()  #{outer}",
        f"55.0 ms  in 4 calls, the slowest 18.0 ms: shop/pricing.py:1 often()  #{ids[3]}",
    ]
    with pytest.raises(BreadcrumbError, match="no recorded call 99"):
        analyze_performance(project.con, "shop", call_id=99)


def test_waiting_time_is_not_active_time(project, trace) -> None:
    main, fetch = trace.function("main"), trace.function("fetch", kind="coroutine")
    outer = trace.call(main, ms=120)
    trace.call(fetch, outer, ms=100, suspended_ns=95_000_000)
    answer = analyze_performance(project.con, "shop", function="fetch")
    assert answer.functions.columns[:5] == ["function", "calls", "total_ms", "self_ms", "active_ms"]
    assert answer.functions.rows[0][2:5] == [100, 5.0, 5.0]
    assert answer.callers is not None and answer.callers.rows[0][2:5] == [100, 5.0, 5.0]


def test_the_arguments_of_a_slow_call_are_cut(project, trace) -> None:
    slow = trace.call(trace.function("distinct"), args={"names": ["x" * 50] * 20}, ms=60)
    answer = analyze_performance(project.con, "shop", function="distinct")
    assert answer.slowest is not None and len(str(answer.slowest.rows[0][2])) < 150
    assert answer.next != [] and answer.slowest.rows[0][0] == slow


def test_lower_bounds_are_marked_and_calls_that_were_only_counted_are_in_the_total(project, trace) -> None:
    hot = trace.function("hot", started_count=150_000, exact=False, counted_ns=9_000_000)
    trace.call(hot, ms=1)
    answer = analyze_performance(project.con, "shop")
    assert answer.functions.columns[:5] == ["function", "calls", "recorded", "total_ms", "self_ms"]
    assert answer.functions.rows[0][:5] == ["shop.pricing:hot", ">=150000", 1, 10.0, 10.0]
    assert "only counted" in answer.notes[0] and answer.notes[1].startswith(">=: ")


def test_quadratic_time_is_recognised_from_the_lengths_of_an_argument(project, trace) -> None:
    total = trace.function("total")
    for n in range(2, 40):
        trace.call(total, args={"items": list(range(n)), "rate": 0.2}, ms=n * n / 100)
    answer = analyze_performance(project.con, "shop", function="total")
    assert answer.growth == (
        "time grows with len(items) squared (len(items) from 2 to 39, 38 sizes in 38 calls, R² 1.00)"
    )


@pytest.mark.parametrize(
    ("args", "time", "text"),
    [
        (lambda n: {"n": n}, lambda n: 1_000 + n * 90, "time grows with n ("),
        (lambda n: {"n": n}, lambda n: n**3, "time grows with n cubed ("),
        (lambda n: {"n": n}, lambda n: n**1.5 * 50, "time grows with n to the power of 1.5 ("),
        (lambda n: {"n": n}, lambda n: 1.2**n * 100, "time grows exponentially with n: 1.2 times for each one more ("),
        (
            lambda n: {"self": {"$type": "Cart", "rows": [0] * n}},
            lambda n: n**2,
            "time grows with len(self.rows) squared",
        ),
    ],
)
def test_linear_cubic_fractional_and_exponential_growth_are_recognised(args, time, text) -> None:
    noise = Random(7)
    samples = [(json.dumps(args(n)), int(time(n) * noise.uniform(1, 1.3))) for n in range(20, 120, 3) for _ in range(4)]
    growth = find_growth(samples)
    assert growth is not None and growth.text().startswith(text)


def test_a_small_size_that_met_other_load_hides_no_growth() -> None:
    milliseconds = {250: 5.13, 500: 1.1, 1000: 3.43, 2000: 17.2, 4000: 54.7, 8000: 174}
    growth = find_growth((json.dumps({"n": n}), int(ms * 1_000_000)) for n, ms in milliseconds.items())
    assert growth is not None and growth.text().startswith("time grows with n to the power of 1.6 (")


def test_chance_hardly_ever_looks_like_growth() -> None:
    claims = 0
    for seed in range(1_000):
        chance = Random(seed)
        sizes = [chance.randint(1, 100) for _ in range(chance.choice((6, 8, 12, 30)))]
        claims += find_growth([(json.dumps({"n": n}), int(chance.lognormvariate(10, 1))) for n in sizes]) is not None
    assert claims <= 3


def test_one_large_call_does_not_look_like_growth() -> None:
    samples = [(json.dumps({"n": n}), 1_000 + n % 7) for n in range(10, 20)] + [('{"n": 10000}', 5_000_000)]
    assert find_growth(samples) is None


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [('{"n": 5}', 100)] * 50,
        [(json.dumps({"n": n}), 1000 + (n * 7919) % 500) for n in range(1, 200)],
        [("not json", 1), ("[1]", 5), ('{"n": true}', 5)],
    ],
)
def test_no_growth_is_claimed_if_the_calls_show_none(samples) -> None:
    assert find_growth(samples) is None


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ([1, 2], 2), ([1, "…(+40 items)"], 41), ("abc", 3), ("abc…(+970 chars)", 973), ({"$tuple": [1, 2, 3]}, 3),
        ({"a": 1, "…": "+9 items"}, 10), ({"$type": "Cart", "items": [1]}, 1), ({"$type": "Cart", "name": "x"}, None),
        ({"$bytes": "ab", "size": 5000}, 5000), (None, None), ([], 0),
    ],
)  # fmt: skip
def test_the_length_of_a_cut_value_is_that_of_the_whole_value(value, length) -> None:
    assert length_of(value) == length


def test_an_unknown_name_is_answered_with_similar_names(project, trace) -> None:
    trace.call(trace.function("total"))
    answer = analyze_performance(project.con, "shop", function="totl")
    assert answer.functions.rows == []
    assert "shop.pricing:total" in answer.message
    assert answer.next[0].startswith('analyze_performance(project="shop", function="shop.pricing:total"')


def test_a_long_hot_list_stays_within_its_size(project, trace) -> None:
    for number in range(120):
        trace.call(trace.function(f"function_with_a_rather_long_name_{number}"), ms=number + 1)
    answer = analyze_performance(project.con, "shop", limit=100)
    assert size_of(answer) <= MAX_ANSWER_CHARS
    assert answer.functions.more == 120 - len(answer.functions.rows)


def test_only_the_hottest_of_many_functions_are_analyzed_in_detail(project, trace) -> None:
    for number in range(30):
        trace.call(trace.function(f"step_{number}"), ms=number + 1)
    answer = analyze_performance(project.con, "shop", function="step")
    assert answer.functions.more == 15
    assert answer.callers is not None and answer.callers.rows[0][1] == 20
    assert answer.notes == ["callers, slowest calls and growth are those of the 20 hottest functions"]
