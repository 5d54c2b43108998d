"""Run a user's SQL: one reading statement, on a connection that can only read.

The connection of `Database.read` is what protects the database and other files. The kind of the statement is checked
first only to give a clear error. DuckDB stops neither the folding of a constant nor the planning of a statement, and
counts little of their memory: what holds for any statement are the limits of the process that runs this
(:mod:`query_worker`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from breadcrumb_storage.errors import QueryFailed, QueryRefused, first_line, is_corruption

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Statement

DEFAULT_TIMEOUT_SECONDS = 30.0
# Bytes of the rows of a result, about as JSON. An answer shows a few thousand; a file of all rows can have as many.
MAX_RESULT_BYTES = 16 * 1024 * 1024
# Rows that are taken from DuckDB at once.
_FETCHED_ROWS = 16
# Characters of DuckDB's own message.
MAX_MESSAGE_CHARS = 2_000
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
    is_full: bool = False  # whether there are more rows because these are as large as a result may be


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
        duckdb.Error: It met a damaged block, or was interrupted by somebody else.
    """
    import duckdb

    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryRefused("The SQL holds characters that are no text, such as half of a surrogate pair.") from error
    timed_out = threading.Event()

    def stop() -> None:
        timed_out.set()
        con.interrupt()

    timer = threading.Timer(timeout_seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        result = con.execute(_parse_reading_statement(con, sql))
        description = result.description or []
        rows, truncated, is_full = _fetch(result, limit)
    except duckdb.InterruptException as error:
        if not timed_out.is_set():
            raise
        raise timeout_error(timeout_seconds) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise memory_error(first_line(error)) from error
    except RecursionError as error:
        raise QueryFailed(
            "The query returns a value that is nested too deeply.", hint="Select a part of it, or cast it to VARCHAR."
        ) from error
    except duckdb.Error as error:
        if is_corruption(error):  # the file is to blame, which the statement's author cannot mend: `Database` names it
            raise
        if "'pytz'" in str(error):  # DuckDB 2.0.0 needs it for this type, which no table here has
            raise QueryFailed(
                "A TIMESTAMP WITH TIME ZONE cannot be returned.",
                hint="Cast it, as in now()::TIMESTAMP: all times here are UTC.",
            ) from error
        raise QueryFailed("The query failed.", why=_message(error), hint=_tables_if_known(con)) from error
    finally:
        timer.cancel()
    return SqlResult(
        columns=[str(column[0]) for column in description],
        types=[str(column[1]) for column in description],
        rows=rows,
        truncated=truncated,
        is_full=is_full,
    )


def memory_error(why: str = "") -> QueryFailed:
    """Return the error for a statement that needs too much memory.

    Args:
        why: What noticed it.
    """
    return QueryFailed(
        "The query needs more memory than a query may use.",
        why=why,
        hint="Narrow it: WHERE trace_id = '...', or an aggregate instead of sorted rows.",
    )


def timeout_error(seconds: float) -> QueryFailed:
    """Return the error for a statement that took longer than this."""
    return QueryFailed(
        f"The query was stopped after {seconds:g} s.",
        hint="Narrow it: WHERE trace_id = '...', fewer joins, or an aggregate instead of rows.",
    )


def _fetch(result: DuckDBPyConnection, limit: int) -> tuple[list[list[object]], bool, bool]:
    """Return the first rows of a result, whether it has more, and whether that is for their size.

    The result is a stream: DuckDB computes only the rows that are fetched.

    Raises:
        QueryFailed: The first row alone is larger than a result may be.
    """
    rows: list[list[object]] = []
    left = MAX_RESULT_BYTES
    while len(rows) <= limit and (fetched := result.fetchmany(min(_FETCHED_ROWS, limit + 1 - len(rows)))):
        for row in fetched:
            if len(rows) == limit:
                return rows, True, False
            cells = [to_json(value) for value in row]
            left -= sum(map(_size, cells))
            if left < 0 and not rows:
                raise QueryFailed(
                    f"The first row alone is larger than a result may be: {MAX_RESULT_BYTES // 2**20} MiB.",
                    hint="Select a part of the value, such as left(args, 1000), or its length.",
                )
            if left < 0:
                return rows, True, True
            rows.append(cells)
    return rows, False, False


def _size(value: object) -> int:
    """Return about how many bytes a value takes as JSON."""
    match value:
        case str():
            return len(value) + 2
        case dict():
            return sum(len(key) + 4 + _size(item) for key, item in cast("dict[str, object]", value).items()) + 2
        case list():
            return sum(_size(item) + 1 for item in cast("list[object]", value)) + 2
        case _:
            return 8


def _message(error: Exception) -> str:
    """Return the text of an error of DuckDB, cut: it may repeat a statement of any length."""
    text = str(error).strip()
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]} … ({len(text):,} characters)"


def _tables_if_known(con: DuckDBPyConnection) -> str:
    """Return `describe_tables`, or nothing if the connection is of no use any more."""
    import duckdb

    try:
        return describe_tables(con)
    except (duckdb.Error, MemoryError):
        return ""


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


def _kind(statement: Statement) -> str:
    try:
        return statement.type.name
    except ValueError:  # DuckDB's Python module has no name for some of its kinds, such as UPDATE EXTENSIONS
        return "OTHER"


def _parse_reading_statement(con: DuckDBPyConnection, sql: str) -> Statement:
    import duckdb

    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryFailed("The SQL could not be parsed.", why=_message(error), hint=_tables_if_known(con)) from error
    if len(statements) != 1:
        raise QueryRefused(
            f"The SQL holds {len(statements)} statements; exactly one can run at a time.",
            hint="Give one SELECT.",
        )
    kind = _kind(statements[0])
    if kind not in _READING_KINDS:
        raise QueryRefused(
            f"A statement of kind {kind} was refused.",
            why="Queries only read: SELECT, WITH, VALUES, FROM, DESCRIBE, SHOW, SUMMARIZE and EXPLAIN.",
            hint="Queries cannot change what was recorded; delete_traces removes traces.",
        )
    return statements[0]
