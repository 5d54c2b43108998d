"""Test the search for values."""

from __future__ import annotations

import json

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.search import COLUMNS, search_values
from breadcrumb_storage.errors import BreadcrumbError


@pytest.fixture
def trace(project):
    trace = project.trace()
    trace.process()
    return trace


def test_calls_with_a_value_are_listed_in_the_order_of_time(project, trace) -> None:
    read, price, save = trace.function("read"), trace.function("price"), trace.function("save")
    late = trace.call(save, args={"row": {"sku": "SKU-4711"}}, at_ms=30)
    first = trace.call(read, args={"path": "a.csv"}, returns=["SKU-4711", "x"], at_ms=10)
    trace.call(read, args={"path": "b.csv"}, returns=["other"], at_ms=15)
    raised = trace.exception("KeyError", "'SKU-4711'")
    middle = trace.call(price, first, args={"sku": "SKU-4711"}, raises=raised, at_ms=20)
    answer = search_values(project.con, "shop", text="SKU-4711")
    assert answer.columns == COLUMNS
    assert answer.rows == [
        [first, "shop.pricing:read", "result ['SKU-4711', 'x']", "returned", 11.0, ""],
        [middle, "shop.pricing:price", "sku='SKU-4711'; KeyError: 'SKU-4711'", "raised", 20.0, "shop.pricing:read"],
        [late, "shop.pricing:save", "row={'sku': 'SKU-4711'}", "returned", 30.0, ""],
    ]
    assert answer.summary == [
        f"first: call {first} shop.pricing:read has it in result ['SKU-4711', 'x']",
        "through 3 calls of 3 functions: shop.pricing:read (1 result) -> shop.pricing:price (1 argument, 1 exception) "
        "-> shop.pricing:save (1 argument)",
        f"last: call {late} shop.pricing:save has it in row={{'sku': 'SKU-4711'}}",
    ]
    assert len(answer.next) == 1


def test_the_call_that_made_a_value_comes_before_the_caller_that_returned_it(project, trace) -> None:
    make, hand_on = trace.function("make"), trace.function("hand_on")
    outer = trace.call(hand_on, returns={"id": "a-77"}, at_ms=1, ms=50)
    inner = trace.call(make, outer, returns="a-77", at_ms=10, ms=5, call_line=14)
    answer = search_values(project.con, "shop", text="a-77")
    assert [row[0] for row in answer.rows] == [inner, outer]
    assert answer.summary[0] == (
        f"first: call {inner} shop.pricing:make, called by shop.pricing:hand_on:14, has it in result 'a-77'"
    )


def test_hits_are_a_lower_bound_where_calls_were_only_counted(project, trace) -> None:
    trace.call(trace.function("total", started_count=5_000), args={"sku": "a-77"})
    trace.call(trace.function("price"), args={"sku": "a-77"})

    assert search_values(project.con, "shop", text="a-77").summary[1].startswith("through >=2 calls of 2 functions: ")


def test_a_whole_number_is_preferred_to_a_number_that_contains_it(project, trace) -> None:
    f = trace.function("f")
    values = [1429, 42.5, -42, "x42", "SKU-42", [1, 42, 3], {"n": 42}, "a\n42", 142]
    calls = [trace.call(f, args={"value": value}) for value in values]
    answer = search_values(project.con, "shop", text=42)
    assert [row[0] for row in answer.rows] == calls[4:8]
    assert answer.notes == ["5 more calls with '42' only in longer words or numbers"]
    assert [row[0] for row in search_values(project.con, "shop", text="429").rows] == calls[:1]
    assert search_values(project.con, "shop", text="429").notes == []


