"""Test that answers tell objects apart, and that values of different objects still count as equal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from breadcrumb_server.answers.calls.answer import get_calls
from breadcrumb_server.answers.compare.answer import compare_traces
from breadcrumb_server.answers.flow.answer import get_flow
from breadcrumb_server.answers.rendering.identities import cut_names
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_server.answers.search import search_values


def cart(number: int, /, kind: Any = "Cart", **fields: Any) -> dict[str, Any]:
    return {"$type": kind, "$object": number, **fields}


@pytest.fixture
def carts(project):
    """Return a trace with five calls of ``pay``: of Cart#1, Cart#12, Cart#2, Cart#1 again, and None."""
    trace = project.trace()
    trace.process()
    pay = trace.function("pay")
    trace.call(pay, args={"cart": cart(1, "shop.f.<locals>.Cart", total=5)})
    trace.call(pay, args={"cart": cart(12, total=5)})
    trace.call(pay, args={"cart": [cart(2, total=5), "<Cart#3>"]})
    trace.call(pay, args={"cart": None}, returns="<cycle: shop.f.<locals>.Cart#1>")
    trace.call(pay, args={"cart": "Cart#1 is a text"})
    return trace


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"args.cart": "Cart#1"}, [1]),
        ({"args.cart": "Cart#1(total=5)"}, [1]),  # as an answer shows it
        ({"args.cart": "Cart#2"}, []),
        ({"args.cart": {"contains": "Cart#2"}}, [3]),
        ({"args.cart": {"contains": "Cart#3"}}, [3]),
        ({"args.cart": {"!=": "Cart#1"}}, [2, 3, 4, 5]),
        ({"args.cart": "Cart(total=5)"}, [2]),
        ({"result": "Cart#1"}, [4]),
        ({"contains": "Cart#1"}, [1, 4]),
        ({"args.cart": {"type": "Cart"}}, [2]),
        ({"args.cart": "[Cart#2(total=5), '<Cart>']"}, [3]),
    ],
)
def test_conditions_find_an_object_by_its_name(project, carts, where, ids) -> None:
    answer = get_calls(project.con, "shop", function="pay", where=where)
    assert [row[0] for row in answer.rows] == ids


def test_the_search_for_an_object_finds_every_call_that_had_it_and_no_other(project, carts) -> None:
    answer = search_values(project.con, "shop", text="Cart#1")
    assert [row[0] for row in answer.rows] == [1, 4]
    assert answer.rows[0][2] == "cart=Cart#1(total=5)"
    assert answer.rows[1][2] == "result Cart#1"


def test_runs_that_number_their_objects_differently_are_equal(project) -> None:
    ids = "20250110-120001-0001", "20250110-120002-0002"
    for trace_id, first in zip(ids, (1, 7), strict=True):
        trace = project.trace(trace_id)
        trace.process()
        outer = trace.call(trace.function("main"))
        make, pay = trace.function("make"), trace.function("pay")
        made = trace.call(make, outer, returns=cart(first, total=5, inner=f"<Inner#{first}>"))
        trace.call(pay, outer, args={"cart": cart(first, total=5), "all": {"$set": [f"<Cart#{first}>"]}})
        trace.yields(made, cart(first, total=5))
    answer = compare_traces(project.con, "shop", base_trace_id=ids[0], trace_id=ids[1])
    assert (answer.verdict, answer.first) == ("No call went differently.", None)


