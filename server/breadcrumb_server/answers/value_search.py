"""The answer to: where did this value come from, and where did it go?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.base import Cell, Page, check_limit
from breadcrumb_server.answers.cursors import Position, decode_cursor, encode_cursor
from breadcrumb_server.answers.fit import fit_table
from breadcrumb_server.answers.follow_ups import call, first_few
from breadcrumb_server.answers.text import clean, counted, cut, milliseconds, one_line
from breadcrumb_server.answers.values import named_values, value_text
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.calls import CallRow, calls_by_id
from breadcrumb_storage.queries.traces import TraceRow, get_trace
from breadcrumb_storage.queries.value_search import FunctionHits, Hits, find_text
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_LIMIT = 200
COLUMNS = ["call_id", "function", "found_in", "outcome", "at_ms", "caller"]
# What stands around the text in a longer value.
MAX_AROUND_CHARS = 120
MAX_NAME_CHARS = 120


class ValueHits(Page):
    """The calls that had the text, in the order of time; ``found_in`` shows where, with what stands around it.

    ``at_ms`` counts from the start of the run.
    """

    trace_id: str
    first: str = Field(default="", description="the first call that had it: where it came from")
    last: str = Field(default="", description="the last call that had it")
    functions: list[str] = Field(default_factory=list, description="who had it, in the order of first sight")
    message: str = Field(default="", description="why there is nothing, where there is nothing")


def search_values(
    con: DuckDBPyConnection,
    project: str,
    text: str,
    trace_id: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> ValueHits:
    """One page of the calls whose arguments, return value or exception hold ``text``.

    Raises:
        BreadcrumbError: an empty text, an unknown trace, a limit below 1, or a cursor of another query.
    """
    if not text:
        raise BreadcrumbError("text is empty.", hint="Give a part of the value: a name, a number, an id.")
    limit, notes = check_limit(limit, MAX_LIMIT)
    query = ("search_values", project, text)
    start = decode_cursor(cursor, query) if cursor else Position(0)
    trace = get_trace(con, resolve_trace_id(con, trace_id or start.trace_id or None, project))
    hits = find_text(con, trace, text, offset=start.at, limit=limit)
    if not hits.total:
        return _nothing(project, trace, text)
    page = _Page(con, trace, text, hits)
    ends = find_text(con, trace, text, offset=hits.total - 1, limit=1) if hits.total > 1 else hits
    ends_page = _Page(con, trace, text, ends)
    first = page if start.at == 0 else _Page(con, trace, text, find_text(con, trace, text, offset=0, limit=1))

    def build(rows: int, chars: int) -> ValueHits:
        end = start.at + rows
        return ValueHits(
            project=project,
            trace_id=trace.trace_id,
            total=hits.total,
            first=first.sentence(0),
            last=ends_page.sentence(-1) if hits.total > 1 else "",
            functions=[_function_line(each) for each in hits.functions]
            + (
                [f"… {hits.function_count - len(hits.functions)} more"]
                if hits.function_count > len(hits.functions)
                else []
            ),
            columns=COLUMNS,
            rows=[page.row(index, min(chars, 600)) for index in range(rows)],
            next_cursor=encode_cursor(query, Position(end, trace.trace_id)) if end < hits.total else None,
            notes=notes,
            next=first_few(page.follow_ups(project, trace)),
        )

    return fit_table(build, len(hits.call_ids))


class _Page:
    """Some of the calls that have the text."""

    def __init__(self, con: DuckDBPyConnection, trace: TraceRow, text: str, hits: Hits) -> None:
        found = calls_by_id(con, trace, hits.call_ids)
        self.calls = [found[call_id] for call_id in hits.call_ids]
        self._parents = calls_by_id(con, trace, [c.parent_call_id for c in self.calls if c.parent_call_id])
        self._text = text
        self._started_ns = int(trace.started_at.replace(tzinfo=UTC).timestamp() * 1e9)  # stored as UTC without a zone

    def row(self, index: int, chars: int) -> list[Cell]:
        each = self.calls[index]
        return [
            each.call_id,
            one_line(f"{each.module}:{each.name}", MAX_NAME_CHARS),
            cut("; ".join(self._places(each, min(chars, MAX_AROUND_CHARS))), chars),
            each.outcome,
            milliseconds(each.started_ns - self._started_ns),
            self._caller(each),
        ]

    def sentence(self, index: int) -> str:
        each = self.calls[index]
        places = "; ".join(self._places(each, MAX_AROUND_CHARS))
        return cut(clean(f"call {each.call_id} {each.module}:{each.name} has it in {places}"), 400)

    def follow_ups(self, project: str, trace: TraceRow) -> list[str | None]:
        each = self.calls[0]
        return [
            call(
                "get_calls",
                project=project,
                function=f"{each.module}:{each.name}",
                trace_id=trace.trace_id,
                where={"call_id": each.call_id},
            )
        ]

    def _caller(self, each: CallRow) -> str:
        parent = self._parents.get(each.parent_call_id or 0)
        if parent is None:
            return ""
        line = f":{each.call_line}" if each.call_line else ""
        return one_line(f"{parent.module}:{parent.name}{line}", MAX_NAME_CHARS)

    def _places(self, each: CallRow, chars: int) -> Iterator[str]:
        """``items=[…'abc'…]``, ``result …``: where in the call the text stands."""
        for name, value in named_values(each.args):
            if self._text in value or self._text in name:
                yield f"{name}={_around(value, self._text, chars)}"
        result = value_text(each.return_value, 1_000_000)
        if self._text in result:
            yield f"result {_around(result, self._text, chars)}"
        message = clean(each.exception_message or "")
        if each.exception_type is not None and self._text in message:
            yield f"{each.exception_type}: {_around(message, self._text, chars)}"


def _around(value: str, text: str, chars: int) -> str:
    """The text with what stands around it, the rest left out."""
    if len(value) <= chars:
        return value
    at = value.find(text)
    room = max(chars - len(text), 0) // 2
    begin, end = max(at - room, 0), min(at + len(text) + room, len(value))
    return "…" * (begin > 0) + cut(value[begin:end], chars) + "…" * (end < len(value))


def _function_line(each: FunctionHits) -> str:
    counts = [
        f"{counted(count, noun)}"
        for count, noun in ((each.in_args, "argument"), (each.in_results, "result"), (each.in_exceptions, "exception"))
        if count
    ]
    return one_line(f"{each.full_name}: {', '.join(counts)}", MAX_NAME_CHARS + 60)


def _nothing(project: str, trace: TraceRow, text: str) -> ValueHits:
    return ValueHits(
        project=project,
        trace_id=trace.trace_id,
        total=0,
        columns=COLUMNS,
        rows=[],
        message=cut(
            clean(
                f"No recorded call has {text[:80]!r} in its arguments, result or exception. Long values are cut when "
                "they are recorded (capture.max_value_chars), secrets are redacted, and code that is not included is "
                "not seen."
            ),
            600,
        ),
        next=first_few([call("find_gaps", project=project, trace_id=trace.trace_id)]),
    )
