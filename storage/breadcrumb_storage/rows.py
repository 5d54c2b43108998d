"""Build dataclasses from query results by column name; a missing or unexpected column is an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import starmap
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from duckdb import DuckDBPyConnection

R = TypeVar("R", bound="DataclassInstance")

Convert = Mapping[str, Callable[[Any], object]]


def fetch(result: DuckDBPyConnection, row_type: type[R], *, convert: Convert | None = None) -> list[R]:
    """Read all rows of an executed query as instances of a dataclass.

    Args:
        result: The result of `con.execute`.
        row_type: A dataclass whose fields are the columns of the query, in any order.
        convert: Functions that make a field's value from its column's, by column name.

    Raises:
        TypeError: The columns are not exactly the fields of `row_type`.
    """
    positions = _positions(result, row_type)
    return _build(row_type, positions, _read_rows(result, convert or {}))


def fetch_one(result: DuckDBPyConnection, row_type: type[R], *, convert: Convert | None = None) -> R | None:
    """Read the first row of an executed query, if there is one; otherwise like `fetch`."""
    rows = fetch(result, row_type, convert=convert)
    return rows[0] if rows else None


def fetch_with(
    result: DuckDBPyConnection, row_type: type[R], *others: str, convert: Convert | None = None
) -> list[tuple[R, tuple[Any, ...]]]:
    """Read all rows of an executed query, each with the values of columns that are not fields.

    Args:
        result: The result of `con.execute`.
        row_type: A dataclass whose fields are the columns of the query except `others`, in any order.
        others: Names of the other columns, in the order of their returned values.
        convert: As in `fetch`.

    Raises:
        TypeError: The columns are not exactly the fields of `row_type` and `others`.
    """
    positions = _positions(result, row_type, *others)
    rows = _read_rows(result, convert or {})
    besides = map(_picker(positions[len(positions) - len(others) :]), rows)
    return list(zip(_build(row_type, positions[: len(positions) - len(others)], rows), besides, strict=True))


def fetch_page(result: DuckDBPyConnection, row_type: type[R], *, convert: Convert | None = None) -> tuple[list[R], int]:
    """Read the rows of a query that has a LIMIT, and the number of rows without it.

    Args:
        result: The result of `con.execute`.
        row_type: A dataclass whose fields are the columns of the query except `total`, in any order.
        convert: As in `fetch`.

    Returns:
        The rows, and the value of their column `total`: the number of rows without the LIMIT, 0 if there is no row.

    Raises:
        TypeError: The columns are not exactly the fields of `row_type` and `total`.
    """
    found = fetch_with(result, row_type, "total", convert=convert)
    return [row for row, _ in found], found[0][1][0] if found else 0


def fetch_columns(result: DuckDBPyConnection) -> dict[str, Sequence[Any]]:
    """Read the values of an executed query by column name, each column in the order of the rows."""
    names = [column[0] for column in result.description]
    rows = result.fetchall()
    return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))


def _positions(result: DuckDBPyConnection, row_type: type[DataclassInstance], *others: str) -> tuple[int, ...]:
    """Return the position of each field's column, then of each other column."""
    wanted = [*(field.name for field in fields(row_type)), *others]
    columns = [column[0] for column in result.description]
    if Counter(columns) != Counter(wanted):
        missing = [name for name in wanted if name not in columns]
        unexpected = [name for name in columns if name not in wanted]
        repeated = [name for name, count in Counter(columns).items() if count > 1]
        faults = {"missing": missing, "unexpected": unexpected, "repeated": repeated}
        raise TypeError(
            f"The columns of the query are not the fields of {row_type.__name__}: "
            + "; ".join(f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names)
        )
    return tuple(columns.index(name) for name in wanted)


def _build(row_type: type[R], positions: tuple[int, ...], rows: list[Any]) -> list[R]:
    if positions == tuple(range(len(rows[0]) if rows else 0)):
        return list(starmap(row_type, rows))
    return list(starmap(row_type, map(_picker(positions), rows)))


def _picker(positions: tuple[int, ...]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda row: tuple(row[position] for position in positions)


def _read_rows(result: DuckDBPyConnection, convert: Convert) -> list[Any]:
    rows = result.fetchall()
    if not convert:
        return rows
    columns = [column[0] for column in result.description]
    if unknown := convert.keys() - columns:
        raise TypeError(f"There is no column to convert named {', '.join(sorted(unknown))}.")
    functions = [convert.get(column) for column in columns]
    return [[each if to is None else to(each) for to, each in zip(functions, row, strict=True)] for row in rows]