def test_a_flow_folds_calls_that_return_equal_objects(project) -> None:
    trace = project.trace()
    trace.process()
    outer = trace.call(trace.function("main"), ms=100)
    make = trace.function("make")
    for number in range(1, 31):
        trace.call(make, outer, args={"n": 0}, returns=cart(number, total=5))
    text = "\n".join(get_flow(project.con, "shop").lines)
    assert "make x30" in text and "total=5" in text and "distinct" not in text


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ({"$type": "Future", "$state": "pending"}, {"$type": "Future", "$state": "finished", "result": "<str>"}, "No"),
        ({"$type": "lock", "$state": "locked"}, {"$type": "lock", "$state": "unlocked"}, "No"),
        (
            {"$type": "generator", "$state": "suspended at line 12", "name": "rows"},
            {"$type": "generator", "$state": "suspended at line 13", "name": "rows"},
            "No",
        ),
        ({"$type": "Future", "$state": "pending"}, {"$type": "Future", "$state": "cancelled"}, "1"),
        ({"$type": "generator", "$state": "not started"}, {"$type": "generator", "$state": "exhausted"}, "1"),
    ],
)
def test_only_states_that_no_moment_explains_are_differences(project, before, after, verdict) -> None:
    ids = "20250110-120001-0001", "20250110-120002-0002"
    for trace_id, value in zip(ids, (before, after), strict=True):
        trace = project.trace(trace_id)
        trace.process()
        trace.call(trace.function("take"), args={"value": value})
    answer = compare_traces(project.con, "shop", base_trace_id=ids[0], trace_id=ids[1])
    assert (answer.first is None) == (verdict == "No"), answer


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (cart(1, "test_x.<locals>.Cart", total=5), "Cart#1(total=5)"),
        (cart(1), "Cart#1"),
        ("<cycle: shop.f.<locals>.Cart#7>", "Cart#7"),
        ([cart(1, total=5), cart(1, total=5), cart(2, total=5)], "[Cart#1(total=5), Cart#1, Cart#2(total=5)]"),
        ({"$type": "Future", "$object": 2, "$state": "cancelled"}, "Future#2<cancelled>"),
        ({"$type": "Queue", "$object": 3, "$state": "empty", "maxsize": 2}, "Queue#3<empty, maxsize=2>"),
        ({"$set": []}, "set()"),
        ({"$frozenset": []}, "frozenset()"),
        ({}, "{}"),
        ({"$set": [1]}, "{1}"),
        (cart(4, **{f"field_{n}": None for n in range(9)}, name="tea"), "Cart#4(name='tea', …)"),
        (cart(4, voucher=None), "Cart#4(voucher=None)"),  # small: nothing is left out
    ],
)
def test_objects_and_empty_containers_are_told_apart(stored, shown) -> None:
    assert str(Mentions().value(json.dumps(stored))) == shown


def test_a_text_shows_an_object_once_and_then_what_changed() -> None:
    mentions = Mentions()
    inner = {"inner": cart(9, "Inner", x=1)}
    first = mentions.value(json.dumps(cart(1, total=5, name="tea", **inner)))
    mentions.shown(str(first))
    assert str(first) == "Cart#1(total=5, name='tea', inner=Inner#9(x=1))"
    assert str(mentions.value(json.dumps(cart(1, total=5, name="tea", inner="<Inner#9>")))) == "Cart#1"  # cut deeper
    assert str(mentions.value(json.dumps(cart(1, total=7, name="tea", **inner)))) == "Cart#1(total=7)"
    assert str(mentions.value(json.dumps(cart(1, total=5, name=None, **inner)))) == "Cart#1(name=None)"
    assert str(mentions.value(json.dumps(cart(10, "Inner", x=1)))) == "Inner#10(x=1)"


def test_an_object_that_was_cut_out_of_a_text_is_shown_later() -> None:
    mentions = Mentions()
    mentions.value(json.dumps([cart(1, total=5), cart(2, total=6)]))
    mentions.shown("[Cart#1(total=5), …(+20 chars)")
    assert str(mentions.value(json.dumps([cart(1, total=5), cart(2, total=6)]))) == "[Cart#1, Cart#2(total=6)]"


@pytest.mark.parametrize(
    ("text", "chars", "shown"),
    [
        ("'<class tests.strategies.test_included.Included>'", 40, "'<class …test_included.Included>'"),
        ("'<class tests.strategies.test_included.Included>'", 28, "'<class …Included>'"),
        ("'<class tests.strategies.test_included.Included>'", 80, "'<class tests.strategies.test_included.Included>'"),
        ("'<function tests.test_shop.make.<locals>.inner>'", 30, "'<function …inner>'"),
        ("['<class a.b.One>', '<class a.b.Two>']", 36, "['<class …b.One>', '<class …b.Two>']"),
        ("'a < b. c'", 5, "'a < b. c'"),
    ],
)
def test_dotted_names_lose_their_beginnings(text, chars, shown) -> None:
    assert cut_names(text, chars) == shown
