"""The executed lines of calls, of each different path once, as much of them as there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from breadcrumb_server.answers.common.budget import first_that_fits, items_that_fit
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.lines.bindings import Bindings
from breadcrumb_server.answers.lines.raises import Raises
from breadcrumb_server.answers.lines.selection import LinesWanted
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_server.answers.lines.steps import Steps
from breadcrumb_server.answers.lines.view import DETAILS, Detail, Entry, LineView, shorten, size_of_entries
from breadcrumb_server.answers.rendering.calls import result_text
from breadcrumb_storage.queries.calls.calls import CallFilter, CallRow, calls_by_id
from breadcrumb_storage.queries.line_paths import LinePath, line_paths
from breadcrumb_storage.queries.lines import executed_lines, lines_of_calls, raised_calls
from breadcrumb_storage.queries.trace_reader import TraceReader

# Different paths that are read: more of them leave each no room.
MAX_PATHS = 12
# Lines of all of them together, so that also calls with long loops are answered within a moment.
MAX_STEPS = 6_000
# Of one call about so many are recorded at most.
MAX_RECORDED = 2_000
# Calls of one page that are shown where a variable is followed: it has its own history in each.
MAX_CALLS = 4
MAX_ENDING_CHARS = 100


@dataclass(frozen=True, slots=True)
class ShownLines:
    """What fits, and where it goes on."""

    lines: Sequence[str] = ()
    notes: Sequence[str] = ()
    left_out: tuple[CallRow, int] | None = None  # call and step of the first lines that are not shown
    unseen: CallRow | None = None  # the first call of the rarest path that is not shown
    whole: frozenset[int] = frozenset()  # calls whose lines stand there to the last one


@dataclass
class LineDetail:
    """The lines of some calls, read but for those that were not recorded with any."""

    wanted: LinesWanted
    executed: Mapping[int, int]  # of the calls of the page: how many lines
    source: SourceText
    places: Places
    calls: Mapping[int, CallRow] = field(default_factory=dict[int, CallRow])
    views: Mapping[int, LineView] = field(default_factory=dict[int, LineView])
    paths: Mapping[int, LinePath] = field(default_factory=dict[int, LinePath])  # by the call that stands for it
    path_count: int = 0

    @classmethod
    def read(
        cls,
        reader: TraceReader,
        calls: Sequence[CallRow],
        wanted: LinesWanted,
        source: SourceText,
        fitting: CallFilter | None,
    ) -> LineDetail:
        """The lines of calls on a page.

        Args:
            fitting: what all the calls fit that the pages go through. Where it is given, the different paths of all
                of them are shown instead of the first calls of the page.
        """
        executed = executed_lines(reader, [each.call_id for each in calls])
        detail = cls(wanted, executed, source, Places.of(reader.trace))
        if wanted.none:
            return detail
        if fitting is not None and executed and wanted.folded:
            paths, detail.path_count = line_paths(reader, fitting, MAX_PATHS)
            detail.paths = {path.call_ids[0]: path for path in paths}
            found = calls_by_id(reader, list(detail.paths))
            chosen = [found[call_id] for call_id in detail.paths]
        else:
            with_lines = [each for each in calls if each.call_id in executed]
            # What went wrong is what is looked for.
            first = sorted(with_lines, key=lambda each: each.outcome == "returned")[:MAX_CALLS]
            chosen = [each for each in with_lines if each in first]
        detail._read_views(reader, chosen)
        return detail

    def _read_views(self, reader: TraceReader, chosen: Sequence[CallRow]) -> None:
        self.calls = {each.call_id: each for each in chosen}
        executed = executed_lines(reader, list(self.calls))
        counts = {call_id: executed[call_id] for call_id in self.calls if call_id in executed}
        ids = _readable(counts)
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
            raises = Raises(raised.get(each.call_id, ()), each.exception_id)
            steps = Steps.of(records, each.args, bindings[function], raises)
            source = self.source.lines(each.file, numbers)
            heading = one_line(f"call {each.call_id} of {each.module}:{each.name}", 200)
            heading += f", {counted(counts[each.call_id], 'line')} executed"
            if each.call_id in self.paths:
                heading += _of_path(self.paths[each.call_id])
            views[each.call_id] = LineView(steps, source, heading, _ending(each, reader.trace.status == "running"))
        self.views = views

    def fit(self, room: int) -> ShownLines:
        """The lines at the level of detail, and of as many calls, as fit into ``room`` characters."""
        calls = list(self.views)
        if not calls:
            return ShownLines()
        if self.wanted.from_step is not None:
            return self._shown({calls[0]: self.views[calls[0]].from_step(self.wanted.from_step, room)})
        # Two calls in little detail say more than one in much: where they part.
        taken: list[int] = []
        for detail in DETAILS[1:]:
            taken = self._that_fit(detail, room)
            if len(taken) > 1 or len(taken) == len(calls):
                break
        if not taken:
            return self._shown({calls[0]: shorten(self._entries(calls[0], DETAILS[-1]), room)})
        levels = ({call_id: self._entries(call_id, detail) for call_id in taken} for detail in DETAILS)
        shown = first_that_fits(levels, room, size=lambda level: sum(map(size_of_entries, level.values())))
        assert shown is not None, "they fitted in some detail"
        return self._shown(shown)

    def _that_fit(self, detail: Detail, room: int) -> list[int]:
        """Choose the calls that fit; one that is too long leaves its room to those behind it."""
        return items_that_fit(
            self.views, room, size=lambda call_id: size_of_entries(self._entries(call_id, detail)), skip=True
        )

    def _entries(self, call_id: int, detail: Detail) -> list[Entry]:
        view, variable = self.views[call_id], self.wanted.variable
        return view.folded(detail) if variable is None else view.of_variable(variable, detail)

    def _shown(self, shown: Mapping[int, Sequence[Entry]]) -> ShownLines:
        notes: list[str] = []
        unseen = [call_id for call_id in self.paths if call_id not in shown]
        if unseen:
            paths = counted(self.path_count - len(shown), "more path")
            notes.append(f'{paths} not shown here: where={{"call_id": {unseen[0]}}} shows the rarest of them')
        elif not self.paths and len(self.executed) > len(shown):
            others = len(self.executed) - len(shown)
            notes.append(f'lines of {counted(others, "more call")}: where={{"call_id": ...}} shows those of one')
        if self.source.changed:
            files = ", ".join(one_line(self.places.path(file), 80) for file in sorted(self.source.changed)[:2])
            notes.append(f"{files} changed since the run: its lines have no source text here")
        hidden = [(call_id, entry.position) for call_id, entries in shown.items() for entry in entries if entry.hides]
        left_out = next(((self.calls[call_id], at) for call_id, at in hidden if at is not None), None)
        return ShownLines(
            [entry.text for entries in shown.values() for entry in entries],
            notes,
            left_out,
            self.calls[unseen[0]] if unseen else None,
            frozenset(shown) - {call_id for call_id, _ in hidden} if self.wanted.folded else frozenset(),
        )


def _readable(counts: Mapping[int, int]) -> list[int]:
    """Choose calls, by their numbers of lines, that are within MAX_STEPS together; at least one."""
    return items_that_fit(
        counts, MAX_STEPS, size=lambda call_id: min(counts[call_id], MAX_RECORDED), least=1, skip=True
    )


def _of_path(path: LinePath) -> str:
    """Which calls took it, where there are others to compare with."""
    if path.of_calls == 1:
        return ""
    if path.calls == 1:
        return f"; no other of {path.of_calls:,} calls took this path"
    ids = ", ".join(map(str, path.call_ids)) + ", …" * (path.calls > len(path.call_ids))
    many = f"all {path.calls:,}" if path.calls == path.of_calls else f"{path.calls:,} of {path.of_calls:,}"
    return f"; path of {many} calls: {ids}"


def _ending(call: CallRow, running: bool) -> str:
    """What came of a call, for behind its last line."""
    if call.outcome == "unfinished":
        return "   <- here now" if running else "   <- here when the recording ended"
    if call.outcome == "cancelled":
        return "   -> cancelled"
    return f"   -> {call.outcome} {one_line(result_text(call, MAX_ENDING_CHARS), MAX_ENDING_CHARS)}"
