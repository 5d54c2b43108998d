"""Answer find_gaps: functions that traced code called and that were not traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.common.budget import chars_for, first_texts, fit_table
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.cursor import Position, decode_cursor, encode_cursor, trace_of_page
from breadcrumb_server.answers.common.model import Cell, Page, check_limit
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import bounded, bounded_text, counted, cut, milliseconds, one_line
from breadcrumb_server.answers.gaps.ranking import RankedGap, rank_gaps
from breadcrumb_server.answers.gaps.suggested_include import Expansion, next_expansion
from breadcrumb_storage.queries.functions import traced_code
from breadcrumb_storage.queries.gaps import GapRow, list_gaps
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_LIMIT = 200
# Functions written in C: no pattern can include them, so that a few are enough.
MAX_C_FUNCTIONS = 8
COLUMNS = ["function", "module", "called_by", "call_count", "time_ms", "suggested_include", "origin"]
NOTHING_TRACED = "no code was traced in this run: its report says why"

DEFAULT_LIMIT = 20


class GapList(Page):
    """Functions that traced code called but that were not traced, the most useful first.

    A ``call_count`` with ``>=`` is a lower bound. ``suggested_include`` is the narrowest
    pattern that matches the function; it is empty if the function is excluded or built into Python. ``through`` names
    the decorator's wrapper that was called, and the number of other functions that it wraps.
    """

    trace_id: str
    edit_config: str = Field(
        default="",
        description="the call that adds the best of them to the next run: first the modules that were called, "
        "then their whole packages",
    )
    c_functions: list[str] = Field(
        default_factory=list, description="also called, but written in C, which cannot be traced"
    )
    message: str = Field(default="", description="the reason, if there is no result")


def find_gaps(
    con: DuckDBPyConnection,
    project: str,
    *,
    trace_id: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> GapList:
    """Return one page of the gaps of a trace, by default the newest trace.

    Raises:
        BreadcrumbError: The trace is unknown, the limit below 1, or the cursor of another query.
    """
    limit, notes = check_limit(limit, MAX_LIMIT)
    query = ("find_gaps", project)
    start = decode_cursor(cursor, query) if cursor else Position(0)
    reader = TraceReader.open(con, trace_of_page(trace_id, start), project)
    ranked = rank_gaps(list_gaps(reader), Places.of(reader.trace), reader.trace.config)
    python = [gap for gap in ranked if gap.row.kind == "python"]
    part = Parts()
    traced = part.optional("edit_config", lambda: traced_code(reader))
    expansion, edit = Expansion(), ""
    if traced is not None:  # without it all code would seem untraced
        expansion = part.make("edit_config", lambda: next_expansion(reader.trace, python, traced), expansion)
        edit = part.text("edit_config", lambda: expansion.edit_config_call(project))
    gaps = [gap for gap in python if not gap.launched] or (python if edit and expansion.is_foreign else [])
    if edit and expansion.price:
        notes.append(expansion.price)
    seen = bool(traced or ranked) or traced is None
    why_none = "traced code called no function that could be traced as well" if seen else NOTHING_TRACED
    next_calls = NextCalls(project, reader.trace)
    report = None if seen else next_calls.call("get_trace")
    page = gaps[start.at : start.at + limit]
    has_wrappers = any(gap.wraps_targets for gap in page)
    c_functions = part.rows("c_functions", lambda: _c_functions(ranked) if not start.at else [])

    def row(gap: RankedGap, chars: int) -> list[Cell]:
        return _row(gap, chars) + ([_through(gap, chars)] if has_wrappers else [])

    def build(rows: int, chars: int) -> GapList:
        end = start.at + rows
        return part.told(
            GapList(
                project=project,
                trace_id=reader.trace_id,
                total=len(gaps),
                columns=[*COLUMNS, "through"] if has_wrappers else COLUMNS,
                rows=part.each("rows", page[:rows], lambda gap: row(gap, chars)),
                edit_config=edit,
                c_functions=c_functions,
                message="" if gaps else why_none,
                next_cursor=encode_cursor(query, Position(end, reader.trace_id)) if end < len(gaps) else None,
                notes=[*notes],
                next=part.rows("next", lambda: at_most_one([edit or None, report])),
            )
        )

    return fit_table(build, len(page), limit=chars_for(limit, DEFAULT_LIMIT))


def _row(gap: RankedGap, chars: int) -> list[Cell]:
    row = gap.row
    return [
        cut(gap.targets[0].name, chars),
        cut(gap.targets[0].module, chars),
        gap.called_by(chars),
        bounded(row.call_count, exact=row.exact),
        milliseconds(row.time_ns) if row.time_ns else None,
        gap.suggested_include if len(gap.suggested_include) <= chars else "",
        gap.origin,
    ]


def _through(gap: RankedGap, chars: int) -> str:
    if not gap.wraps_targets:
        return ""
    others = len(gap.targets) - 1
    more = f" for {counted(others, 'function')} more" if others else ""
    return cut(f"{gap.row.module}:{gap.row.name}", chars) + more


def _c_functions(gaps: Sequence[RankedGap]) -> list[str]:
    found = [gap.row for gap in gaps if gap.row.kind == "c"]
    return first_texts(found, MAX_C_FUNCTIONS, text=_c_function)


def _c_function(row: GapRow) -> str:
    many = bounded_text(row.call_count, exact=row.exact)
    return one_line(f"{row.module}:{row.name} x{many} by {row.caller}", 160)
