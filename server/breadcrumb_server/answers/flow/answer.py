"""Answer the question: what happened, in order?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.annotated.layout import size_of_text
from breadcrumb_server.answers.common.budget import (
    DEFAULT_ANSWER_CHARS,
    MAX_ANSWER_CHARS,
    first_that_fits,
    fit_table,
)
from breadcrumb_server.answers.common.cursor import Position, decode_cursor, encode_cursor, trace_of_page
from breadcrumb_server.answers.common.model import NEXT_CURSOR, Answer
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.test_argument import check_test
from breadcrumb_server.answers.common.text import bounded_text, cut, one_line
from breadcrumb_server.answers.flow.caught import CaughtExceptions, short_name
from breadcrumb_server.answers.flow.imports import OutlinerWithoutImports
from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.lines import FlowLines
from breadcrumb_server.answers.flow.next_calls import flow_next_calls
from breadcrumb_server.answers.flow.outline import FindCallees, FindLanes, Outliner, Row
from breadcrumb_server.answers.flow.totals import FlowTotals
from breadcrumb_server.answers.flow.tree import MODULE_BODY, FlowTree
from breadcrumb_server.answers.gaps.nothing_found import why_no_calls
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.flow.calls import FlowRoots, call_count, load_calls, number_functions
from breadcrumb_storage.queries.flow.window import MAX_CHAIN, call_of_exception, calls_around, calls_at
from breadcrumb_storage.queries.functions import counted_functions, matching_functions
from breadcrumb_storage.queries.tests import test_ranges
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Arguments that can be combined with any place to look at.
FILTERS = ("test", "thread", "process_id")
# Later than any run ends, and in nanoseconds still a number that the database can hold.
_END_OF_TIME_MS = 1e15


class Flow(Answer):
    """The call tree as text, in order.

    ``name(args) -> result  3.1 ms  #7`` is call 7.

    ``name x5  (n=1) … (n=5) -> 0 x4, None x1 (#9)  0.9-1.4 ms, 6 in all  #7..#15`` stands for five equal calls. It
    shows the arguments in which the first one and another differ, and all results if there are few, with the call
    that had the rarest. ``rate=0.2 x4, None x1 (#9)`` is an argument that is the same in nearly all of them. The
    callees of all five are below.

    ``40 rounds of:`` is a sequence of calls that was repeated forty times. ``!!`` marks a call that raised,
    ``unfinished`` one that did not end, ``caught KeyError`` one that returned although a callee raised (``2 caught
    KeyError (#9)``: two calls, the first is #9), ``late`` arguments recorded after the start of the call,
    ``[Task-2, by #3]`` the start of an asyncio task that call 3 created, ``=>`` the call that was asked for. ``…``
    stands for the rest of a value or for a beginning that it shares with the value beside it; at the end of a line,
    for callees that are not shown, such as those of an import. Times below 0.1 ms are not shown. Where room is short,
    trivial calls (initializers, getters, predicates, repeated ones) are left out first, and counted in the last line.
    """

    always_shown = frozenset({"text", "calls"})
    shown_last = ("text", "next_cursor", "notes", "next")

    trace_id: str
    calls: int = Field(description="number of recorded calls that the lines show")
    recorded: int = Field(default=0, description="number of recorded calls of the trace")
    text: str
    message: str = Field(default="", description="the reason, if there is no result")
    next_cursor: str | None = Field(default=None, description=NEXT_CURSOR)

    @property
    def lines(self) -> list[str]:
        """The text in lines."""
        return self.text.splitlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowView:
    """The part of a trace to show.

    Only module and function can be combined; every other place to look at stands alone, besides FILTERS.
    """

    function: str | None = None  # begin at its outermost calls
    module: str | None = None  # begin at the outermost calls of its functions
    root_call_id: int | None = None
    around_call_id: int | None = None
    exception_id: int | None = None
    at_ms: float | None = None  # since the start of the run
    test: str | None = None  # only calls under the tests that this names, see tests.test_ranges
    thread: str | int | None = None  # a thread or an asyncio task
    process_id: int | None = None

    def is_about_imports(self) -> bool:
        """Return whether to show what imports did, as the place to look at may be within one."""
        places = (self.around_call_id, self.exception_id, self.at_ms)
        return any(each is not None for each in places) or MODULE_BODY in (self.function or "")

    def check(self) -> None:
        """Check that there is at most one place to look at.

        Raises:
            BreadcrumbError: there are more.
        """
        given = [name for name, value in asdict(self).items() if value is not None and name not in FILTERS]
        names = [name for name in given if not (name == "module" and "function" in given)]
        if len(names) > 1:
            raise BreadcrumbError(
                f"{' and '.join(names)} exclude each other.",
                hint="Give one of them; test, thread and process_id go with any.",
            )


@dataclass(frozen=True, slots=True)
class _Tree:
    """The tree from which an outline is made."""

    lanes: FindLanes
    callees: FindCallees
    calls: int
    call_ids: Sequence[int] = ()  # empty if there are too many
    notes: Sequence[str] = ()


def get_flow(
    con: DuckDBPyConnection,
    project: str,
    *,
    trace_id: str | None = None,
    view: FlowView | None = None,
    max_depth: int | None = None,
    cursor: str | None = None,
) -> Flow:
    """Show one page of the call tree of a trace, or of a part of it.

    Args:
        con: the project's database.
        project: its name.
        trace_id: id of the trace, or a part of it as TraceReader.open takes it; None: the newest trace.
        view: the part to show; None: the whole trace.
        max_depth: levels of calls; None: as many as fit.
        cursor: the next_cursor of the page before.

    Raises:
        BreadcrumbError: an unknown trace or test, an exception raised outside all traced calls, a depth that is not
            from 1 to LIMITS.max_depth, places that exclude each other, or a cursor of another query.
    """
    view = view or FlowView()
    view.check()
    if max_depth is not None and not 1 <= max_depth <= LIMITS.max_depth:
        raise BreadcrumbError(
            f"max_depth must be from 1 to {LIMITS.max_depth}, not {max_depth}.",
            hint="For deeper calls begin further in: root_call_id takes an id from the lines.",
        )
    query = ("get_flow", project, asdict(view), max_depth)
    start = decode_cursor(cursor, query) if cursor else Position(0)
    reader = TraceReader.open(con, trace_of_page(trace_id, start), project)
    next_calls = NextCalls(project, reader.trace)
    names = number_functions(reader)
    if view.test is not None:
        check_test(reader, view.test)
    tree = _tree(reader, view, names, max_depth)
    if not tree.calls:
        return _empty_flow(reader, next_calls, view)
    part = Parts()
    recorded = call_count(reader)
    caught = part.make(
        "caught exceptions", lambda: CaughtExceptions(reader, tree.call_ids), CaughtExceptions(reader, ())
    )

    if view.is_about_imports():
        best = Outliner(tree.lanes, tree.callees).best
    else:
        best = OutlinerWithoutImports(tree.lanes, tree.callees, view.root_call_id).best
    room = DEFAULT_ANSWER_CHARS if max_depth is None else MAX_ANSWER_CHARS
    if max_depth is None:
        outline = first_that_fits(
            (best(None, lines) for lines in (LIMITS.aim_lines, *LIMITS.fewer_lines)),
            room - LIMITS.beside_chars,
            size=lambda rows: size_of_text(
                "\n".join(FlowLines(reader, rows, caught).render(LIMITS.legible_value_chars))
            ),
        ) or best(None, LIMITS.fewer_lines[-1])
    else:
        outline = best(max_depth)
    rows = outline[start.at :]
    lines = FlowLines(reader, rows, caught)
    notes = [
        *tree.notes,
        *part.rows("notes", lambda: _hidden_catch_notes(outline, caught)),
        *part.rows("notes", lambda: _counted_call_notes(reader, rows)),
    ]
    text_of = cache(lines.render)

    def build(count: int, chars: int) -> Flow:
        at = Position(start.at + count, reader.trace_id)
        return part.told(
            Flow(
                project=project,
                trace_id=reader.trace_id,
                calls=tree.calls,
                recorded=recorded,
                text="\n".join(text_of(chars)[:count]),
                next_cursor=encode_cursor(query, at) if count < len(rows) else None,
                notes=[*notes],
                next=part.rows(
                    "next", lambda: at_most_one(flow_next_calls(next_calls, rows[:count], lines, view.root_call_id))
                ),
            )
        )

    return fit_table(build, len(rows), limit=room, cells=LIMITS.value_chars, least_cell=LIMITS.min_page_value_chars)


def _tree(reader: TraceReader, view: FlowView, names: Mapping[int, str], max_depth: int | None) -> _Tree:
    roots = FlowRoots(
        call_id=view.root_call_id,
        function=view.function,
        module=view.module,
        ranges=None if view.test is None else test_ranges(reader, view.test),
        thread=view.thread,
        process_id=view.process_id,
    )
    focus = _focus(reader, view, roots)
    if focus is not None:
        around = calls_around(reader, focus)
        tree = FlowTree(around.calls, names, around.focus, around.left_out)
        notes = [f"the first line is {around.above:,} calls deep; the {MAX_CHAIN} innermost are shown"]
        return _Tree(tree.lanes, tree.callees, len(around.calls.ids), around.calls.ids, notes if around.above else ())
    calls = load_calls(reader, roots)
    if calls is not None:
        tree = FlowTree(calls, names)
        call_ids = tree.call_ids()
        return _Tree(tree.lanes, tree.callees, len(call_ids), call_ids)
    totals = FlowTotals(reader, roots, names, max_depth)
    return _Tree(totals.lanes, totals.callees, totals.calls)


def _focus(reader: TraceReader, view: FlowView, roots: FlowRoots) -> list[int] | None:
    """Return the ids of the calls to look around; None if the view is not of that kind."""
    if view.around_call_id is not None:
        return [view.around_call_id]
    if view.at_ms is not None:
        started = reader.trace.started_at.replace(tzinfo=UTC).timestamp()  # stored as UTC without a zone
        at_ms = max(min(view.at_ms, _END_OF_TIME_MS), -_END_OF_TIME_MS)
        return calls_at(reader, int(started * 1e9 + at_ms * 1e6), roots)
    if view.exception_id is None:
        return None
    there, call_id = call_of_exception(reader, view.exception_id)
    if there and call_id is None:
        raise BreadcrumbError(
            f"No traced call was running when exception {view.exception_id} was raised.",
            hint=f'find_exceptions(trace_id="{reader.trace_id}") shows where it was raised.',
        )
    return [call_id] if call_id is not None else []


def _hidden_catch_notes(rows: Sequence[Row], caught: CaughtExceptions) -> list[str]:
    """Name the calls that caught a rare exception and are on no line."""
    shown = {call_id for row in rows if row.group is not None for call_id in row.group.call_ids}
    unseen = [each for each in caught.rare() if each.call_id not in shown][: LIMITS.max_hidden_catches]
    if not unseen:
        return []
    calls = ", ".join(
        f"{one_line(each.function, 80)} caught {short_name(each.type)} (#{each.call_id})" for each in unseen
    )
    return [f"further down, not shown here: {calls}"]


def _counted_call_notes(reader: TraceReader, rows: Sequence[Row]) -> list[str]:
    """Name the shown functions of which some calls were only counted."""
    shown = {row.group.name for row in rows if row.group is not None}
    counted = counted_functions(reader, sorted(shown))
    if not counted:
        return []
    functions = ", ".join(
        f"{one_line(each.full_name, 80)} {each.recorded:,} of {bounded_text(each.started, exact=each.exact)}"
        for each in counted[: LIMITS.max_counted_functions]
    )
    others = len(counted) - LIMITS.max_counted_functions
    more = f" and {others} more functions" if others > 0 else ""
    return [f"calls that were only counted are not in the tree; recorded: {functions}{more}"]


def _empty_flow(reader: TraceReader, next_calls: NextCalls, view: FlowView) -> Flow:
    whole = next_calls.call("get_flow")
    proposed: list[str | None] = [whole, next_calls.call("get_trace")]
    call_id = view.root_call_id if view.root_call_id is not None else view.around_call_id
    functions = matching_functions(reader, view.function) if view.function is not None else []
    filters = _filter_text(view)
    if call_id is not None:
        message = f"This trace has no recorded call {call_id}."
    elif view.exception_id is not None:
        message = f"This trace has no exception {view.exception_id}."
        proposed = [next_calls.call("find_exceptions")]
    elif view.at_ms is not None:
        message = f"No call had begun {view.at_ms:g} ms after the start of the run{filters}."
    elif view.function is not None and not (filters and any(each.recorded for each in functions)):
        message, proposed = why_no_calls(reader, next_calls, functions, view.function, None)
    elif filters and call_count(reader):
        what = view.function or view.module
        message = f"No call {f'of {cut(what, 100)!r} ' if what else ''}was recorded{filters}."
        if view.test is not None:
            proposed[0] = next_calls.call("find_gaps")
    elif view.module is not None:
        message = f"No call of a function of module {cut(view.module, 100)!r} was recorded."
        proposed = [next_calls.call("find_gaps")]
    else:
        message = "No call was recorded in this trace."
        proposed.remove(whole)
    return Flow(
        project=next_calls.project,
        trace_id=reader.trace_id,
        calls=0,
        text="",
        message=message,
        next=at_most_one(proposed),
    )


def _filter_text(view: FlowView) -> str:
    """Render the filters of a view for a message; "" if there are none."""
    return (
        (f" under test {cut(view.test, 200)!r}" if view.test is not None else "")
        + (f" in a thread or task {cut(str(view.thread), 100)!r}" if view.thread is not None else "")
        + (f" in process {view.process_id}" if view.process_id is not None else "")
    )
