"""Pair a connection with the trace that an answer reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.traces import TraceRow, get_trace
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class TraceReader:
    """Read one trace: the first argument of every query about it."""

    con: DuckDBPyConnection
    trace: TraceRow

    @classmethod
    def open(cls, con: DuckDBPyConnection, trace_id: str | None, project: str) -> TraceReader:
        """Find the trace that a user means.

        Args:
            con: a connection to the project's database.
            trace_id: a whole id, a beginning or an end that only one trace has, or None for the newest.
            project: its name, for the follow-up calls of errors.

        Raises:
            BreadcrumbError: no trace or several traces match; see ``trace_rows.resolve_trace_id``.
        """
        return cls(con, get_trace(con, resolve_trace_id(con, trace_id, project)))

    @property
    def trace_id(self) -> str:
        """The id that tables name the trace by."""
        return self.trace.trace_id

    @property
    def trace_no(self) -> int:
        """The number that the tables of calls and lines name the trace by."""
        return self.trace.trace_no
