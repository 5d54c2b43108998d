"""The executed lines of the calls on a page, as much of them as there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from breadcrumb_server.answers.call_lines import result_text
from breadcrumb_server.answers.call_where import LinesWanted
from breadcrumb_server.answers.line_steps import Steps
from breadcrumb_server.answers.line_view import DETAILS, Entry, LineView, shorten
from breadcrumb_server.answers.places import Places
from breadcrumb_server.answers.source_text import SourceText
from breadcrumb_server.answers.text import counted, one_line
from breadcrumb_storage.queries.calls import CallRow
from breadcrumb_storage.queries.lines import executed_lines, lines_of_call
from breadcrumb_storage.queries.traces import TraceRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Calls of one page whose lines are shown: more of them leave each no room.
MAX_CALLS = 4
MAX_ENDING_CHARS = 100


@dataclass(frozen=True, slots=True)
class ShownLines:
    """What fits, and where it goes on."""

    lines: Sequence[str] = ()
    notes: Sequence[str] = ()
    left_out: tuple[int, int] | None = None  # call and step of the first lines that are not shown


@dataclass
class LineDetail:
    """The lines of some calls, read but for those that were not recorded with any."""

    wanted: LinesWanted
    executed: Mapping[int, int]  # by call: how many lines
    source: SourceText
    places: Places
    views: Mapping[int, LineView] = field(default_factory=dict[int, LineView])

    @classmethod
    def read(
        cls, con: DuckDBPyConnection, trace: TraceRow, calls: Sequence[CallRow], wanted: LinesWanted, source: SourceText
    ) -> LineDetail:
        executed = executed_lines(con, trace, [each.call_id for each in calls])
        detail = cls(wanted, executed, source, Places.of(trace))
        if not wanted.none:
            with_lines = [each for each in calls if each.call_id in executed]
            # What went wrong is what is looked for.
            chosen = sorted(with_lines, key=lambda each: each.outcome == "returned")[:MAX_CALLS]
            running = trace.status == "running"
            detail.views = {
                each.call_id: detail._view(con, trace, each, running) for each in with_lines if each in chosen
            }
        return detail

    def _view(self, con: DuckDBPyConnection, trace: TraceRow, call: CallRow, running: bool) -> LineView:
        steps = Steps.of(lines_of_call(con, trace, call.call_id), call.args)
        source = self.source.lines(call.file, sorted({step.line for step in steps.steps}))
        heading = f"call {call.call_id} of {call.module}:{call.name}"
        lines = counted(self.executed[call.call_id], "line")
        return LineView(steps, source, f"{one_line(heading, 200)}, {lines} executed", _ending(call, running))

    def fit(self, room: int) -> ShownLines:
        """The lines at the level of detail, and of as many calls, as fit into ``room`` characters."""
        calls = list(self.views)
        if not calls:
            return ShownLines()
        if self.wanted.from_step is not None:
            return self._shown({calls[0]: self.views[calls[0]].from_step(self.wanted.from_step, room)})
        shown: dict[int, list[Entry]] = {}
        for count in range(len(calls), 0, -1):
            for detail in DETAILS:
                shown = {
                    call_id: self.views[call_id].folded(detail)
                    if self.wanted.variable is None
                    else self.views[call_id].of_variable(self.wanted.variable, detail)
                    for call_id in calls[:count]
                }
                if sum(entry.chars for entries in shown.values() for entry in entries) <= room:
                    return self._shown(shown)
        return self._shown({calls[0]: shorten(shown[calls[0]], room)})

    def _shown(self, shown: Mapping[int, Sequence[Entry]]) -> ShownLines:
        notes: list[str] = []
        if len(self.executed) > len(shown):
            others = len(self.executed) - len(shown)
            notes.append(f'lines of {counted(others, "more call")}: where={{"call_id": ...}} shows those of one')
        if self.source.changed:
            files = ", ".join(one_line(self.places.path(file), 80) for file in sorted(self.source.changed)[:2])
            notes.append(f"{files} changed since the run: its lines have no source text here")
        left_out = next(
            (
                (call_id, entry.position)
                for call_id, entries in shown.items()
                for entry in entries
                if entry.hides and entry.position is not None
            ),
            None,
        )
        return ShownLines([entry.text for entries in shown.values() for entry in entries], notes, left_out)


def _ending(call: CallRow, running: bool) -> str:
    """What came of a call, for behind its last line."""
    if call.outcome == "unfinished":
        return "   <- here now" if running else "   <- here when the recording ended"
    if call.outcome == "cancelled":
        return "   -> cancelled"
    return f"   -> {call.outcome} {one_line(result_text(call, MAX_ENDING_CHARS), MAX_ENDING_CHARS)}"
