"""Run a `with` block as one transaction."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def transaction(con: DuckDBPyConnection) -> Generator[None]:
    """Commit the changes of the block, or roll them back when it raises."""
    con.execute("BEGIN TRANSACTION")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        # ROLLBACK fails where DuckDB has rolled back by itself; only the first error is of use to the caller.
        with suppress(Exception):
            con.execute("ROLLBACK")
        raise