def test_local_variables_at_an_exception_are_searched_too(project, trace) -> None:
    f, g = trace.function("f"), trace.function("g")
    trace.exception("KeyError", "'rate'", call_id=1, locals=json.dumps({"key": "vat-de", "table": {}}))
    call = trace.call(f, returns=0)
    trace.call(g)
    trace.exception("ValueError", "vat-de is wrong", call_id=None)
    answer = search_values(project.con, "shop", text="vat-de")
    assert [row[:3] for row in answer.rows] == [[call, "shop.pricing:f", "locals of KeyError: key='vat-de'"]]
    assert answer.notes == ["1 exception with it, raised outside of recorded calls: find_exceptions"]
    trace.exception("ValueError", "vat-at is wrong", call_id=None)
    nothing = search_values(project.con, "shop", text="vat-at")
    assert "1 exception outside of recorded calls has it" in nothing.message
    assert nothing.next[0].startswith("find_exceptions(")


def test_a_yielded_value_counts_from_the_time_of_its_yield(project, trace) -> None:
    read, price = trace.function("read"), trace.function("price")
    reading = trace.call(read, args={"path": "a.csv"}, at_ms=1, ms=50)
    trace.yields(reading, "SKU-47110", {"sku": "SKU-4711"}, "SKU-4711", at_ms=10)
    pricing = trace.call(price, args={"sku": "SKU-4711"}, at_ms=20)
    other = trace.call(read, args={"path": "b.csv"}, at_ms=60)
    trace.yields(other, "SKU-47112", count=40, at_ms=61)
    answer = search_values(project.con, "shop", text="SKU-4711")
    assert [(row[0], row[2], row[4]) for row in answer.rows] == [
        (reading, "yielded[1] {'sku': 'SKU-4711'}", 11.0),
        (pricing, "sku='SKU-4711'", 20.0),
    ]
    assert answer.summary[1] == (
        "through 2 calls of 2 functions: shop.pricing:read (1 yield) -> shop.pricing:price (1 argument)"
    )
    assert answer.notes == ["1 more call with 'SKU-4711' only in longer words or numbers"]
    assert [row[2] for row in search_values(project.con, "shop", text="SKU-47112").rows] == ["yielded[0] 'SKU-47112'"]


@pytest.mark.parametrize("text", ["None", "{'sku': 'a', 'n': None}", "'a b'", "True"])
def test_a_value_is_found_in_the_notation_of_answers(project, trace, text) -> None:
    call = trace.call(trace.function("f"), args={"row": {"sku": "a", "n": None}, "name": "a b", "ok": True})
    assert [row[0] for row in search_values(project.con, "shop", text=text).rows] == [call]


def test_a_text_with_quotes_and_escapes_is_found_unescaped(project, trace) -> None:
    call = trace.call(trace.function("f"), args={"text": 'say "hi"\n\u00e9'})
    for text in ('say "hi"', "\u00e9", '"hi"\n\u00e9'):
        assert [row[0] for row in search_values(project.con, "shop", text=text).rows] == [call]


def test_an_excerpt_of_a_long_value_is_shown(project, trace) -> None:
    trace.call(trace.function("f"), args={"text": "a" * 3000 + "needle" + "b" * 3000})
    (row,) = search_values(project.con, "shop", text="needle").rows
    assert "aneedleb" in str(row[2]) and len(str(row[2])) < 200


def test_a_page_begins_where_the_previous_one_ended(project, trace) -> None:
    f = trace.function("f")
    calls = [trace.call(f, args={"n": "needle"}) for _ in range(7)]
    found, cursor = [], None
    while True:
        page = search_values(project.con, "shop", text="needle", limit=3, cursor=cursor)
        found += [row[0] for row in page.rows]
        assert page.total == 7
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == calls


def test_an_answer_stays_within_its_size_and_an_empty_text_is_refused(project, trace) -> None:
    f = trace.function("f")
    for _ in range(200):
        trace.call(f, args={"n": "needle" * 300, "m": ["needle"] * 50})
    assert size_of(search_values(project.con, "shop", text="needle", limit=200)) <= MAX_ANSWER_CHARS
    with pytest.raises(BreadcrumbError, match="empty"):
        search_values(project.con, "shop", text="")


def test_an_empty_result_explains_possible_reasons(project, trace) -> None:
    trace.call(trace.function("f"))
    answer = search_values(project.con, "shop", text="missing")
    assert (answer.total, answer.rows) == (0, [])
    assert "max_value_chars" in answer.message
