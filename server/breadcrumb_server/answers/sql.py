"""Answer query_traces: run one read-only SQL statement."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from pydantic import Field

from breadcrumb_server.answers.common.budget import chars_for, fit_table
from breadcrumb_server.answers.common.model import Answer, Cell, check_limit
from breadcrumb_server.answers.common.text import clean, cut
from breadcrumb_storage.sql_access.read_only_sql import MAX_RESULT_BYTES, SqlResult

MAX_LIMIT = 1_000
# More columns leave no room for a row.
MAX_COLUMNS = 60
# Clients that read JSON numbers as doubles round larger integers.
_SAFE_INTEGER = 2**53

DEFAULT_LIMIT = 100

# Runs a statement and returns at most so many rows; raises `BreadcrumbError` if the statement is wrong or writes.
SqlSource = Callable[[str, int], SqlResult]


class QueryResult(Answer):
    """Rows of a statement; a cut cell ends with the number of missing characters."""

    always_shown = frozenset({"columns", "rows", "truncated"})

    columns: list[str]
    rows: list[list[Cell]]
    truncated: bool = Field(description="whether there are more rows")


def query_traces(
    run: SqlSource, project: str, *, sql: str, limit: int = DEFAULT_LIMIT, whole: bool = False
) -> QueryResult:
    """Run one read-only statement and return its first rows.

    Args:
        run: Runs the statement on the project's database.
        project: Name of the project.
        sql: The statement.
        limit: Maximum number of rows.
        whole: Whether to return them all with whole cells, however large the answer becomes.

    Raises:
        BreadcrumbError: The statement is wrong or writes, or the limit is below 1.
    """
    limit, notes = check_limit(limit, MAX_LIMIT)
    if notes:
        notes = [f"limit was lowered to {limit}; page with LIMIT and OFFSET in the statement"]
    result = run(sql, limit)
    if result.is_full:
        notes = [
            *notes,
            f"no more rows after {len(result.rows)}: they are {MAX_RESULT_BYTES // 2**20} MiB; OFFSET has them",
        ]
    width = len(result.columns)
    if width > MAX_COLUMNS:
        notes = [*notes, f"the first {MAX_COLUMNS} of {width} columns; name the ones you need"]
    cells = [[_cell(value) for value in row[:MAX_COLUMNS]] for row in result.rows]

    def build(rows: int, chars: int) -> QueryResult:
        shown = [[cut(cell, chars) if isinstance(cell, str) else cell for cell in row] for row in cells[:rows]]
        left = len(cells) - rows
        why = f"{left} of {len(cells)} rows did not fit; select fewer columns, or use OFFSET {rows}"
        return QueryResult(
            project=project,
            columns=[cut(clean(name), min(chars, 100)) for name in result.columns[:MAX_COLUMNS]],
            rows=shown,
            truncated=result.truncated or left > 0,
            notes=[*notes, why] if left else notes,
        )

    if whole:
        return build(len(cells), sys.maxsize)
    return fit_table(build, len(cells), limit=chars_for(limit, DEFAULT_LIMIT))


def _cell(value: object) -> Cell:
    """Convert a value of a row to a cell; nested values become JSON text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _SAFE_INTEGER else str(value)
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
