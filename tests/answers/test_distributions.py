"""The answer of get_calls shows the distribution of each parameter and the result, those with an odd one out first."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.calls.answer import get_calls
from breadcrumb_server.answers.calls.distributions import LIMITS
from proposed_calls import call_of


@pytest.fixture
def trace(project):
    trace = project.trace()
    trace.process()
    return trace


def calls(trace, name: str, *values: tuple[int, dict], returns: object = None, **columns) -> int:
    """Add calls of a function, given pairs of the number of calls and their arguments."""
    function = trace.function(name)
    for count, args in values:
        for _ in range(count):
            trace.call(function, args=args, returns=returns, **columns)
    return function


def distribution(project, function: str, **arguments) -> list[str]:
    return get_calls(project.con, "shop", function=function, limit=1, **arguments).distribution


def test_few_values_are_listed_with_their_number_of_calls(project, trace) -> None:
    calls(trace, "discount", (95, {"rate": 0.2}), (5, {"rate": None}), returns=True)

    assert distribution(project, "discount") == ["rate: 0.2 x95, None x5", "result: True x100"]


def test_the_odd_one_out_comes_first_and_the_next_call_shows_it(project, trace) -> None:
    calls(trace, "f", *((1, {"n": n, "region": "EU"}) for n in range(60)), (1, {"n": 7, "region": "US"}))

    answer = get_calls(project.con, "shop", function="f")

    assert answer.distribution == ["region: 'EU' x60, 'US' x1", "n: 0..59 x61 (60 distinct)"]
    assert f'trace_id="{trace.trace_id}", where={{"args.region": "US"}})' in answer.next[0]
    shown = get_calls(project.con, "shop", function="f", where={"args.region": "US"})
    assert [row[2] for row in shown.rows] == ["n=7, region='US'"]
    assert shown.distribution == []


@pytest.mark.parametrize(
    ("usual", "odd", "line", "where"),
    [
        ([[n] for n in range(99)], None, "v: list x99 (all different, len 1), None x1", {"args.v": None}),
        ([[n] for n in range(99)], {"$tuple": [1]}, "v: list x99 (all different, len 1), (1,) x1", {"args.v": {"==": {"$tuple": [1]}}}),
        ([[n] for n in range(99)], [], "v: list x100 (all different, len 0..1; far off: [] x1)", {"args.v": {"len": 0}}),
        ([n % 40 for n in range(99)], -5_000, "v: -5,000..39 x100 (41 distinct; far off: -5000 x1)", {"args.v": -5_000}),
        ([f"t{n}" for n in range(10, 99)], "x" * 300, "v: str x90 (all different, len 3..300; far off: len 300 x1)", {"args.v": {"len": 300}}),
        ([n / 8 for n in range(99)], "12", "v: 0..12.2 x99 (all different), '12' x1", {"args.v": "12"}),
        ([{"$type": "Cart", "n": n} for n in range(99)], {"$type": "Order", "n": 1}, "v: Cart x99 (all different), Order(n=1) x1", {"args.v": {"==": {"$type": "Order", "n": 1}}}),
        (["[REDACTED]"] * 99, None, "v: [REDACTED] x99, None x1", {"args.v": None}),
        ([0] * 90 + list(range(1, 10)), "", "v: 0..9 x99 (10 distinct, 0 x90), '' x1", {"args.v": ""}),
    ],
)  # fmt: skip
def test_what_differs_in_type_size_or_value_stands_out(project, trace, usual, odd, line, where) -> None:
    calls(trace, "f", *((1, {"v": value}) for value in [*usual, odd]))

    answer = get_calls(project.con, "shop", function="f")

    assert answer.distribution == [line]
    assert call_of(answer.next[0])[1]["where"] == where
    shown = get_calls(project.con, "shop", function="f", where=where)
    assert shown.total in (1, 2)  # a text that spells a number also matches the number
    assert len(usual) + 1 in [row[0] for row in shown.rows]


def test_exceptions_and_unfinished_calls_are_among_the_results(project, trace) -> None:
    function = calls(trace, "f", *((1, {"n": n}) for n in range(20)), returns=5)
    trace.call(function, args={"n": 3}, raises=trace.exception("ValueError"))
    trace.call(function, args={"n": 4}, ms=None)

    answer = get_calls(project.con, "shop", function="f")

    assert answer.distribution[0] == "result: 5 x20, raised ValueError x1, unfinished x1"
    assert 'where={"outcome": "unfinished"}' in answer.next[0]


def test_a_parameter_called_result_is_not_the_result(project, trace) -> None:
    calls(trace, "f", (9, {"result": 1}), (1, {"result": 2}), returns=3)

    answer = get_calls(project.con, "shop", function="f")

    assert answer.distribution == ["args.result: 1 x9, 2 x1", "result: 3 x10"]
    assert 'where={"args.result": 2}' in answer.next[0]


def test_numbers_too_large_for_a_float_are_counted(project, trace) -> None:
    calls(trace, "f", *((1, {"n": 10**400 + n}) for n in range(8)))

    (line,) = distribution(project, "f")
    assert line.endswith("x8 (all different)")


def test_values_are_not_odd_if_all_are_rare(project, trace) -> None:
    calls(trace, "f", *((1, {"n": n, "m": 1}) for n in range(5)))

    answer = get_calls(project.con, "shop", function="f")

    assert answer.distribution == ["n: 0 x1, 1 x1, 2 x1, 3 x1, 4 x1", "m: 1 x5"]
    assert all('"args.' not in text for text in answer.next)


def test_the_comprehensions_of_a_function_are_not_counted_with_it(project, trace) -> None:
    calls(trace, "total", (9, {"n": 1}), returns=2)
    calls(trace, "total.<locals>.<genexpr>", (9, {".0": "<list_iterator>"}))

    assert distribution(project, "total") == ["n: 1 x9", "result: 2 x9"]
    assert distribution(project, "genexpr") == [".0: '<list_iterator>' x9"]


def test_only_the_calls_that_meet_the_conditions_are_counted(project, trace) -> None:
    calls(trace, "f", (9, {"n": 1, "m": 2}), (8, {"n": 5, "m": None}), (1, {"n": 6, "m": 2}))

    assert distribution(project, "f", where={"args.n": {">": 1}}) == ["n: 5 x8, 6 x1", "m: None x8, 2 x1"]


def test_a_few_functions_are_counted_together_but_not_many(project, trace) -> None:
    for name in ("A.area", "B.area", "C.area"):
        calls(trace, name, (2, {"self": {"$type": name[0]}, "n": 1}))
    assert distribution(project, "area") == ["self: A() x2, B() x2, C() x2", "n: 1 x6"]
    calls(trace, "D.area", (2, {"n": 1}))
    assert distribution(project, "area") == []


def test_if_many_functions_match_those_of_exactly_that_name_are_counted(project, trace) -> None:
    for name in ("subtotal", "total_price", "Cart.total_tax", "totals"):
        calls(trace, name, (5, {"n": 1}))
    calls(trace, "Cart.total", (5, {"rate": 0.2}))

    answer = get_calls(project.con, "shop", function="total")

    assert answer.distribution == ["rate: 0.2 x5"]
    assert answer.notes == ["distribution: of the calls of shop.pricing:Cart.total only"]


def test_a_few_calls_and_later_pages_have_no_distribution(project, trace) -> None:
    calls(trace, "few", (3, {"n": 1}))
    calls(trace, "many", (9, {"n": 1}))

    assert distribution(project, "few") == []
    page = get_calls(project.con, "shop", function="many", limit=4)
    assert page.distribution == ["n: 1 x9"]
    assert get_calls(project.con, "shop", function="many", limit=4, cursor=page.next_cursor).distribution == []


def test_the_distribution_of_many_parameters_has_a_few_hundred_characters(project, trace) -> None:
    wide = {f"parameter_{number}": "x" * 30 for number in range(40)}
    calls(trace, "f", (9, wide | {"odd": 1, "big": "y" * 5_000}), (1, wide | {"odd": 2, "big": "y" * 5_000}))

    lines = distribution(project, "f")

    assert lines[0] == "odd: 1 x9, 2 x1"
    assert "parameter_12" in lines[-1] and lines[-1].startswith("… not shown: ")
    assert sum(map(len, lines)) < LIMITS.chars + 200


def test_arguments_that_are_not_json_are_not_counted(project, trace) -> None:
    function = calls(trace, "f", (8, {"n": 1, 'a"b': 2}), returns=3)
    trace.call(function, args="{broken", returns=3)

    assert distribution(project, "f") == ["n: 1 x8", "result: 3 x9"]


def test_only_a_share_of_very_many_calls_is_read_and_a_note_says_so(project, trace, monkeypatch) -> None:
    monkeypatch.setattr("breadcrumb_storage.queries.calls.distributions.MAX_CALLS", 50)
    calls(trace, "f", *((1, {"n": n}) for n in range(400)))

    answer = get_calls(project.con, "shop", function="f")

    (note,) = [note for note in answer.notes if note.startswith("distribution: of an even sample of ")]
    read = int(note.split()[6])
    assert 20 < read < 100 and "of the 400 calls" in note
    assert answer.distribution[0].endswith(f"x{read} (all different)")


def test_a_few_long_values_are_named_by_what_differs_in_them(project, trace) -> None:
    arrays = [
        {"$type": "ndarray", "shape": {"$tuple": [size]}, "dtype": "float64", "min": 0.0, "max": 1.0, **missing}
        for size, missing in ((100, {}), (100, {"nan": 1}), (50, {}))
    ]
    calls(trace, "f", (7, {"x": arrays[0]}), (2, {"x": arrays[1]}), (1, {"x": arrays[2]}))

    (line,) = distribution(project, "f")

    assert line == "x: ndarray x10 (3 distinct: shape=(100,) x7, shape=(100,), nan=1 x2, shape=(50,) x1)"
