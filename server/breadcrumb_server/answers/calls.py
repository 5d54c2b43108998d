"""The answer to: how was this function called, and what came of it?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from breadcrumb_server.answers.base import Cell, Page, check_limit
from breadcrumb_server.answers.call_where import parse_where
from breadcrumb_server.answers.cursors import Position, decode_cursor, encode_cursor
from breadcrumb_server.answers.fit import fit_table
from breadcrumb_server.answers.follow_ups import call, first_few
from breadcrumb_server.answers.gap_ranking import rank_gaps
from breadcrumb_server.answers.gaps import rerun_call
from breadcrumb_server.answers.places import Places
from breadcrumb_server.answers.text import (
    clean,
    cut,
    milliseconds,
    one_line,
)
from breadcrumb_server.answers.values import arguments_text, value_text
from breadcrumb_storage.queries import calls as queries
from breadcrumb_storage.queries.functions import FunctionName, matching_functions, similar_names
from breadcrumb_storage.queries.gaps import list_gaps
from breadcrumb_storage.queries.traces import TraceRow, get_trace, list_processes, thread_names
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_LIMIT = 200
# Calls that are named in a note.
MAX_LATE = 5
# Functions that are named when a pattern matches many.
MAX_FUNCTIONS = 6
# Of a call's callees, by name.
MAX_CALLEES = 6
# Of a value where there are several calls to compare; one call alone is shown whole.
MAX_VALUE_CHARS = 400
# Callers and callees say where to look; the values are what is looked for.
MAX_SIDE_CHARS = 160
COLUMNS = ["call_id", "function", "args", "result", "outcome", "ms", "caller", "callees"]


class CallList(Page):
    """Calls in the order in which they began in each process.

    ``result`` is the return value, or the exception where ``outcome`` is ``raised``; ``caller`` is
    module:function:line, without the line where that is not known; ``ms`` is wall time. A value that was cut ends
    with how many characters are missing.
    """

    trace_id: str
    functions: list[str] = Field(default_factory=list, description="the functions that matched, and their calls")
    message: str = Field(default="", description="why there is nothing, where there is nothing")


def get_calls(
    con: DuckDBPyConnection,
    project: str,
    function: str,
    trace_id: str | None = None,
    where: Mapping[str, Any] | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> CallList:
    """One page of the calls of the functions that ``function`` names: a substring, a glob, or module:function.

    Args:
        where: further conditions, see ``call_where.KEYS``; all must hold.

    Raises:
        BreadcrumbError: an unknown trace, a key of ``where`` that does not exist, a limit below 1, or a cursor of
            another query.
    """
    limit, notes = check_limit(limit, MAX_LIMIT)
    wanted = parse_where(where, function)
    query = ("get_calls", project, function, dict(where or {}))
    start = decode_cursor(cursor, query) if cursor else Position(0)
    trace = get_trace(con, resolve_trace_id(con, trace_id or start.trace_id or None, project))
    functions = matching_functions(con, trace, function)
    ids, total = queries.find_calls(con, trace, wanted, after=start.at, limit=limit + 1) if functions else ([], 0)
    places = Places.of(trace)
    if not total:
        return _nothing(con, project, trace, functions, function, where)
    rows = _Rows(con, trace, ids[:limit])

    def build(count: int, chars: int) -> CallList:
        more = count < len(ids)
        chars = min(chars, MAX_VALUE_CHARS) if len(ids) > 1 else chars
        cut_note = [f'values were cut; where={{"call_id": {ids[0]}}} shows that call whole'] if len(ids) > 1 else []
        return CallList(
            project=project,
            trace_id=trace.trace_id,
            functions=[_function_line(each, places) for each in functions[:MAX_FUNCTIONS]]
            + ([f"… {len(functions) - MAX_FUNCTIONS} more"] if len(functions) > MAX_FUNCTIONS else []),
            total=total,
            columns=rows.columns,
            rows=rows.cells(count, chars),
            next_cursor=encode_cursor(query, Position(ids[count - 1], trace.trace_id)) if more and count else None,
            notes=notes + (cut_note if rows.longest(count) > chars else []) + _late_note(rows.calls[:count]),
            next=first_few(_follow_ups(project, trace, rows.calls[:count], single=total == 1)),
        )

    return fit_table(build, len(rows.calls))


class _Rows:
    """The calls of a page with all that is shown of them."""

    def __init__(self, con: DuckDBPyConnection, trace: TraceRow, ids: Sequence[int]) -> None:
        found = queries.calls_by_id(con, trace, ids)
        self.calls = [found[call_id] for call_id in ids]
        self._parents = queries.calls_by_id(con, trace, [c.parent_call_id for c in self.calls if c.parent_call_id])
        self._callees = queries.callees(con, trace, ids)
        processes = [process.process_id for process in list_processes(con, trace.trace_id)]
        self._threads = thread_names(con, trace.trace_id, processes)
        self._many_processes = len(processes) > 1
        self._many_threads = len(self._threads) > max(len(processes), 1)
        self._tasks = any(each.task for each in self.calls)
        self.columns = [
            *COLUMNS,
            *["process"] * self._many_processes,
            *["thread"] * self._many_threads,
            *["task"] * self._tasks,
        ]

    def cells(self, count: int, chars: int) -> list[list[Cell]]:
        return [self._row(each, chars) for each in self.calls[:count]]

    def longest(self, count: int) -> int:
        """Stored characters of the longest value in the first rows."""
        return max((len(text or "") for c in self.calls[:count] for text in (c.args, c.return_value)), default=0)

    def _row(self, each: queries.CallRow, chars: int) -> list[Cell]:
        side = min(chars, MAX_SIDE_CHARS)
        row: list[Cell] = [
            each.call_id,
            one_line(f"{each.module}:{each.name}", side),
            arguments_text(each.args, chars),
            result_text(each, chars),
            each.outcome,
            milliseconds(each.duration_ns),
            self._caller(each, side),
            self._callee_names(each, side),
        ]
        if self._many_processes:
            row.append(each.process_id)
        if self._many_threads:
            row.append(self._threads.get((each.process_id, each.thread_id), str(each.thread_id))[:side])
        if self._tasks:
            row.append(one_line(each.task or "", side))
        return row

    def _caller(self, each: queries.CallRow, chars: int) -> str:
        parent = self._parents.get(each.parent_call_id or 0)
        if parent is None:
            return ""
        line = f":{each.call_line}" if each.call_line else ""
        return one_line(f"{parent.module}:{parent.name}{line}", chars)

    def _callee_names(self, each: queries.CallRow, chars: int) -> str:
        names = self._callees.get(each.call_id, [])
        told = [name if count == 1 else f"{name} x{count:,}" for name, count in names[:MAX_CALLEES]]
        if len(names) > MAX_CALLEES:
            told.append(f"… {len(names) - MAX_CALLEES} more")
        return one_line(", ".join(told), chars)


def result_text(each: queries.CallRow, chars: int) -> str:
    """What came of a call: its return value, or its exception."""
    if each.exception_type is not None and each.outcome != "returned":
        return cut(clean(f"{each.exception_type}: {each.exception_message or ''}".rstrip(": ")), chars)
    return value_text(each.return_value, chars)


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


def _follow_ups(project: str, trace: TraceRow, calls: Sequence[queries.CallRow], *, single: bool) -> list[str | None]:
    def of(each: queries.CallRow, **where: object) -> str:
        name = f"{each.module}:{each.name}" if "parent_call_id" not in where else ""
        return call("get_calls", project=project, function=name or "*", trace_id=trace.trace_id, where=where)

    if single:  # one step outwards, one inwards
        each = calls[0]
        outwards = (
            call(
                "get_calls",
                project=project,
                function="*",
                trace_id=trace.trace_id,
                where={"call_id": each.parent_call_id},
            )
            if each.parent_call_id
            else None
        )
        return [of(each, parent_call_id=each.call_id), outwards]
    raised = [each for each in calls if each.outcome == "raised"]
    return [of((raised or calls)[0], call_id=(raised or calls)[0].call_id)] if calls else []


def _nothing(
    con: DuckDBPyConnection,
    project: str,
    trace: TraceRow,
    functions: Sequence[FunctionName],
    function: str,
    where: Mapping[str, Any] | None,
) -> CallList:
    """Why there are no such calls, and what to do about it."""
    shown = function[:100]
    follow_ups: list[str | None] = []
    if functions:
        recorded = sum(each.recorded for each in functions)
        conditions = cut(json.dumps(dict(where or {}), default=str), 200)
        message = (
            f"{recorded:,} calls of {shown!r} were recorded, and none of them fits where={conditions}."
            if recorded
            else f"{shown!r} was seen, but none of its calls was recorded."
        )
        if recorded:
            follow_ups.append(call("get_calls", project=project, function=shown, trace_id=trace.trace_id))
    else:
        plain = function.replace("*", "").strip(".:")
        gaps = rank_gaps(list_gaps(con, trace, plain), Places.of(trace), trace.config) if plain else []
        gap = next((each for each in gaps if each.suggested_include), gaps[0] if gaps else None)
        similar = similar_names(con, trace, plain.replace(":", ".").rpartition(".")[2] or plain, 5)
        if gap is not None and gap.suggested_include:
            message = (
                f"{gap.row.module}:{gap.row.name} was called {gap.row.call_count:,} times but not traced: "
                f"no include pattern takes {gap.row.module}."
            )
            edit = call("edit_config", project=project, add_include=[gap.suggested_include])
            follow_ups += [edit, rerun_call(project, trace)]
        elif gap is not None:
            message = (
                f"{gap.row.module}:{gap.row.name} was called {gap.row.call_count:,} times, but cannot be traced"
                + (
                    ": it is a C function."
                    if gap.row.kind == "c"
                    else " with this configuration: it is excluded or frozen."
                )
            )
        else:
            message = f"No traced function matches {shown!r}, and traced code called none of that name."
        if similar:
            message += " Recorded names that are like it: " + ", ".join(cut(name, 100) for name in similar) + "."
            follow_ups.append(call("get_calls", project=project, function=similar[0], trace_id=trace.trace_id))
        else:
            follow_ups.append(call("find_gaps", project=project, trace_id=trace.trace_id))
    return CallList(
        project=project,
        trace_id=trace.trace_id,
        functions=[_function_line(each, Places.of(trace)) for each in functions[:MAX_FUNCTIONS]],
        message=cut(clean(message), 1_500),
        total=0,
        columns=COLUMNS,
        rows=[],
        next=first_few(follow_ups),
    )
