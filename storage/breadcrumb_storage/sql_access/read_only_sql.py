"""Run a user's SQL: one reading statement, on a connection that can only read.

The connection of `Database.read` is what protects the database and other files. The kind of the statement is checked
first only to give a clear error.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from breadcrumb_storage.errors import QueryFailed, QueryRefused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Statement

DEFAULT_TIMEOUT_SECONDS = 30.0
# Characters of a table with its columns in the message of an error.
MAX_LINE_CHARS = 180

_READING_KINDS = ("SELECT", "EXPLAIN")  # DuckDB classifies WITH, VALUES, FROM, DESCRIBE, SHOW and SUMMARIZE as SELECT
INTERNAL_TABLES = (
    "call_records",
    "gap_records",
    "line_records",
    "yield_records",
    "executed_records",
    "neighbour_records",
    "schema_versions",
    "segments",
    "source_files",
    "source_texts",
    "pending_returns",
    "pending_child_time",
)
_COLUMNS = """
SELECT table_name, string_agg(column_name, ', ' ORDER BY column_index) FROM duckdb_columns()
WHERE NOT internal AND database_name = current_database() AND NOT list_contains(?, table_name)
GROUP BY table_name ORDER BY table_name
"""


@dataclass(frozen=True, slots=True)
class SqlResult:
    """The result of a query."""

    columns: list[str]
    types: list[str]  # names of DuckDB's types
    rows: list[list[object]]  # values as converted by `to_json`
    truncated: bool  # whether the query has more rows


def run_read_only(
    con: DuckDBPyConnection, sql: str, limit: int, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
) -> SqlResult:
    """Run one reading statement.

    Args:
        con: A connection of `Database.read`.
        sql: Exactly one SELECT, a statement that DuckDB treats as one, or EXPLAIN.
        limit: Maximum number of rows to return.
        timeout_seconds: Time after which the statement is stopped.

    Returns:
        The columns and rows, with a mark if there are more rows.

    Raises:
        QueryRefused: The SQL is not exactly one statement, or does not read.
        QueryFailed: DuckDB could not run the statement, or it took too long or needed too much memory.
    """
    import duckdb

    statement = _parse_reading_statement(con, sql)
    timed_out = threading.Event()

    def stop() -> None:
        timed_out.set()
        con.interrupt()

    timer = threading.Timer(timeout_seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        result = con.execute(statement)
        # The result is a stream: DuckDB computes only the rows that are fetched.
        rows = result.fetchmany(limit + 1)
        description = result.description or []
    except duckdb.InterruptException as error:
        if not timed_out.is_set():
            raise
        raise QueryFailed(
            f"The query was stopped after {timeout_seconds:g} s.",
            hint="Narrow it: WHERE trace_id = '...', fewer joins, or an aggregate instead of rows.",
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise QueryFailed(
            "The query needs more memory than a query may use.",
            why=str(error).strip().splitlines()[0],
            hint="Narrow it: WHERE trace_id = '...', or an aggregate instead of sorted rows.",
        ) from error
    except duckdb.Error as error:
        if "'pytz'" in str(error):  # DuckDB 2.0.0 needs it for this type, which no table here has
            raise QueryFailed(
                "A TIMESTAMP WITH TIME ZONE cannot be returned.",
                hint="Cast it, as in now()::TIMESTAMP: all times here are UTC.",
            ) from error
        raise QueryFailed("The query failed.", why=str(error).strip(), hint=describe_tables(con)) from error
    finally:
        timer.cancel()
    return SqlResult(
        columns=[str(column[0]) for column in description],
        types=[str(column[1]) for column in description],
        rows=[[to_json(value) for value in row] for row in rows[:limit]],
        truncated=len(rows) > limit,
    )


def public_columns(con: DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return the public tables and views, each with its columns joined by ``, ``."""
    return con.execute(_COLUMNS, [list(INTERNAL_TABLES)]).fetchall()


def describe_tables(con: DuckDBPyConnection) -> str:
    """Return the public tables and views as text, one per line with its columns.

    Args:
        con: A connection of `Database.read` or `Database.write`.
    """
    shown = (f"{table}({columns})" for table, columns in public_columns(con))
    return "The tables are:\n" + "\n".join(_shortened(line) for line in shown)


def _shortened(line: str) -> str:
    """Cut a line of columns: DESCRIBE lists the others."""
    return line if len(line) <= MAX_LINE_CHARS else f"{line[: MAX_LINE_CHARS - 3].rpartition(',')[0]}, …)"


def to_json(value: object) -> object:
    """Convert a value of a DuckDB row to JSON without loss; types that JSON lacks become text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return _decimal_to_json(value)
        case datetime() | date() | time():
            return value.isoformat()
        case bytes() | bytearray():
            return value.hex()
        case timedelta():
            return str(value)
        case Mapping():
            pairs = cast("Mapping[object, object]", value)
            return {str(key): to_json(item) for key, item in pairs.items()}
        case list() | tuple():
            return [to_json(item) for item in cast("list[object]", value)]
        case _:  # UUID
            return str(value)


def _decimal_to_json(value: Decimal) -> object:
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)


def _parse_reading_statement(con: DuckDBPyConnection, sql: str) -> Statement:
    import duckdb

    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryFailed("The SQL could not be parsed.", why=str(error).strip(), hint=describe_tables(con)) from error
    if len(statements) != 1:
        raise QueryRefused(
            f"The SQL holds {len(statements)} statements; exactly one can run at a time.",
            hint="Give one SELECT.",
        )
    kind = statements[0].type.name
    if kind not in _READING_KINDS:
        raise QueryRefused(
            f"A statement of kind {kind} was refused.",
            why="Queries only read: SELECT, WITH, VALUES, FROM, DESCRIBE, SHOW, SUMMARIZE and EXPLAIN.",
            hint="Queries cannot change what was recorded; delete_traces removes traces.",
        )
    return statements[0]
