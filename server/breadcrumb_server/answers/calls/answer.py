"""Build the answer of get_calls: a page of calls, with their distribution and their executed lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.calls.distributions import Distribution, read_distribution
from breadcrumb_server.answers.calls.next_calls import follow_ups, propose_odd_calls
from breadcrumb_server.answers.calls.table import COLUMNS, CallRows, without_equal_columns
from breadcrumb_server.answers.common.budget import (
    MAX_ANSWER_CHARS,
    chars_for,
    first_texts,
    fit_table,
    size_of,
    squeeze,
)
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.cursor import Position, decode_cursor, encode_cursor, trace_of_page
from breadcrumb_server.answers.common.model import Cell, Page, check_limit
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.test_argument import check_test
from breadcrumb_server.answers.common.text import bounded_text, first_of, one_line
from breadcrumb_server.answers.common.trace_config import line_patterns
from breadcrumb_server.answers.conditions.where import parse_where
from breadcrumb_server.answers.gaps.nothing_found import why_no_calls
from breadcrumb_server.answers.lines.detail import LineDetail, ShownLines
from breadcrumb_server.answers.lines.rare_lines import rare_lines
from breadcrumb_server.answers.lines.selection import LineSelection, parse_lines
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_storage.queries.calls import records as queries
from breadcrumb_storage.queries.functions import FunctionName, matching_functions
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of this answer."""

    rows: int = 200
    """Rows of a page."""
    functions: int = 6
    """Functions named, of those that the pattern matches."""
    value_chars: int = 400
    """Characters of a value in one of several calls; those of a single call may fill the answer."""
    table_chars: int = 3_000
    """Characters of the table if lines are shown as well, since they say more than whole values."""
    table_chars_beside_selection: int = 1_200
    """Characters of the table if the lines from a step on, or of a variable, were asked for."""
    max_table_share: float = 3 / 8
    """Share of the answer that the table has at most then."""
    spare_chars: int = 700
    """Characters kept for the notes and the longer follow-up calls that come with lines."""
    late_calls: int = 5
    """Calls named in the note on calls that were recorded late."""


LIMITS = Limits()
DEFAULT_LIMIT = 20


class CallList(Page):
    """Calls in order of their start, process by process.

    ``result`` is the return value, or the exception if ``outcome`` is ``raised``. ``caller`` is module:function:line,
    without the line if it is unknown. ``ms`` is wall time. A cut value ends with the number of missing characters.
    """

    shown_last = ("same", "columns", "rows", "lines", "next_cursor", "notes", "next")

    trace_id: str
    functions: list[str] = Field(
        default_factory=list, description="the functions that matched, with their numbers of calls"
    )
    distribution: list[str] = Field(
        default_factory=list,
        description="the values of each parameter and of the result in all matching calls, with numbers of calls; "
        "parameters with an unusual value first; before them, if recorded, the lines that few calls executed",
    )
    same: dict[str, Cell] = Field(
        default_factory=dict, description="what is equal in all rows and therefore not in them: columns, and args.NAME"
    )
    lines: list[str] = Field(
        default_factory=list,
        description="if lines were recorded: line number, source -> what the line changed; loops are folded. "
        "!! marks an exception that a callee of the line raised. Of several calls, each different path (executed "
        "lines, exceptions, outcome) is shown once, the rarest first",
    )
    message: str = Field(default="", description="the reason, if there is no result")


