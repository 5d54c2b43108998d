"""List the functions of a trace that were called most often: those that fill it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from breadcrumb_server.answers.common.budget import fit_table
from breadcrumb_server.answers.common.model import Answer, Table, check_limit
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one
from breadcrumb_server.answers.common.text import bounded, milliseconds, one_line
from breadcrumb_storage.queries.functions import function_times
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_FUNCTIONS = 200


class MostCalled(Answer):
    """Functions by the number of their calls, which is a lower bound with ``>=``."""

    always_shown = frozenset({"functions"})

    trace_id: str
    functions: Table


def most_called(
    con: DuckDBPyConnection, project: str, *, trace_id: str | None = None, limit: int = 10, skip: int = 0
) -> MostCalled:
    """Return the functions that were called most often.

    Args:
        con: A connection to the project's database.
        project: The project's name, for the proposed call.
        trace_id: The trace; None for the newest.
        limit: Maximum number of functions.
        skip: Number of the first functions that are left out.

    Raises:
        BreadcrumbError: The trace is unknown, or the limit is below 1.
    """
    limit, notes = check_limit(limit, MAX_FUNCTIONS)
    reader = TraceReader.open(con, trace_id, project)
    ranked = sorted(function_times(reader), key=lambda each: (-each.started, each.full_name))
    shown = ranked[skip : skip + limit]

    def build(rows: int, chars: int) -> MostCalled:
        return MostCalled(
            project=project,
            trace_id=reader.trace_id,
            functions=Table(
                columns=["function", "calls", "recorded", "self_ms"],
                rows=[
                    [
                        one_line(each.full_name, chars),
                        bounded(each.started, exact=each.exact),
                        each.recorded,
                        milliseconds(each.self_ns),
                    ]
                    for each in shown[:rows]
                ],
                more=max(len(ranked) - skip - rows, 0),
            ),
            notes=notes,
            next=at_most_one(
                [NextCalls(project, reader.trace).call("get_calls", function=shown[0].full_name) if shown else None]
            ),
        )

    return fit_table(build, len(shown))
