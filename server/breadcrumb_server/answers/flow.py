"""The answer to: what happened, in order?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from breadcrumb_server.answers.base import Answer
from breadcrumb_server.answers.call_lines import result_text
from breadcrumb_server.answers.cursors import Position, decode_cursor, encode_cursor
from breadcrumb_server.answers.fit import MAX_ANSWER_CHARS, fit, size_of
from breadcrumb_server.answers.follow_ups import call, first_few
from breadcrumb_server.answers.text import cut, one_line, rounded
from breadcrumb_server.answers.values import arguments_text
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.calls import CallRow, calls_by_id
from breadcrumb_storage.queries.flow import FlowNode, FlowRoots, call_count, flow
from breadcrumb_storage.queries.functions import similar_names
from breadcrumb_storage.queries.traces import TraceRow, get_trace, list_processes, thread_names
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT_DEPTH = 5
MAX_DEPTH = 12
# Functions that are shown below one node; the others are counted.
MAX_CHILDREN = 24
MAX_LINES = 400
MAX_ARGUMENT_CHARS = 70
MAX_RESULT_CHARS = 50


class Flow(Answer):
    """The call tree as text, in order, calls of the same function at the same place folded.

    ``name(args) -> result  3.1 ms  #call_id`` is one call; ``name x5  0.9-1.4 ms  #first_call_id`` stands for five;
    below it is what all five called. ``!!`` marks calls that raised, ``unfinished`` those that had not ended.
    """

    always_shown = frozenset({"lines", "calls"})
    shown_last = ("lines", "next_cursor", "notes", "next")

    trace_id: str
    calls: int = Field(description="recorded calls that the lines stand for")
    recorded: int = Field(default=0, description="recorded calls of the trace")
    lines: list[str]
    message: str = Field(default="", description="why there is nothing, where there is nothing")
    next_cursor: str | None = Field(default=None, description="pass as cursor, all else unchanged, for the next page")


def get_flow(
    con: DuckDBPyConnection,
    project: str,
    trace_id: str | None = None,
    function: str | None = None,
    root_call_id: int | None = None,
    max_depth: int = DEFAULT_DEPTH,
    cursor: str | None = None,
) -> Flow:
    """One page of the call tree of a trace, or of what is below a call or the calls of a function.

    Raises:
        BreadcrumbError: an unknown trace, a depth that is not from 1 to MAX_DEPTH, or a cursor of another query.
    """
    if not 1 <= max_depth <= MAX_DEPTH:
        raise BreadcrumbError(
            f"max_depth must be from 1 to {MAX_DEPTH}, not {max_depth}.",
            hint="For what is deeper begin further in: root_call_id takes a call_id from the lines.",
        )
    query = ("get_flow", project, function, root_call_id, max_depth)
    start = decode_cursor(cursor, query) if cursor else Position(0)
    trace = get_trace(con, resolve_trace_id(con, trace_id or start.trace_id or None, project))
    nodes = flow(con, trace, FlowRoots(call_id=root_call_id, function=function), max_depth)
    if not nodes:
        return _nothing(con, project, trace, function, root_call_id)
    text = _Lines(con, trace, nodes, max_depth)
    lines = text.all()
    page = lines[start.at :]
    recorded = call_count(con, trace)

    def build(count: int) -> Flow:
        end = start.at + count
        return Flow(
            project=project,
            trace_id=trace.trace_id,
            calls=sum(node.calls for node in nodes),
            recorded=recorded,
            lines=page[:count],
            next_cursor=encode_cursor(query, Position(end, trace.trace_id)) if end < len(lines) else None,
            next=first_few(text.follow_ups(project)),
        )

    few, too_many = 0, len(page) + 1
    while too_many - few > 1:
        middle = (few + too_many) // 2
        if size_of(build(middle)) <= MAX_ANSWER_CHARS:
            few = middle
        else:
            too_many = middle
    return fit([build(max(few, 1))])


class _Lines:
    """The lines of a tree."""

    def __init__(self, con: DuckDBPyConnection, trace: TraceRow, nodes: Sequence[FlowNode], max_depth: int) -> None:
        self._trace = trace
        self._max_depth = max_depth
        self._children: dict[int, list[FlowNode]] = defaultdict(list)
        for node in nodes:
            self._children[node.parent].append(node)
        self._deeper = [node for node in nodes if node.level == max_depth - 1 and node.has_children]
        shown = [node.first_call_id for node in self._shown(0)]
        self._calls = calls_by_id(con, trace, shown[:MAX_LINES])
        self._processes = {process.process_id for process in list_processes(con, trace.trace_id)}
        self._threads = thread_names(con, trace.trace_id, sorted(self._processes))

    def all(self) -> list[str]:
        lines: list[str] = []
        where = ""
        for root in self._children[0][:MAX_CHILDREN]:
            now = self._where(root)
            if now != where:
                lines.append(now)
                where = now
            lines += self._tree(root, 1 if where else 0)
        lines += self._left_out(self._children[0], 0)
        if len(lines) > MAX_LINES:
            lines[MAX_LINES:] = [f"… {len(lines) - MAX_LINES} more lines: begin further in, with root_call_id"]
        return lines

    def follow_ups(self, project: str) -> list[str | None]:
        deepest = max(self._deeper, key=lambda node: node.total_ns, default=None)
        raised = next((each for each in self._shown(0) if each.raised), None)
        return [
            call("get_flow", project=project, trace_id=self._trace.trace_id, root_call_id=deepest.first_call_id)
            if deepest
            else None,
            call(
                "get_calls",
                project=project,
                function=raised.full_name,
                trace_id=self._trace.trace_id,
                where={"outcome": "raised"},
            )
            if raised
            else None,
        ]

    def _shown(self, parent: int) -> Iterator[FlowNode]:
        for node in self._children[parent][:MAX_CHILDREN]:
            yield node
            yield from self._shown(node.node)

    def _tree(self, node: FlowNode, indent: int) -> Iterator[str]:
        yield "  " * indent + self._line(node)
        for child in self._children[node.node][:MAX_CHILDREN]:
            yield from self._tree(child, indent + 1)
        yield from self._left_out(self._children[node.node], indent + 1)

    def _left_out(self, siblings: Sequence[FlowNode], indent: int) -> list[str]:
        left = siblings[MAX_CHILDREN:]
        if not left:
            return []
        return ["  " * indent + f"… {len(left)} more, {sum(node.calls for node in left):,} calls"]

    def _line(self, node: FlowNode) -> str:
        first = self._calls.get(node.first_call_id)
        name = node.full_name.rpartition(":")[2]
        if node.level == 0:
            name = node.full_name
        pieces = [self._single(node, first, name) if node.calls == 1 else f"{name} x{node.calls:,}"]
        pieces.append(_duration(node))
        pieces += [
            f"{mark} {count:,}" if node.calls > 1 else mark
            for mark, count in (
                ("!! raised", node.raised),
                ("cancelled", node.cancelled),
                ("unfinished", node.unfinished),
            )
            if count and not (mark == "!! raised" and node.calls == 1)
        ]
        pieces.append(f"#{node.first_call_id}")
        if node.level == self._max_depth - 1 and node.has_children:
            pieces.append("…")
        return "  ".join(piece for piece in pieces if piece)

    def _single(self, node: FlowNode, first: CallRow | None, name: str) -> str:
        if first is None or name == "<module>" or name.endswith(":<module>"):
            return name
        text = f"{name}({one_line(arguments_text(first.args, MAX_ARGUMENT_CHARS), MAX_ARGUMENT_CHARS)})"
        result = one_line(result_text(first, MAX_RESULT_CHARS), MAX_RESULT_CHARS)
        if node.raised:
            return f"{text} !! {result}"
        return f"{text} -> {result}" if first.outcome == "returned" else text

    def _where(self, root: FlowNode) -> str:
        """The heading of a root, where there is more than one thread or a task."""
        parts: list[str] = []
        if len(self._processes) > 1:
            parts.append(f"process {root.process_id}")
        if len(self._threads) > 1:
            parts.append(self._threads.get((root.process_id, root.thread_id), f"thread {root.thread_id}"))
        if root.task:
            parts.append(f"task {root.task}")
        return one_line(", ".join(parts), 120) + ":" * bool(parts)


def _duration(node: FlowNode) -> str:
    if node.min_ns is None or node.max_ns is None:
        return ""
    least, most = rounded(node.min_ns / 1e6), rounded(node.max_ns / 1e6)
    if node.calls == 1 or least == most:
        return f"{most} ms"
    return f"{least}-{most} ms, {rounded(node.total_ns / 1e6)} ms in all"


def _nothing(
    con: DuckDBPyConnection, project: str, trace: TraceRow, function: str | None, root_call_id: int | None
) -> Flow:
    follow_ups: list[str | None] = [call("get_trace", project=project, trace_id=trace.trace_id)]
    if root_call_id is not None:
        message = f"This trace has no recorded call {root_call_id}."
    elif function is not None:
        similar = similar_names(con, trace, function.replace("*", "").rpartition(":")[2], 5)
        message = f"No call of a function that {cut(function, 100)!r} names was recorded."
        if similar:
            message += " Recorded names that are like it: " + ", ".join(cut(name, 100) for name in similar) + "."
            follow_ups = [call("get_flow", project=project, function=similar[0], trace_id=trace.trace_id)]
    else:
        message = "No call was recorded in this trace."
    return Flow(
        project=project, trace_id=trace.trace_id, calls=0, lines=[], message=message, next=first_few(follow_ups)
    )
