"""Answer search_values: which calls had a value, from the first to the last."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.common.budget import chars_for, fit_table
from breadcrumb_server.answers.common.cursor import Position, decode_cursor, encode_cursor, trace_of_page
from breadcrumb_server.answers.common.model import Cell, Page, check_limit
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import clean, counted, cut, milliseconds, one_line
from breadcrumb_server.answers.rendering.layout import value_text
from breadcrumb_server.answers.rendering.notation import named_values
from breadcrumb_server.answers.rendering.texts_in_values import excerpt, spellings
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.calls.object_names import ObjectName
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.functions import function_times
from breadcrumb_storage.queries.search import FunctionHits, Hit, TextHits, word_pattern
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = ["call_id", "function", "found_in", "outcome", "at_ms", "caller"]

DEFAULT_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of this answer."""

    rows: int = 200
    """Rows of a page."""
    excerpt_chars: int = 120
    """Characters of a longer value, around the text."""
    found_chars: int = 600
    """Characters of all excerpts in a row."""
    name_chars: int = 120
    """Characters of a function's name."""
    summary_chars: int = 500
    """Characters of a line of the summary."""
    read_chars: int = 1_000_000
    """Characters of a value that are searched for excerpts."""


LIMITS = Limits()


class ValueHits(Page):
    """The calls that had the text, by the time at which each had it first.

    Arguments count when the call started, results and exceptions when it ended. ``found_in`` shows where the text is,
    and the text around it: ``yielded[2]`` is the third value of a generator, ``locals of KeyError`` are the local
    variables when that was raised. ``at_ms`` counts from the start of the run.
    """

    always_shown = frozenset({"summary", "columns", "rows", "total"})
    shown_last = ("columns", "rows", "next_cursor", "notes", "next")

    trace_id: str
    summary: list[str] = Field(
        default_factory=list, description="where it appeared first, which functions it went through, where it ended"
    )
    message: str = Field(default="", description="the reason, if there is no result")


