"""Test that answers tell objects apart, and that values of different objects still count as equal."""

from __future__ import annotations

from typing import Any

import pytest

from breadcrumb_server.answers.calls.answer import get_calls
from breadcrumb_server.answers.compare.answer import compare_traces
from breadcrumb_server.answers.flow.answer import get_flow
from breadcrumb_server.answers.search import search_values


def cart(number: int, kind: str = "Cart", **fields: Any) -> dict[str, Any]:
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
