"""Rows become dataclasses by the names of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest

from breadcrumb_storage.rows import fetch, fetch_columns, fetch_one, fetch_page, fetch_with


@dataclass(frozen=True, slots=True)
class Place:
    module: str
    line: int
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def test_fields_are_filled_by_name_in_whatever_order_the_columns_stand(con: duckdb.DuckDBPyConnection) -> None:
    assert fetch(con.execute("SELECT 'shop' AS module, 7 AS line, 3 AS calls"), Place) == [Place("shop", 7, 3)]
    assert fetch(con.execute("SELECT 3 AS calls, 'shop' AS module, 7 AS line"), Place) == [Place("shop", 7, 3)]


def test_a_missing_column_is_named_even_where_its_field_has_a_default(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(TypeError, match=r"not the fields of Place: missing: line, calls$"):
        fetch(con.execute("SELECT 'shop' AS module"), Place)


def test_an_unexpected_column_is_named(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(TypeError, match=r"not the fields of Place: unexpected: file$"):
        fetch(con.execute("SELECT 'shop' AS module, 7 AS line, 3 AS calls, 'shop.py' AS file"), Place)


def test_a_renamed_column_is_missing_and_unexpected(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(TypeError, match=r"missing: line; unexpected: line_no$"):
        fetch(con.execute("SELECT 'shop' AS module, 7 AS line_no, 3 AS calls"), Place)


def test_a_column_that_is_there_twice_is_named(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(TypeError, match=r"repeated: line$"):
        fetch(con.execute("SELECT 'shop' AS module, 7 AS line, 8 AS line, 3 AS calls"), Place)


def test_columns_are_checked_even_without_rows(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(TypeError, match=r"missing: calls$"):
        fetch(con.execute("SELECT 'shop' AS module, 7 AS line LIMIT 0"), Place)
    assert fetch(con.execute("SELECT 'shop' AS module, 7 AS line, 3 AS calls LIMIT 0"), Place) == []


def test_values_are_converted_by_column(con: duckdb.DuckDBPyConnection) -> None:
    result = con.execute("SELECT 3 AS calls, '7' AS line, 'shop' AS module")
    assert fetch(result, Place, convert={"line": int}) == [Place("shop", 7, 3)]
    with pytest.raises(TypeError, match=r"named line_no\.$"):
        fetch(con.execute("SELECT 3 AS calls, '7' AS line, 'shop' AS module"), Place, convert={"line_no": int})


def test_one_row_or_none_is_fetched(con: duckdb.DuckDBPyConnection) -> None:
    assert fetch_one(con.execute("SELECT 'shop' AS name"), Name) == Name("shop")
    assert fetch_one(con.execute("SELECT 'shop' AS name LIMIT 0"), Name) is None


def test_other_columns_are_returned_beside_the_row(con: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT i AS id, 'f' || i AS name, -i AS negative FROM range(2) t(i) ORDER BY i"
    assert fetch_with(con.execute(query), Name, "negative", "id") == [(Name("f0"), (0, 0)), (Name("f1"), (-1, 1))]
    with pytest.raises(TypeError, match=r"missing: total; unexpected: negative$"):
        fetch_with(con.execute(query), Name, "id", "total")


def test_a_page_knows_how_many_rows_there_are(con: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT 'f' || i AS name, count(*) OVER () AS total FROM range(5) t(i) ORDER BY i LIMIT {}"
    assert fetch_page(con.execute(query.format(2)), Name) == ([Name("f0"), Name("f1")], 5)
    assert fetch_page(con.execute(query.format(0)), Name) == ([], 0)


def test_columns_are_fetched_by_name(con: duckdb.DuckDBPyConnection) -> None:
    assert fetch_columns(con.execute("SELECT i AS id, -i AS negative FROM range(3) t(i) ORDER BY i")) == {
        "id": (0, 1, 2),
        "negative": (0, -1, -2),
    }
    assert fetch_columns(con.execute("SELECT 1 AS id, 2 AS negative LIMIT 0")) == {"id": (), "negative": ()}
