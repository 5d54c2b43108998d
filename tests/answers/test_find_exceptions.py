"""The history of an exception tells where it was raised, with what, who handled it, and what it became."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from breadcrumb_server.answers.common.budget import size_of
from priced_program import Program, rates

STARTED = datetime(2025, 1, 10, 12, 0, 0)


@pytest.fixture
def program(project: Any, tmp_path: Path) -> Program:
    return Program(project, tmp_path)


def raised(program: Program, message: str, **columns: Any) -> int:
    """Add an exception that a call of total raised."""
    row = {"file": str(program.file), "line": 31, "function_name": "total", "handled": False, **columns}
    return program.trace.exception(row.pop("type", "KeyError"), message, **row)


def test_place_message_arguments_and_handler_are_told(program: Program) -> None:
    call = program.call("total", {"rates": None, "order": {"a": 1}})
    raised(program, "'tea'", call_id=call, handled=True, handled_by="shop.pricing:Rates.of:12")
    assert program.text(exception="KeyError") == [
        "KeyError: 1 raise at 1 place",
        f"#{call} total shop/pricing.py:31 !! KeyError: 'tea' with rates=None, order={{'a': 1}}; "
        "handled by Rates.of shop/pricing.py:12",
    ]


def test_what_it_was_raised_from_and_raised_again_as_is_told_on_both_sides(program: Program) -> None:
    first = raised(program, "'tea'", call_id=1, handled=True, handled_by="shop.pricing:total:32")
    raised(program, "no price", type="shop.errors.PriceError", line=33, cause_id=first, uncaught=True)
    assert "; raised again as shop.errors.PriceError at shop/pricing.py:33" in program.find(exception="KeyError").text
    text = program.find(exception="PriceError").text
    assert "!! shop.errors.PriceError: no price; raised from KeyError of shop/pricing.py:31; nobody handled it" in text


def test_equal_ones_are_folded_with_their_messages(program: Program) -> None:
    for number in range(40):
        raised(program, f"order {number}", call_id=program.call("total", {"order": number}))
    program.trace.further_raises(100)
    text = program.text(exception="KeyError")
    assert text[0] == "KeyError: 40 raises at 1 place, and 100 of equal ones that were only counted"
    assert text[1].startswith(
        "#1…#40 x40 total shop/pricing.py:31 !! KeyError: order 0 | order 1 | … | order 39 with order=0; "
    )


def test_the_first_one_at_a_line_where_no_passing_test_raises_is_marked(program: Program) -> None:
    trace = program.trace
    for number, (line, outcome) in enumerate([(31, "passed"), (31, "failed"), (40, "failed"), (41, "failed")], 1):
        error = raised(program, f"in {number}", line=line, raised_at=STARTED + timedelta(milliseconds=10 * number + 5))
        trace.test(f"tests/test_shop.py::test_{number}", number, number, outcome, exception_id=error)
    text = program.text(exception="KeyError")
    assert [line for line in text if "<- the first at a line where no passing test raises" in line] == [
        next(line for line in text if "in 3" in line)
    ]
    other = trace.exception("OSError", "gone", raised_at=STARTED)
    assert other and program.text(exception="OSError")[0] == (
        "OSError: 1 raise at 1 place; the first exception at a line where no passing test raises is KeyError at "
        "shop/pricing.py:40"
    )


def test_without_a_passing_test_none_is_marked(program: Program) -> None:
    error = raised(program, "x", raised_at=STARTED + timedelta(milliseconds=15))
    program.trace.test("tests/test_shop.py::test_1", 1, 1, "failed", exception_id=error)
    assert "<-" not in program.find(exception="KeyError").text


@pytest.mark.parametrize("wanted", ["KeyError", "shop.KeyError", "keyerr", "*Key*", "no price", "*price*"])
def test_types_with_or_without_module_parts_and_globs_of_type_or_message_fit(program: Program, wanted: str) -> None:
    raised(program, "no price of tea", type="shop.KeyError")
    raised(program, "gone", type="OSError")
    raised(program, "", type="StopIteration", control_flow=True)
    text = program.find(exception=wanted).text
    assert "no price of tea" in text and "gone" not in text and "StopIteration" not in text


def test_control_flow_is_told_only_where_it_is_named(program: Program) -> None:
    raised(program, "", type="StopIteration", control_flow=True)
    raised(program, "gone", type="OSError")
    assert "!! StopIteration;" in program.find(exception="StopIteration").text
    assert "StopIteration" not in program.find(exception="*").text


def test_it_is_narrowed_by_the_function_that_raised_and_by_the_object_of_its_call(program: Program) -> None:
    one = program.call("Rates.of", {"self": rates(1), "key": "a"})
    two = program.call("Rates.of", {"self": rates(12), "key": "b"})
    raised(program, "of one", function_name="Rates.of", call_id=one)
    raised(program, "of two", function_name="Rates.of", call_id=two)
    raised(program, "of total")
    assert "of total" not in program.find(exception="KeyError", of="Rates").text
    text = program.find(exception="KeyError", of="Rates#1").text
    assert "of one" in text and "of two" not in text


def test_a_type_that_was_not_raised_is_answered_with_the_nearest_and_all_others(program: Program) -> None:
    program.big()
    assert "no exception was recorded in this trace" in program.find(exception="KeyError").text
    raised(program, "x")
    raised(program, "x", type="OSError")
    assert (
        "no exception has it in its type or message. The nearest: KeyError. Recorded were: KeyError, OSError."
        in program.find(exception="KeyEror").text
    )


def test_a_long_history_has_pages(program: Program) -> None:
    for number in range(50):
        raised(program, f"message {number} " + "x" * 300, line=number + 1)
    told, cursor, pages = "", None, 0
    while pages == 0 or cursor:
        answer = program.find(exception="KeyError", cursor=cursor)
        assert size_of(answer) <= 4_000
        told, cursor, pages = told + answer.text, answer.next_cursor, pages + 1
    assert pages > 1 and [number for number in range(50) if told.count(f"message {number} ") != 1] == []
