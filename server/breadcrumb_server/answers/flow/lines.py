"""Render the lines of a flow: each group with its arguments, results and times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from breadcrumb_server.answers.common.text import bounded_text, cut, one_line, rounded
from breadcrumb_server.answers.flow.caught import CaughtExceptions
from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.outliers import argument_outliers
from breadcrumb_server.answers.flow.outline import Row
from breadcrumb_server.answers.flow.tree import Group, Lane
from breadcrumb_server.answers.flow.values import (
    Pairs,
    arguments,
    both_arguments,
    on_one_line,
    short,
    side_by_side,
    value_on_one_line,
)
from breadcrumb_server.answers.rendering.calls import result_value
from breadcrumb_server.answers.rendering.layout import cut_value
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_server.answers.rendering.notation import ValueTree
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.flow.calls import task_creators, task_names
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import list_processes, thread_names


class FlowLines:
    """The lines of a flow.

    Args:
        reader: the trace.
        rows: the rows to render.
        caught: the exceptions that calls of the flow caught.
    """

    def __init__(self, reader: TraceReader, rows: Sequence[Row], caught: CaughtExceptions) -> None:
        self._rows = rows
        groups = [row.group for row in rows if row.group is not None]
        self.outliers = argument_outliers(reader, groups)
        self.caught = caught
        self._calls = calls_by_id(reader, [*dict.fromkeys(_shown_call_ids(rows))])
        self._mentions = Mentions()
        self._known_results: dict[int, ValueTree] = {}
        self._tasks = task_names(reader)
        self._creators = task_creators(reader) if self._tasks else {}
        processes = list_processes(reader)
        self._processes = {each.process_id: each.name or each.started_by or "" for each in processes}
        self._threads = thread_names(reader, sorted(self._processes))

    def render(self, chars: int) -> list[str]:
        """Render all rows.

        Args:
            chars: characters of the arguments, and of the result, of one call.
        """
        self._mentions = Mentions()
        return ["  " * row.indent + self._row(row, chars) for row in self._rows]

    def _row(self, row: Row, chars: int) -> str:
        if row.lane is not None:
            return self._heading(row.lane)
        return row.text if row.group is None else self._group(row.group, row.parent, chars, deeper=row.deeper)

    def _group(self, group: Group, parent: Group | None, chars: int, *, deeper: bool) -> str:
        single = group.calls == 1
        name = ("=> " if group.focus else "") + self._name(group, parent)
        pieces = [
            name + (self._one_call(group, chars) if single else ""),
            f"x{group.calls:,}" if not single else "",
            self._several_calls(group, chars) if not single else "",
            self._outlier(group, chars),
            self._caught(group),
            self._task(group, parent),
            _duration(group),
            *_marks(group),
            f"#{group.first_call_id}" if single else f"#{group.first_call_id}..{group.last_call_id}",
            "…" if deeper else "",
        ]
        # Two spaces separate the values from the remarks on the call.
        text = "  ".join(piece for piece in pieces if piece).replace("  x", " x", 1 if not single else 0)
        self._mentions.shown(text)
        return text

    def _name(self, group: Group, parent: Group | None) -> str:
        module, _, name = group.name.rpartition(":")
        known = parent is not None and parent.name.rpartition(":")[0] == module
        call = self._calls.get(group.first_call_id)
        prefix = "class " if call is not None and call.kind == "class" else ""
        return prefix + one_line(name if known else group.name, LIMITS.max_name_chars)

    def _one_call(self, group: Group, chars: int) -> str:
        call = self._calls.get(group.first_call_id)
        if call is None:
            return ""
        given = "" if call.is_body else f"({arguments(self._arguments_of(call), chars)})"
        if call.outcome == "raised":
            return f"{given} !! {short(self._result_text(call), chars)}"
        shown = call.outcome == "returned" and not call.is_body
        if not shown:
            return given
        self._mentions.shown(given)
        result = value_on_one_line(result_value(call, LIMITS.max_read_chars, self._mentions))
        return f"{given} -> {cut_value(result, chars, short)}"

    def _several_calls(self, group: Group, chars: int) -> str:
        first, other = self._calls.get(group.first_call_id), self._calls.get(group.other_call_id)
        if first is None or other is None:
            return ""
        half = max(chars // 2, 12)
        ends = [f"({text})" for text in both_arguments(self._arguments_of(first), self._arguments_of(other), half)]
        if group.raised == group.calls:
            return f"{_from_to(*ends)} !! {short(self._result_text(first), chars)}".strip()
        if group.results:
            return f"{_from_to(*ends)} -> {self._results(group, chars)}".strip()
        if first.outcome == other.outcome == "returned":
            results = side_by_side([self._result_text(first), self._result_text(other)], half)
            return _from_to(*(f"{end} -> {result}" for end, result in zip(ends, results, strict=True)))
        return _from_to(*ends)

    def _outlier(self, group: Group, chars: int) -> str:
        """Render ``rate=0.2 x319, None x1 (#51)``."""
        outlier = self.outliers.get(group.first_call_id) if group.calls > 1 else None
        if outlier is None:
            return ""
        texts = side_by_side([on_one_line(text) for text, _, _ in outlier.values], max(chars // 3, 12))
        return f"{outlier.name}={_with_counts(texts, [(call_id, count) for _, count, call_id in outlier.values])}"

    def _caught(self, group: Group) -> str:
        """Render ``caught KeyError``, or for several calls ``2 caught KeyError (#51)``."""
        caught = self.caught.rarest_in(group)
        if caught is None:
            return ""
        what = f"caught {one_line(caught.type, LIMITS.max_name_chars)}"
        if group.calls == 1:
            return what
        return f"{bounded_text(caught.calls, exact=caught.exact)} {what} (#{caught.first_call_id})"

    def _results(self, group: Group, chars: int) -> str:
        """Render ``True x98, False x2 (#51)``, with the first call of each rarer result."""
        found = [(call_id, count) for call_id, count in group.results if call_id in self._calls]
        whole = [self._result_text(self._calls[call_id]) for call_id, _ in found]
        texts = side_by_side(whole, max(chars // len(group.results), 12))
        return texts[0] if len(texts) == 1 else _with_counts(texts, found)

    def _arguments_of(self, call: CallRow) -> Pairs:
        return [(name, value_on_one_line(value)) for name, value in self._mentions.pairs(call.args)]

    def _result_of(self, call: CallRow) -> ValueTree:
        if call.call_id not in self._known_results:
            self._known_results[call.call_id] = value_on_one_line(result_value(call, LIMITS.max_read_chars))
        return self._known_results[call.call_id]

    def _result_text(self, call: CallRow) -> str:
        return cut(str(self._result_of(call)), LIMITS.max_read_chars)

    def _task(self, group: Group, parent: Group | None) -> str:
        if group.task is not None:
            name = one_line(self._tasks.get(group.task, f"task {group.task[1]}"), 60)
            creator = self._creators.get(group.task)
            # The call above it is in most cases the one that started the event loop.
            shows_creator = creator is not None and (parent is None or creator not in parent.call_ids)
            return f"[{name}, by #{creator}]" if shows_creator else f"[{name}]"
        return f"[{group.tasks:,} tasks]" if group.tasks else ""

    def _heading(self, lane: Lane) -> str:
        first, last = lane.threads[0], lane.threads[-1]
        if len(lane.threads) == 1:
            return one_line(self._thread(first), LIMITS.max_heading_chars) + ":"
        processes = len({process for process, _ in lane.threads})
        of = f" of {processes} processes" if processes > 1 else ""
        ends = one_line(f"{self._thread(first)} … {self._thread(last)}", LIMITS.max_heading_chars)
        return f"{len(lane.threads):,} threads{of}, {ends}:"

    def _thread(self, thread: tuple[int, int]) -> str:
        name = self._threads.get(thread, f"thread {thread[1]}")
        if len(self._processes) < 2:
            return name
        what = self._processes.get(thread[0], "")
        return f"process {thread[0]}{f' ({what})' if what else ''}, {name}"


def _shown_call_ids(rows: Sequence[Row]) -> Iterator[int]:
    for row in rows:
        if row.group is not None:
            yield row.group.first_call_id
            yield row.group.other_call_id
            for call_id, _ in row.group.results:
                yield call_id


def _with_counts(texts: Sequence[str], counts: Sequence[tuple[int, int]]) -> str:
    """Render values with their counts, and all but the most frequent one with its first call."""
    return ", ".join(
        f"{text} x{count:,}" + (f" (#{call_id})" if number else "")
        for number, (text, (call_id, count)) in enumerate(zip(texts, counts, strict=True))
    )


def _from_to(first: str, last: str) -> str:
    if first == last:
        return first if first != "()" else ""
    return f"{first} … {last}"


def _duration(group: Group) -> str:
    if group.min_ns is None or group.max_ns is None or group.total_ns < LIMITS.min_shown_ns:
        return ""
    least, most = rounded(group.min_ns / 1e6), rounded(group.max_ns / 1e6)
    if group.calls == 1:
        return f"{most} ms"
    spread = f"{most} ms" if least == most else f"{least}-{most} ms"
    return f"{spread}, {rounded(group.total_ns / 1e6)} in all"


def _marks(group: Group) -> Iterator[str]:
    marks = (("cancelled", group.cancelled), ("unfinished", group.unfinished), ("late", group.late))
    if group.calls == 1:
        for word, applies in marks:
            if applies:
                yield word
        return
    if 0 < group.raised < group.calls:
        yield f"!! {group.raised:,} raised"
    for word, count in marks:
        if count:
            yield f"{count:,} {word}"
