"""Read the executed lines of calls, once for each different path, and fit them into an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from breadcrumb_server.answers.common.budget import first_that_fits, items_that_fit
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.lines.bindings import Bindings
from breadcrumb_server.answers.lines.raises import RaisedCalls
from breadcrumb_server.answers.lines.selection import LineSelection
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_server.answers.lines.steps import Steps
from breadcrumb_server.answers.lines.view import DETAIL_LEVELS, DetailLevel, Entry, LineView, shorten, size_of_entries
from breadcrumb_server.answers.rendering.calls import result_text
from breadcrumb_storage.queries.calls.records import CallFilter, CallRow, calls_by_id
from breadcrumb_storage.queries.line_paths import LinePath, line_paths
from breadcrumb_storage.queries.lines import executed_lines, lines_of_calls, raised_calls
from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the lines in an answer."""

    paths: int = 12
    """Different paths; with more, each would have too little room."""
    steps: int = 6_000
    """Lines that are read of all calls together, so that calls with long loops are answered quickly."""
    recorded_steps: int = 2_000
    """Lines of one call that the tracer records, about."""
    calls: int = 4
    """Calls of a page that are shown if paths are not compared: for one variable, or on a later page."""
    ending_chars: int = 100
    """Characters of a call's result or exception."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ShownLines:
    """The lines that fit into an answer, and what was omitted."""

    lines: Sequence[str] = ()
    notes: Sequence[str] = ()
    left_out: tuple[CallRow, int] | None = None  # call and step of the first omitted lines
    unseen: CallRow | None = None  # a call of the rarest path that is not shown
    whole: frozenset[int] = frozenset()  # ids of the calls whose lines are all shown


@dataclass
class LineDetail:
    """The lines of the calls of a page, or of each different path.

    All mappings have call ids as keys. Calls that were recorded without lines are in none of them.
    """

    selection: LineSelection
    executed: Mapping[int, int]  # number of executed lines, of the calls of the page
    source: SourceText
    places: Places
    calls: Mapping[int, CallRow] = field(default_factory=dict[int, CallRow])  # those whose lines are shown
    views: Mapping[int, LineView] = field(default_factory=dict[int, LineView])
    paths: Mapping[int, LinePath] = field(default_factory=dict[int, LinePath])  # by the call that represents the path
    path_count: int = 0

    @classmethod
    def read(
        cls,
        reader: TraceReader,
        calls: Sequence[CallRow],
        selection: LineSelection,
        source: SourceText,
        fitting: CallFilter | None,
    ) -> LineDetail:
        """Read the lines of the calls of a page, or of one call for each different path.

        Args:
            reader: The trace.
            calls: The calls of the page.
            selection: The lines to show.
            source: Text of the source lines.
            fitting: The filter of the calls on all pages, to show each of their paths once; None to show the calls of
                this page.
        """
        executed = executed_lines(reader, [each.call_id for each in calls])
        detail = cls(selection, executed, source, Places.of(reader.trace))
        if selection.none:
            return detail
        if fitting is not None and executed and selection.folded:
            paths, detail.path_count = line_paths(reader, fitting, LIMITS.paths)
            detail.paths = {path.call_ids[0]: path for path in paths}
            found = calls_by_id(reader, list(detail.paths))
            chosen = [found[call_id] for call_id in detail.paths]
        else:
            with_lines = [each for each in calls if each.call_id in executed]
            # Calls that did not return normally are the most likely to be looked for.
            first = sorted(with_lines, key=lambda each: each.outcome == "returned")[: LIMITS.calls]
            chosen = [each for each in with_lines if each in first]
        detail._read_views(reader, chosen)
        return detail

    def _read_views(self, reader: TraceReader, chosen: Sequence[CallRow]) -> None:
        self.calls = {each.call_id: each for each in chosen}
        executed = executed_lines(reader, list(self.calls))
        counts = {call_id: executed[call_id] for call_id in self.calls if call_id in executed}
        ids = _select_readable(counts)
        rows = lines_of_calls(reader, ids)
        raised = raised_calls(reader, ids)
        views: dict[int, LineView] = {}
        bindings: dict[tuple[str | None, int | None], Bindings] = {}
        for each in map(self.calls.__getitem__, ids):
            records = rows.get(each.call_id, [])
            numbers = sorted({row.line for row in records if row.line is not None})
            function = (each.file, None if each.kind == "module" else each.line)
            if function not in bindings:
                bindings[function] = Bindings(self.source.whole(each.file), function[1])
            raises = RaisedCalls(raised.get(each.call_id, ()), each.exception_id)
            steps = Steps.of(records, each.args, bindings[function], raises)
            source = self.source.lines(each.file, numbers)
            heading = one_line(f"call {each.call_id} of {each.module}:{each.name}", 200)
            heading += f", {counted(counts[each.call_id], 'line')} executed"
            if each.call_id in self.paths:
                heading += _path_text(self.paths[each.call_id])
            views[each.call_id] = LineView(steps, source, heading, _ending(each, reader.trace.status == "running"))
        self.views = views

    def fit(self, room: int) -> ShownLines:
        """Render the lines of as many calls as fit into ``room`` characters, in the most detail that fits.

        Args:
            room: Maximum characters in the JSON of the answer.
        """
        calls = list(self.views)
        if not calls:
            return ShownLines()
        if self.selection.from_step is not None:
            return self._with_notes({calls[0]: self.views[calls[0]].from_step(self.selection.from_step, room)})
        # Two calls in less detail say more than one in full, since they show where the calls differ.
        taken: list[int] = []
        for detail in DETAIL_LEVELS[1:]:
            taken = self._calls_that_fit(detail, room)
            if len(taken) > 1 or len(taken) == len(calls):
                break
        if not taken:
            return self._with_notes({calls[0]: shorten(self._entries(calls[0], DETAIL_LEVELS[-1]), room)})
        levels = ({call_id: self._entries(call_id, detail) for call_id in taken} for detail in DETAIL_LEVELS)
        shown = first_that_fits(levels, room, size=lambda level: sum(map(size_of_entries, level.values())))
        assert shown is not None, "they fitted in some detail"
        return self._with_notes(shown)

    def _calls_that_fit(self, detail: DetailLevel, room: int) -> list[int]:
        """Select the calls that fit; one that is too long is skipped."""
        return items_that_fit(
            self.views, room, size=lambda call_id: size_of_entries(self._entries(call_id, detail)), skip=True
        )

    def _entries(self, call_id: int, detail: DetailLevel) -> list[Entry]:
        view, variable = self.views[call_id], self.selection.variable
        return view.folded(detail) if variable is None else view.of_variable(variable, detail)

    def _with_notes(self, shown: Mapping[int, Sequence[Entry]]) -> ShownLines:
        notes: list[str] = []
        unseen = [call_id for call_id in self.paths if call_id not in shown]
        if unseen:
            paths = counted(self.path_count - len(shown), "more path")
            notes.append(f'{paths} not shown here: where={{"call_id": {unseen[0]}}} shows the rarest of them')
        elif not self.paths and len(self.executed) > len(shown):
            others = len(self.executed) - len(shown)
            notes.append(f'lines of {counted(others, "more call")}: where={{"call_id": ...}} shows those of one')
        notes += self.source.notes(self.places.path)
        hidden = [(call_id, entry.position) for call_id, entries in shown.items() for entry in entries if entry.hides]
        left_out = next(((self.calls[call_id], at) for call_id, at in hidden if at is not None), None)
        return ShownLines(
            [entry.text for entries in shown.values() for entry in entries],
            notes,
            left_out,
            self.calls[unseen[0]] if unseen else None,
            frozenset(shown) - {call_id for call_id, _ in hidden} if self.selection.folded else frozenset(),
        )


def _select_readable(counts: Mapping[int, int]) -> list[int]:
    """Select calls, by their numbers of lines, that have no more than LIMITS.steps together; at least one."""
    return items_that_fit(
        counts, LIMITS.steps, size=lambda call_id: min(counts[call_id], LIMITS.recorded_steps), least=1, skip=True
    )


def _path_text(path: LinePath) -> str:
    """Render which calls took a path; "" if there is no other call to compare with."""
    if path.of_calls == 1:
        return ""
    if path.calls == 1:
        return f"; no other of {path.of_calls:,} calls took this path"
    ids = ", ".join(map(str, path.call_ids)) + (", …" if path.calls > len(path.call_ids) else "")
    many = f"all {path.calls:,}" if path.calls == path.of_calls else f"{path.calls:,} of {path.of_calls:,}"
    return f"; path of {many} calls: {ids}"


def _ending(call: CallRow, running: bool) -> str:
    """Render the end of a call, to be appended to its last line: its result or exception."""
    if call.outcome == "unfinished":
        return "   <- here now" if running else "   <- here when the recording ended"
    if call.outcome == "cancelled":
        return "   -> cancelled"
    return f"   -> {call.outcome} {one_line(result_text(call, LIMITS.ending_chars), LIMITS.ending_chars)}"
