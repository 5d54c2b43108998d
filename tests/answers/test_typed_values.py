"""Test that a Decimal, a date, a member of an enumeration and the like differ from their text, and are found by both."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import json
import pathlib
import uuid
from typing import Any

import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder
from breadcrumb_server.answers.calls.answer import get_calls
from breadcrumb_server.answers.compare.noise import value_differences
from breadcrumb_server.answers.rendering.notation import notation
from breadcrumb_server.answers.rendering.reverse_notation import recorded_form
from breadcrumb_server.answers.search import search_values


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Point:
    def __init__(self, x: Any) -> None:
        self.x = x


def recorded(value: Any) -> Any:
    return json.loads(Encoder(Redactor()).encode(value))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (decimal.Decimal("1.20"), "Decimal('1.20')"),
        (fractions.Fraction(1, 3), "Fraction('1/3')"),
        (datetime.date(2025, 1, 2), "date('2025-01-02')"),
        (datetime.datetime(2025, 1, 2, 3, tzinfo=datetime.UTC), "datetime('2025-01-02T03:00:00+00:00')"),
        (datetime.timedelta(days=1), "timedelta('1 day, 0:00:00')"),
        (uuid.UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
        (pathlib.PurePosixPath("/a/b"), "PurePosixPath('/a/b')"),
        (Color.RED, "Color.RED"),
        (range(3), "range(0, 3)"),
        ((1, -2.5, None), "(1, -2.5, None)"),
        ({"a": {True, "x"}, 1: [frozenset({1})]}, "{'a': {True, 'x'}, 1: [frozenset({1})]}"),
        (Point(decimal.Decimal(3)), "Point(x=Decimal('3'))"),
        (b"raw", "b'raw'"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,  # the order of a set varies
)
def test_a_value_is_shown_in_the_notation_that_conditions_take(value: Any, shown: str) -> None:
    assert notation(recorded(value)) == shown
    assert recorded_form(shown) == recorded(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("datetime.date(2025, 1, 2)", datetime.date(2025, 1, 2)),
        ("datetime(2025, 1, 2, 3, 4)", datetime.datetime(2025, 1, 2, 3, 4)),
        ("timedelta(minutes=5)", datetime.timedelta(minutes=5)),
        ("timedelta(1)", datetime.timedelta(1)),
        ("decimal.Decimal('1.5')", decimal.Decimal("1.5")),
        ("Path('/a')", pathlib.PosixPath("/a")),
    ],
)
def test_conditions_take_pythons_own_notation_too(text: str, value: Any) -> None:
    assert recorded_form(text) == recorded(value)


@pytest.mark.parametrize("text", ["", "1.2.3", "a b", "x", "f(1, 2)", "date(2025, 13, 1)", "lambda: 0", "f(*a)", "[x]"])
def test_other_texts_are_no_notation(text: str) -> None:
    with pytest.raises(ValueError):
        recorded_form(text)


@pytest.fixture
def priced(project) -> list[int]:
    """Return the ids of calls with 1.20 as a Decimal, as a text, as a float and as a NumPy scalar, and with no value."""
    trace = project.trace()
    take = trace.function("take")
    values = [decimal.Decimal("1.20"), "1.20", 1.2, None, decimal.Decimal("11")]
    calls = [trace.call(take, args={"price": recorded(value), "day": "x"}) for value in values]
    return [*calls, trace.call(take, args={"price": {"$type": "float64", "value": 1.2}})]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("Decimal('1.20')", [1]),
        ("1.20", [1, 2, 3, 6]),
        (1.2, [3, 6]),
        ({"==": "Decimal('1.20')"}, [1]),
        ({"!=": "1.20"}, [4, 5]),
        ({"!=": "Decimal('1.20')"}, [2, 3, 4, 5, 6]),
        ({"<": 2}, [1, 2, 3, 6]),
        ({">": 2}, [5]),
        ({"type": "Decimal"}, [1, 5]),
        ({"==": "1.20", "type": "str"}, [2]),
        (None, [4]),
    ],
)
def test_a_decimal_is_found_by_its_notation_its_text_and_as_a_number(project, priced, condition, found) -> None:
    rows = get_calls(project.con, "shop", function="take", where={"args.price": condition}).rows
    assert [row[0] for row in rows] == found


def test_dates_are_compared_in_their_order(project) -> None:
    trace = project.trace()
    take = trace.function("take")
    for day in range(1, 5):
        trace.call(take, args={"day": recorded(datetime.date(2025, 1, day))})
    for condition, found in [
        ({">=": "2025-01-03"}, [3, 4]),
        ("date(2025, 1, 2)", [2]),
        ("2025-01-04", [4]),
    ]:
        rows = get_calls(project.con, "shop", function="take", where={"args.day": condition}).rows
        assert [row[0] for row in rows] == found, condition


@pytest.mark.parametrize("text", ["Decimal('1.20')", "1.20", "Color.BLUE", "datetime.date(2025, 1, 2)"])
def test_values_are_searched_by_their_notation(project, text: str) -> None:
    trace = project.trace()
    take = trace.function("take")
    values = [decimal.Decimal("1.20"), Color.BLUE, datetime.date(2025, 1, 2)]
    trace.call(take, args={"value": recorded(values)})
    trace.call(take, args={"value": recorded([decimal.Decimal("2"), Color.RED, datetime.date(2025, 1, 3)])})
    found = search_values(project.con, "shop", text=text)
    assert [row[0] for row in found.rows] == [1]
    assert "value=[Decimal('1.20'), Color.BLUE, date('2025-01-02')]" in str(found.rows[0][2])


def test_a_call_with_a_decimal_differs_from_one_with_its_text_in_rows_and_distribution(project) -> None:
    trace = project.trace()
    take = trace.function("take")
    for value in [decimal.Decimal("1.20")] * 7 + ["1.20"]:
        trace.call(take, args={"price": recorded(value)})
    page = get_calls(project.con, "shop", function="take")
    at = page.columns.index("args")
    assert [page.rows[0][at], page.rows[-1][at]] == ["price=Decimal('1.20')", "price='1.20'"]
    assert page.distribution == ["price: Decimal('1.20') x7, '1.20' x1"]


def test_two_decimals_differ_as_a_whole() -> None:
    both = [json.dumps({"price": recorded(decimal.Decimal(text))}) for text in ("1.20", "1.30")]
    (difference,) = value_differences("order", *both)
    assert (difference.path, difference.base, difference.this) == (
        "order['price']", "Decimal('1.20')", "Decimal('1.30')",
    )  # fmt: skip
    (difference,) = value_differences("color", *(json.dumps(recorded(each)) for each in Color))
    assert (difference.path, difference.base, difference.this) == ("color", "Color.RED", "Color.BLUE")