def get_calls(
    con: DuckDBPyConnection,
    project: str,
    *,
    function: str,
    trace_id: str | None = None,
    where: Mapping[str, Any] | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    redact: Sequence[str] = (),
) -> CallList:
    """Return one page of the calls of a function.

    Args:
        con: The database of the project.
        project: Name of the project.
        function: A substring, a glob, or module:function; it may match several functions.
        trace_id: Id of the trace, or an unambiguous part of it; None for that of the cursor, or else the newest.
        where: Further conditions, see ``where.KEYS``; all must hold.
        limit: Calls on a page, at most LIMITS.rows.
        cursor: ``next_cursor`` of the page before.
        redact: The project's patterns of secret names, for the source text of lines.

    Raises:
        BreadcrumbError: The trace or test is unknown, ``where`` has an unknown key or value, the limit is below 1, or
            the cursor is one of another query.
    """
    limit, notes = check_limit(limit, LIMITS.rows)
    wanted = parse_where(where, function)
    selection = parse_lines(where)
    query = ("get_calls", project, function, dict(where or {}))
    start = decode_cursor(cursor, query) if cursor else Position(0)
    reader = TraceReader.open(con, trace_of_page(trace_id, start), project)
    next_calls = NextCalls(project, reader.trace)
    if wanted.test is not None:
        check_test(reader, wanted.test)
    functions = matching_functions(reader, function)
    ids, total = queries.find_calls(reader, wanted, after=start.at, limit=limit + 1) if functions else ([], 0)
    places = Places.of(reader.trace)
    named = first_texts(functions, LIMITS.functions, text=lambda each: _function_line(each, places))
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
            next=at_most_one(instead),
        )
    part = Parts()
    rows = CallRows(reader, ids[:limit])
    distribution = Distribution()
    if not cursor:
        distribution = part.make(
            "distribution", lambda: read_distribution(reader, wanted, functions, total), distribution
        )
    source = SourceText(reader, Redactor(redact))
    fitting = wanted if total > 1 and not cursor else None
    if not (line_patterns(reader.trace) or (where and "lines" in where)):
        selection = LineSelection(none=True)  # those of failed tests are recorded unasked: `show` has them
    lines = part.make(
        "lines",
        lambda: LineDetail.read(reader, rows.calls, selection, source, fitting),
        LineDetail(selection, {}, source, places),
    )
    rows.add_lines_column(lines.executed)
    of_one_function = lines.executed and len(functions) == 1 and not where and not cursor
    rare = part.rows("distribution", lambda: rare_lines(reader, function) if of_one_function else [])
    sampled = any(each.started > each.recorded for each in functions)

    def further(count: int, shown: ShownLines) -> list[str]:
        return part.rows("next", lambda: at_most_one(proposed(count, shown)))

    def proposed(count: int, shown: ShownLines) -> list[str | None]:
        return follow_ups(
            next_calls,
            rows.calls[:count],
            single=total == 1,
            sampled=sampled,
            lines=lines,
            shown=shown,
            odd=propose_odd_calls(reader, next_calls, function, where, distribution, shown),
        )

    def build(count: int, chars: int) -> CallList:
        more = count < len(ids)
        chars = min(chars, LIMITS.value_chars) if len(ids) > 1 else chars
        cut = rows.first_cut(count, chars)
        cells = part.each("rows", rows.calls[:count], lambda each: rows.row(each, chars))
        columns, cells, same = without_equal_columns(rows.columns, cells)
        return part.told(
            CallList(
                project=project,
                trace_id=reader.trace_id,
                functions=named,
                distribution=[*rare, *distribution.lines],
                total=total,
                same=same | rows.same(chars),
                columns=columns,
                rows=cells,
                next_cursor=encode_cursor(query, Position(ids[count - 1], reader.trace_id)) if more and count else None,
                notes=notes
                + (_cut_note(cut, alone=len(ids) == 1, with_lines=bool(lines.views)) if cut is not None else [])
                + _late_note(rows.calls[:count])
                + ([distribution.note] if distribution.note else []),
                next=further(count, ShownLines()),
            )
        )

    answer_chars = MAX_ANSWER_CHARS if "call_id" in (where or {}) else chars_for(limit, DEFAULT_LIMIT)
    if not lines.views:
        return fit_table(build, len(rows.calls), limit=answer_chars)
    table_chars = LIMITS.table_chars if selection.folded else LIMITS.table_chars_beside_selection
    table_chars = min(table_chars, int(LIMITS.max_table_share * answer_chars))
    page = fit_table(build, len(rows.calls), limit=table_chars)
    beside = Parts()
    room = answer_chars - size_of(page) - LIMITS.spare_chars
    shown = beside.make("lines", lambda: lines.fit(room), ShownLines())
    with_lines = {
        "lines": list(shown.lines),
        "notes": [*page.notes, *shown.notes, *beside.notes],
        "next": further(len(page.rows), shown),
    }
    return squeeze(page.model_copy(update=with_lines))


def _cut_note(call_id: int, *, alone: bool, with_lines: bool) -> list[str]:
    """Say how to see the values of a call that were cut."""
    if not alone:
        return [f'values were cut; where={{"call_id": {call_id}}} shows that call whole']
    # A single call is cut only by the limit of any answer, unless its lines need the room.
    return [f'values were cut; where={{"call_id": {call_id}, "lines": False}} shows them whole'] if with_lines else []


def _late_note(calls: Sequence[queries.CallRow]) -> list[str]:
    """Name the calls whose arguments were recorded after their start."""
    late = [str(each.call_id) for each in calls if each.late]
    if not late:
        return []
    ids = first_of(late, LIMITS.late_calls)
    return [
        f"{ids}: recorded only after the call had begun (it was slow, or an exception passed through it); "
        "its args are from that moment"
    ]


def _function_line(function: FunctionName, places: Places) -> str:
    """Render a function as ``shop.pricing:total x2 of >=500 shop/pricing.py:12``."""
    calls = f"x{function.recorded:,}"
    if function.started > function.recorded:
        calls += f" of {bounded_text(function.started, exact=function.exact)}"
    return one_line(f"{function.module}:{function.name} {calls} {places.path(function.file)}:{function.line}", 200)
