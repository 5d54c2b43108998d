"""The answer to: how was this function called, and what came of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.calls.distributions import Distribution, read_distribution
from breadcrumb_server.answers.calls.next_calls import follow_ups, odd_ones
from breadcrumb_server.answers.calls.table import COLUMNS, CallRows
from breadcrumb_server.answers.calls.where import parse_lines, parse_where
from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, first_texts, fit_table, size_of, squeeze
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.cursor import Position, decode_cursor, encode_cursor
from breadcrumb_server.answers.common.model import Page, check_limit
from breadcrumb_server.answers.common.next_calls import NextCalls, first_few
from breadcrumb_server.answers.common.test_argument import check_test
from breadcrumb_server.answers.common.text import one_line
from breadcrumb_server.answers.gaps.nothing_found import why_no_calls
from breadcrumb_server.answers.lines.detail import LineDetail, ShownLines
from breadcrumb_server.answers.lines.rare_lines import rare_lines
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_storage.queries.calls import calls as queries
from breadcrumb_storage.queries.functions import FunctionName, matching_functions
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_LIMIT = 200
# What the table may take where lines are shown as well: they say more than whole values do, above all when it
# was only asked for more of them.
MAX_TABLE_CHARS = 3_000
MAX_TABLE_CHARS_AGAIN = 1_200
# Beside table and lines: their notes, and longer follow-up calls.
SPARE_CHARS = 700
# Calls that are named in a note.
MAX_LATE = 5
# Functions that are named when a pattern matches many.
MAX_FUNCTIONS = 6
# Of a value where there are several calls to compare; one call alone is shown whole.
MAX_VALUE_CHARS = 400


class CallList(Page):
    """Calls in the order in which they began in each process.

    ``result`` is the return value, or the exception where ``outcome`` is ``raised``; ``caller`` is
    module:function:line, without the line where that is not known; ``ms`` is wall time. A value that was cut ends
    with how many characters are missing.
    """

    shown_last = ("columns", "rows", "lines", "next_cursor", "notes", "next")

    trace_id: str
    functions: list[str] = Field(default_factory=list, description="the functions that matched, and their calls")
    distribution: list[str] = Field(
        default_factory=list,
        description="of all calls that fit, the values of each parameter and of the result with their number of calls; "
        "those with an odd one out first; before them the lines that few calls executed, where lines were recorded",
    )
    lines: list[str] = Field(
        default_factory=list,
        description="of calls recorded with their lines: line number, source -> what the line changed; loops folded. "
        "Behind !! stands an exception that came to the line from what it called. Of several calls, each different "
        "path (the executed lines, these exceptions, the outcome) is shown once, the rarest first",
    )
    message: str = Field(default="", description="why there is nothing, where there is nothing")


def get_calls(
    con: DuckDBPyConnection,
    project: str,
    *,
    function: str,
    trace_id: str | None = None,
    where: Mapping[str, Any] | None = None,
    limit: int = 20,
    cursor: str | None = None,
    redact: Sequence[str] = (),
) -> CallList:
    """One page of the calls of the functions that ``function`` names: a substring, a glob, or module:function.

    Args:
        where: further conditions, see ``call_where.KEYS``; all must hold.
        redact: the project's own name patterns of secrets, for the source text of lines.

    Raises:
        BreadcrumbError: an unknown trace or test, a key of ``where`` that does not exist, a limit below 1, or a cursor
            of another query.
    """
    limit, notes = check_limit(limit, MAX_LIMIT)
    wanted = parse_where(where, function)
    selected_lines = parse_lines(where)
    query = ("get_calls", project, function, dict(where or {}))
    start = decode_cursor(cursor, query) if cursor else Position(0)
    reader = TraceReader.open(con, trace_id or start.trace_id or None, project)
    next_calls = NextCalls(project, reader.trace)
    if wanted.test is not None:
        check_test(reader, wanted.test)
    functions = matching_functions(reader, function)
    ids, total = queries.find_calls(reader, wanted, after=start.at, limit=limit + 1) if functions else ([], 0)
    places = Places.of(reader.trace)
    named = first_texts(functions, MAX_FUNCTIONS, text=lambda each: _function_line(each, places))
    if not total:
        message, instead = why_no_calls(reader, next_calls, functions, function, where)
        return CallList(
            project=project,
            trace_id=reader.trace_id,
            functions=named,
            message=message,
            total=0,
            columns=COLUMNS,
            rows=[],
            next=first_few(instead),
        )
    rows = CallRows(reader, ids[:limit])
    distribution = Distribution() if cursor else read_distribution(reader, wanted, functions, total)
    source = SourceText(reader.trace, Redactor(redact))
    lines = LineDetail.read(reader, rows.calls, selected_lines, source, wanted if total > 1 and not cursor else None)
    rows.show_lines(lines.executed)
    of_one_function = lines.executed and len(functions) == 1 and not where and not cursor
    rare = rare_lines(reader, function) if of_one_function else []
    sampled = any(each.started > each.recorded for each in functions)

    def further(count: int, shown: ShownLines) -> list[str]:
        return first_few(
            follow_ups(
                next_calls,
                rows.calls[:count],
                single=total == 1,
                called=rows.with_callees(),
                sampled=sampled,
                lines=lines,
                shown=shown,
                odd=odd_ones(reader, next_calls, function, where, distribution, shown),
            )
        )

    def build(count: int, chars: int) -> CallList:
        more = count < len(ids)
        chars = min(chars, MAX_VALUE_CHARS) if len(ids) > 1 else chars
        cut = rows.first_cut(count, chars)
        return CallList(
            project=project,
            trace_id=reader.trace_id,
            functions=named,
            distribution=[*rare, *distribution.lines],
            total=total,
            columns=rows.columns,
            rows=rows.cells(count, chars),
            next_cursor=encode_cursor(query, Position(ids[count - 1], reader.trace_id)) if more and count else None,
            notes=notes
            + (_cut_note(cut, alone=len(ids) == 1, with_lines=bool(lines.views)) if cut is not None else [])
            + _late_note(rows.calls[:count])
            + [distribution.note] * bool(distribution.note),
            next=further(count, ShownLines()),
        )

    if not lines.views:
        return fit_table(build, len(rows.calls))
    table_chars = MAX_TABLE_CHARS if selected_lines.folded else MAX_TABLE_CHARS_AGAIN
    page = fit_table(build, len(rows.calls), limit=table_chars)
    shown = lines.fit(MAX_ANSWER_CHARS - size_of(page) - SPARE_CHARS)
    told = {
        "lines": list(shown.lines),
        "notes": [*page.notes, *shown.notes],
        "next": further(len(page.rows), shown),
    }
    return squeeze(page.model_copy(update=told))


def _cut_note(call_id: int, *, alone: bool, with_lines: bool) -> list[str]:
    if not alone:
        return [f'values were cut; where={{"call_id": {call_id}}} shows that call whole']
    # A call alone is whole, as far as an answer can be, unless its lines take the room.
    return [f'values were cut; where={{"call_id": {call_id}, "lines": False}} shows them whole'] if with_lines else []


def _late_note(calls: Sequence[queries.CallRow]) -> list[str]:
    late = [str(each.call_id) for each in calls if each.late]
    if not late:
        return []
    ids = ", ".join(late[:MAX_LATE]) + (f" and {len(late) - MAX_LATE} more" if len(late) > MAX_LATE else "")
    return [
        f"{ids}: recorded when the call was under way already (it was slow, or an exception passed through it); "
        "its args are those of that moment"
    ]


def _function_line(function: FunctionName, places: Places) -> str:
    calls = f"x{function.recorded:,}"
    if function.started > function.recorded:
        calls += f" of {'' if function.exact else '>='}{function.started:,}"
    return one_line(f"{function.module}:{function.name} {calls} {places.path(function.file)}:{function.line}", 200)
