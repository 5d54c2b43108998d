"""One transaction as a `with` block."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def transaction(con: DuckDBPyConnection) -> Generator[None]:
    """Commits what the block did, or nothing of it when it raises."""
    con.execute("BEGIN TRANSACTION")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        # DuckDB has rolled back by itself after some errors, and then says so; the first error is the one that counts.
        with suppress(Exception):
            con.execute("ROLLBACK")
        raise