def search_values(
    con: DuckDBPyConnection,
    project: str,
    *,
    text: str | float,
    trace_id: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> ValueHits:
    """Return one page of the calls whose arguments, yielded values, return value or exception contain ``text``.

    Hits are the calls with the text as a whole word or number, so that 42 does not match 1429. If there are none, hits
    are the calls with the text anywhere.

    Raises:
        BreadcrumbError: The text is empty, the trace unknown, the limit below 1, or the cursor of another query.
    """
    text = text if isinstance(text, str) else json.dumps(text)
    if not text:
        raise BreadcrumbError("text is empty.", hint="Give a part of the value: a name, a number, an id.")
    limit, notes = check_limit(limit, LIMITS.rows)
    query = ("search_values", project, text)
    start = decode_cursor(cursor, query) if cursor else Position(0)
    reader = TraceReader.open(con, trace_of_page(trace_id, start), project)
    next_calls = NextCalls(project, reader.trace)
    hits = TextHits(reader, text, spellings(text))
    if not hits.total:
        return _nothing(next_calls, text, hits.exceptions_elsewhere())
    page = _HitCalls(reader, text, hits, hits.page(start.at, limit))
    part = Parts()
    summary = part.rows("summary", lambda: _summary(reader, text, hits))

    def build(rows: int, chars: int) -> ValueHits:
        end = start.at + rows
        return part.told(
            ValueHits(
                project=project,
                trace_id=reader.trace_id,
                total=hits.total,
                summary=summary,
                columns=COLUMNS,
                rows=part.each("rows", range(rows), lambda index: page.row(index, min(chars, LIMITS.found_chars))),
                next_cursor=encode_cursor(query, Position(end, reader.trace_id)) if end < hits.total else None,
                notes=[*notes, *part.rows("notes", lambda: _notes(hits, text))],
                next=part.rows("next", lambda: at_most_one(page.follow_ups(next_calls))),
            )
        )

    return fit_table(build, len(page.calls), limit=chars_for(limit, DEFAULT_LIMIT))


def _summary(reader: TraceReader, text: str, hits: TextHits) -> list[str]:
    ends = [hits.page(0, 1)[0], *hits.page(hits.total - 1, 1)]
    return _HitCalls(reader, text, hits, ends).summary(*hits.functions())


class _HitCalls:
    """Calls with the text, with all that rendering them needs."""

    def __init__(self, reader: TraceReader, text: str, hits: TextHits, shown: Sequence[Hit]) -> None:
        found = calls_by_id(reader, [hit.call_id for hit in shown])
        self._shown = [hit for hit in shown if hit.call_id in found]
        self.calls = [found[hit.call_id] for hit in self._shown]
        self._parents = calls_by_id(reader, [c.parent_call_id for c in self.calls if c.parent_call_id])
        self._exceptions = hits.exceptions([*found])
        self._yields = hits.yields([*found])
        self._texts = [text, *spellings(text), repr(text)[1:-1]]  # repr: answers show values in Python's notation
        words = word_pattern(self._texts) if hits.words else ""
        named = ObjectName.parse(text)
        name = rf"{re.escape(str(named))}(?!\d)" if named is not None else ""
        self._pattern = re.compile(name or words or "|".join(map(re.escape, self._texts)))
        self._total = hits.total
        # Calls that were only counted may have had the text too.
        self._exact = not any(each.started > each.recorded or not each.exact for each in function_times(reader))
        started_at = reader.trace.started_at.replace(tzinfo=UTC)  # stored as UTC without a zone
        self._started_ns = int(started_at.timestamp() * 1e9)

    def row(self, index: int, chars: int) -> list[Cell]:
        each = self.calls[index]
        return [
            each.call_id,
            one_line(f"{each.module}:{each.name}", LIMITS.name_chars),
            cut(self._places(each, min(chars, LIMITS.excerpt_chars)), chars),
            each.outcome,
            milliseconds(self._shown[index].seen_ns - self._started_ns),
            self._caller(each),
        ]

    def summary(self, functions: Sequence[FunctionHits], function_count: int) -> list[str]:
        """Render three lines; these calls must begin with the first hit and end with the last one."""
        path = " -> ".join(_function_text(each) for each in functions)
        more = f" -> … {function_count - len(functions)} more" if function_count > len(functions) else ""
        lines = [
            f"first: {self._sentence(self.calls[0])}",
            f"through {'' if self._exact else '>='}{counted(self._total, 'call')} of "
            f"{counted(function_count, 'function')}: {path}{more}",
            f"last: {self._sentence(self.calls[-1])}" if self._total > 1 else "last: the same call, no other",
        ]
        return [cut(clean(line), LIMITS.summary_chars) for line in lines]

    def follow_ups(self, next_calls: NextCalls) -> list[str | None]:
        first, last = self.calls[0], self.calls[-1]
        return [
            next_calls.get_calls(f"{first.module}:{first.name}", {"call_id": first.call_id}),
            next_calls.call("get_flow", around_call_id=first.call_id),
            next_calls.call("get_flow", around_call_id=last.call_id) if last is not first else None,
        ]

    def _sentence(self, each: CallRow) -> str:
        caller = self._caller(each)
        by = f", called by {caller}," if caller else ""
        return f"call {each.call_id} {each.module}:{each.name}{by} has it in {self._places(each, LIMITS.excerpt_chars)}"

    def _caller(self, each: CallRow) -> str:
        parent = self._parents.get(each.parent_call_id or 0)
        if parent is None:
            return ""
        line = f":{each.call_line}" if each.call_line else ""
        return one_line(f"{parent.module}:{parent.name}{line}", LIMITS.name_chars)

    def _places(self, each: CallRow, chars: int) -> str:
        """Render the places of the text in a call, as ``items=[…'abc'…]; result …``."""
        places = [*self._found(each, chars)]
        # The text may match only the stored form of a value and not its notation in answers.
        return "; ".join(places) or f"its values: {cut(value_text(each.args, LIMITS.read_chars), chars)}"

    def _found(self, each: CallRow, chars: int) -> Iterator[str]:
        for name, value in _texts(each.args):
            if self._pattern.search(value) or self._pattern.search(name):
                yield f"{name}={excerpt(value, self._pattern, chars)}"
        for hit in self._yields.get(each.call_id, ()):
            value = value_text(hit.value, LIMITS.read_chars)
            if self._pattern.search(value):
                yield f"yielded[{hit.position}] {excerpt(value, self._pattern, chars)}"
                break
        result = value_text(each.return_value, LIMITS.read_chars)
        if self._pattern.search(result):
            yield f"result {excerpt(result, self._pattern, chars)}"
        message = clean(each.exception_message or "")
        if each.exception_type is not None and self._pattern.search(message):
            yield f"{each.exception_type}: {excerpt(message, self._pattern, chars)}"
        raised = self._exceptions.get(each.call_id)
        if raised is not None:
            message = clean(raised.message or "")
            if each.exception_type is None and self._pattern.search(message):
                yield f"{raised.type}, handled in it: {excerpt(message, self._pattern, chars)}"
            for name, value in _texts(raised.locals):
                if self._pattern.search(value) or self._pattern.search(name):
                    yield f"locals of {raised.type}: {name}={excerpt(value, self._pattern, chars)}"


def _texts(stored: str | None) -> list[tuple[str, str]]:
    """Return the names and rendered values of recorded arguments or local variables."""
    return [(name, str(value)) for name, value in named_values(stored)]


def _notes(hits: TextHits, text: str) -> list[str]:
    notes: list[str] = []
    if hits.within_longer:
        notes.append(
            f"{counted(hits.within_longer, 'more call')} with {one_line(text, 60)!r} only in longer words or numbers"
        )
    elsewhere = hits.exceptions_elsewhere()
    if elsewhere:
        notes.append(f"{counted(elsewhere, 'exception')} with it, raised outside of recorded calls: find_exceptions")
    return notes


def _function_text(each: FunctionHits) -> str:
    counts = [
        f"{counted(count, noun)}"
        for count, noun in (
            (each.in_args, "argument"),
            (each.in_yields, "yield"),
            (each.in_results, "result"),
            (each.in_exceptions, "exception"),
        )
        if count
    ]
    return one_line(f"{each.full_name} ({', '.join(counts)})", LIMITS.name_chars + 60)


def _nothing(next_calls: NextCalls, text: str, exceptions: int) -> ValueHits:
    elsewhere = f" {counted(exceptions, 'exception')} outside of recorded calls has it." if exceptions else ""
    return ValueHits(
        project=next_calls.project,
        trace_id=next_calls.trace.trace_id,
        total=0,
        columns=COLUMNS,
        rows=[],
        message=cut(
            clean(
                f"No recorded call has {text[:80]!r} in its arguments, yields, result or exception.{elsewhere} "
                "Long values are cut when they are recorded (capture.max_value_chars), secrets are redacted, and code "
                "that is not included is not seen."
            ),
            600,
        ),
        next=at_most_one(
            [
                next_calls.call("find_exceptions") if exceptions else None,
                next_calls.call("find_gaps"),
            ]
        ),
    )
