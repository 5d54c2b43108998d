"""Pair a connection with the trace that is queried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.traces import TraceRow, get_trace
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class TraceReader:
    """A trace and a connection to its database: the first argument of every query about one trace.

    Attributes:
        con: A connection of `Database.read` or `Database.write`. Some queries create temporary tables on it.
        trace: The trace's row, as it was when the reader was opened.
    """

    con: DuckDBPyConnection
    trace: TraceRow

    @classmethod
    def open(cls, con: DuckDBPyConnection, trace_id: str | None, project: str) -> TraceReader:
        """Open the trace that the caller means.

        Args:
            con: A connection of `Database.read` or `Database.write`.
            trace_id: A whole id, a prefix or suffix that only one trace has; "latest" or None for the newest trace.
            project: Name of the project, for the calls that errors propose.

        Raises:
            BreadcrumbError: No trace matches, or several do.
        """
        return cls(con, get_trace(con, resolve_trace_id(con, trace_id, project)))

    @property
    def trace_id(self) -> str:
        """The id of the trace, and its key in most tables."""
        return self.trace.trace_id

    @property
    def trace_no(self) -> int:
        """The trace's key in the tables of calls, lines and yields."""
        return self.trace.trace_no
