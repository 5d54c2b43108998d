"""SQL finds the same kind, length and number of a captured value as Python."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import uuid
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb.values.encoder import Encoder
from breadcrumb_storage.queries.calls.value_sql import kind_of, length_of, number_of


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Item:
    price: float


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def evaluate(con: duckdb.DuckDBPyConnection, expression: Any, value: Any) -> Any:
    stored = Encoder(Redactor(), max_items=10, max_chars=100).encode(value).decode()
    row = con.execute(f"SELECT {expression('value')} FROM (SELECT ?::JSON AS value)", [stored]).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 0.5, "text", "", [], [1], (), (1,), {"a"}, frozenset({1}), {}, {"a": 1}, b"raw",
        bytearray(b"x"), collections.deque([1]), collections.OrderedDict(a=1), Item(2.5), Color.RED, KeyError("k"),
        decimal.Decimal("1.10"), datetime.date(2025, 1, 2), uuid.UUID(int=1), range(3), 1j,
    ],
    ids=repr,
)  # fmt: skip
def test_the_kind_of_a_value_is_its_types_name(con: duckdb.DuckDBPyConnection, value: Any) -> None:
    assert evaluate(con, kind_of, value) == ("None" if value is None else type(value).__name__)


@pytest.mark.parametrize(
    "value",
    [
        "", "text", "täxt\n", "x" * 5_000, [], [1, 2], list(range(60)), (), tuple(range(60)), {"b", "a"},
        frozenset(), {}, {"a": 1}, {str(number): number for number in range(60)}, b"raw", b"x" * 5_000,
        collections.deque(range(60)), "ends with …(+x chars)", ["…"],
    ],
    ids=lambda value: f"{type(value).__name__} of {len(value)}",
)  # fmt: skip
def test_the_length_of_a_value_is_that_before_truncation(con: duckdb.DuckDBPyConnection, value: Any) -> None:
    assert evaluate(con, length_of, value) == len(value)


@pytest.mark.parametrize("value", [None, True, 3, 0.5, Item(2.5), Color.RED, len, decimal.Decimal(1)])
def test_a_value_without_a_length_has_none(con: duckdb.DuckDBPyConnection, value: Any) -> None:
    assert evaluate(con, length_of, value) is None


def test_a_container_beyond_the_depth_limit_keeps_its_kind_and_length(con: duckdb.DuckDBPyConnection) -> None:
    stored = Encoder(Redactor(), max_depth=1).encode([[1, 2, 3]]).decode()
    row = con.execute(
        f"SELECT {kind_of('value')}, {length_of('value')} FROM (SELECT json_extract(?::JSON, '$[0]') AS value)",
        [stored],
    ).fetchone()
    assert row == ("list", 3)


def test_a_redacted_value_has_its_own_kind(con: duckdb.DuckDBPyConnection) -> None:
    row = con.execute(f"SELECT {kind_of('value')} FROM (SELECT '\"[REDACTED]\"'::JSON AS value)").fetchone()
    assert row == ("[REDACTED]",)


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), (-0.5, -0.5), (decimal.Decimal("1.10"), 1.1), ("text", None), ([1], None), (None, None)],
)
def test_numbers_and_decimals_have_a_number(con: duckdb.DuckDBPyConnection, value: Any, number: float | None) -> None:
    assert evaluate(con, number_of, value) == number
