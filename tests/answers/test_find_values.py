"""The history of a value tells where it appeared first, and the calls and lines that had it after that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breadcrumb_server.answers.common.budget import size_of
from priced_program import Program, rates


@pytest.fixture
def program(project: Any, tmp_path: Path) -> Program:
    return Program(project, tmp_path)


def test_the_first_appearance_is_told_first_then_where_it_went(program: Program) -> None:
    root = program.call(
        "total",
        {"rates": rates(), "order": {"a": 126}},
        (31, {"key": "a", "amount": 126}),
        (30, {"total": 114}),
        returns=114,
        ms=50.0,
    )
    call = program.big(126, 114, parent=root, call_line=31)
    program.con.execute("UPDATE line_records SET at_ns = at_ns + 30000000 WHERE call_id = 1 AND position = 1")
    assert program.text(value=114) == [
        "'114' is in 2 calls and 2 executed lines",
        f"first: #{call} discounted shop/pricing.py:22  amount = round(  # amount=114",
        f"#{call} discounted shop/pricing.py:19 returned 114",
        f"#{root} total shop/pricing.py:31  total += discounted(amount, rate=rates.of(key))  # total=114",
        f"#{root} total shop/pricing.py:28 returned 114",
    ]
    assert f"#{call} discounted shop/pricing.py:19 from total:31 argument amount=126" in program.text(value="126")


def test_what_holds_the_value_is_named_by_its_way_and_told_once(program: Program) -> None:
    for _ in range(3):
        program.call("Rates.of", {"self": rates(4, tea=3, milk=777), "key": "x"})
    program.call("discounted", {"amount": 777})
    assert program.text(value="777") == [
        "'777' is in 4 calls",
        "first: #1 Rates.of shop/pricing.py:9 argument self._cached['milk']=777 (Rates#4._cached['milk'] is in 2 later "
        "values, the last in #3 Rates.of shop/pricing.py:9)",
        "#4 discounted shop/pricing.py:19 argument amount=777",
    ]


def test_equal_neighbours_are_folded(program: Program) -> None:
    for _ in range(12):
        program.call("discounted", {"amount": 5}, returns=4)
    assert program.text(value="5")[1] == "first: #1…#12 x12 discounted shop/pricing.py:19 argument amount=5"


def test_exceptions_yields_and_variables_at_a_raise_are_places_too(program: Program) -> None:
    error = program.trace.exception("KeyError", "'SKU-9'", call_id=1, locals='{"wanted": "SKU-9"}')
    program.call("total", {"rates": None}, raises=error)
    function = program.trace.function("skus", "shop.pricing", 40, kind="generator")
    call = program.trace.call(function, args={}, at_ms=50)
    program.trace.yields(call, "SKU-8", "SKU-9", at_ms=51)
    text = program.text(value="SKU-9")
    assert text[1] == "first: #1 total shop/pricing.py:28 raised KeyError: 'SKU-9'"
    assert "#1 total shop/pricing.py:28 at the raise of KeyError wanted='SKU-9'" in text
    assert any("skus" in line and line.endswith("yielded[1] 'SKU-9'") for line in text)


def test_a_value_that_only_a_line_had_is_found(program: Program) -> None:
    program.call("total", {}, (30, {}), (31, {"key": "z", "amount": 4711}), (None, {}))
    assert program.text(value="4711")[1] == (
        "first: #1 total shop/pricing.py:30  for key, amount in order.items():  # amount=4711"
    )


def test_it_is_narrowed_by_function_and_by_object(program: Program) -> None:
    program.call("discounted", {"amount": 55})
    program.call("Rates.of", {"self": rates(2), "key": 55})
    program.call("Rates.of", {"self": rates(25), "key": 55})
    assert [line for line in program.text(value=55, of="Rates") if "discounted" in line] == []
    assert program.text(value=55, of="Rates#2") == [
        "'55' is in 1 call",
        "first: #2 Rates.of shop/pricing.py:9 argument key=55",
    ]


def test_a_common_value_has_pages_that_tell_each_call_once(program: Program) -> None:
    for number in range(300):
        name, args = ("discounted", {"amount": 9}) if number % 2 else ("Rates.of", {"key": 9})
        program.call(name, args)
    seen: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        answer = program.find(value="9", limit=30, cursor=cursor)
        assert size_of(answer) <= 4_000
        seen += [line.removeprefix("first: ").split()[0] for line in answer.text.split("\n")[1:]]
        cursor, pages = answer.next_cursor, pages + 1
    assert seen == [f"#{number}" for number in range(1, 301)] and pages == 10
    assert "270 later calls left out: next_cursor continues" in program.find(value="9", limit=30).notes


def test_a_value_that_nothing_has_says_why_it_may_be_missing(program: Program) -> None:
    program.big()
    assert "No recorded call or line has 'nowhere'." in program.find(value="nowhere").text
    assert "capture.max_value_chars" in program.find(value="nowhere").text
