"""Answer find_exceptions: which exceptions were raised, in which calls, and who handled them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.common.budget import chars_for, fit_table
from breadcrumb_server.answers.common.cursor import Position, decode_cursor, encode_cursor, trace_of_page
from breadcrumb_server.answers.common.model import NEXT_CURSOR, Answer, check_limit
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.test_argument import check_test
from breadcrumb_server.answers.common.text import cut
from breadcrumb_server.answers.common.time_argument import parse_since
from breadcrumb_server.answers.exceptions.details import (
    ExceptionDetail,
    ExceptionLimits,
    LoadedException,
    load_exceptions,
)
from breadcrumb_server.answers.exceptions.repeats import without_repeats
from breadcrumb_storage.queries import exceptions as queries
from breadcrumb_storage.queries.exception_filter import ExceptionFilter, UnderTests
from breadcrumb_storage.queries.tests import test_failures, test_ranges
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT_LIMIT = 10
MAX_LIMIT = 30


class ExceptionList(Answer):
    """Exceptions, equal ones folded, the most serious first.

    The order is: uncaught ones, those that left the traced code, logged ones, handled ones, and those that their
    handlers expect. In each group, those raised under a failing test come first and those of imports last; handled ones
    are ordered by how rare they are.
    """

    always_shown = frozenset({"exceptions", "total"})
    shown_last = ("next_cursor", "notes", "next")

    trace_id: str = Field(default="", description="the trace searched; empty: all traces since a time")
    total: int = Field(description="number of exceptions on all pages, equal ones included")
    kinds: int = Field(default=0, description="number of entries on all pages")
    exceptions: list[ExceptionDetail]
    message: str = Field(default="", description="the reason, if there is no result")
    next_cursor: str | None = Field(default=None, description=NEXT_CURSOR)


def find_exceptions(
    con: DuckDBPyConnection,
    project: str,
    *,
    since: str | None = None,
    trace_id: str | None = None,
    type: str | None = None,
    include_handled: bool = True,
    test: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> ExceptionList:
    """Return one page of the exceptions of a trace, or of all traces since a time.

    Args:
        con: A connection to the project's database.
        project: The project's name, for the proposed calls.
        since: A time, see ``parse_since``.
        trace_id: One trace. Without it and ``since``, the newest trace.
        type: A name with or without its module, or a glob. Without it, control flow such as StopIteration is left out.
        include_handled: False leaves out exceptions that the traced code handled itself, unless it logged them.
        test: A name of tests, see ``test_ranges``: only exceptions raised under them, in one trace.
        limit: Entries of the page.
        cursor: ``next_cursor`` of the previous page.

    Raises:
        BreadcrumbError: The trace or the test is unknown, ``since`` is no time, the limit is below 1, or the cursor is
            of another query.
    """
    limit, notes = check_limit(limit, MAX_LIMIT)
    query = ("find_exceptions", project, since, trace_id, type, include_handled, test)
    start = decode_cursor(cursor, query) if cursor else Position(0)
    reader = None
    if trace_id is not None or since is None or test is not None:
        reader = TraceReader.open(con, trace_of_page(trace_id, start), project)
    about = reader.trace_id if reader else ""
    wanted = ExceptionFilter(
        trace_id=about or None,
        since=parse_since(since) if since else None,
        type=type or None,
        include_handled=include_handled,
        under=_under_tests(reader, test) if reader and test is not None else None,
    )
    groups, kinds, total = queries.exception_groups(con, wanted, offset=start.at, limit=limit)
    loaded = load_exceptions(con, groups, reader)
    part = Parts()

    def build(count: int, chars: int) -> ExceptionList:
        end = start.at + count
        return part.told(
            ExceptionList(
                project=project,
                trace_id=about,
                total=total,
                kinds=kinds,
                exceptions=without_repeats(
                    part.each("exceptions", loaded[:count], lambda each: each.render(ExceptionLimits.of_size(chars)))
                ),
                message=part.text("message", lambda: "" if kinds else _why_nothing(con, wanted)),
                next_cursor=encode_cursor(query, Position(end, about)) if end < kinds else None,
                notes=[*notes],
                next=part.rows("next", lambda: at_most_one(_next_calls(project, reader, loaded))),
            )
        )

    return fit_table(build, len(loaded), limit=chars_for(limit, DEFAULT_LIMIT))


def _under_tests(reader: TraceReader, test: str) -> UnderTests:
    check_test(reader, test)
    return UnderTests(test_ranges(reader, test), test_failures(reader, test))


def _next_calls(project: str, reader: TraceReader | None, loaded: Sequence[LoadedException]) -> list[str | None]:
    if loaded:
        return [_show_raise(project, loaded[0])]
    return [NextCalls(project, reader.trace).call("get_trace") if reader else None]


def _show_raise(project: str, exception: LoadedException) -> str | None:
    """Propose the lines of the innermost traced call of an exception."""
    innermost = exception.chain.innermost if exception.chain else None
    if innermost is None:
        return None
    return NextCalls(project, exception.trace).show(f"{innermost.module}:{innermost.name}", innermost.call_id)


def raising_call(project: str, exception: LoadedException) -> str | None:
    """Propose the innermost traced call of an exception, with its values in full."""
    innermost = exception.chain.innermost if exception.chain else None
    if innermost is None:
        return None
    next_calls = NextCalls(project, exception.trace)
    return next_calls.get_calls(f"{innermost.module}:{innermost.name}", {"call_id": innermost.call_id})


def _why_nothing(con: DuckDBPyConnection, wanted: ExceptionFilter) -> str:
    types = queries.exception_types(con, wanted.trace_id, wanted.since)
    where = "under this test" if wanted.under else "in this trace" if wanted.trace_id else "since then"
    if not types:
        return f"No exception was recorded {where}."
    named = ", ".join(cut(name, 60) for name in types[:8]) + (", …" if len(types) > 8 else "")
    kind = (
        "exception of this type"
        if wanted.type
        else "unhandled exception"
        if not wanted.include_handled
        else "exception"
    )
    return f"No {kind} was recorded {where}; what was recorded: {named}."
