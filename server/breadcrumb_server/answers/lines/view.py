"""Render the lines of a call: with loops folded, from a step on, or only those that changed a variable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.budget import ends_that_fit, items_that_fit
from breadcrumb_server.answers.common.text import clean, counted, cut, one_line
from breadcrumb_server.answers.lines.changes import Change, concerns
from breadcrumb_server.answers.lines.loops import LineLoop, StepOrLoop, all_steps, find_loops, odd_rounds
from breadcrumb_server.answers.lines.steps import Step, Steps
from breadcrumb_server.answers.rendering.layout import pairs_text


@dataclass(frozen=True, slots=True)
class DetailLevel:
    """How much of a call is shown."""

    first: int  # rounds at the beginning of a loop
    last: int  # rounds at its end
    odd: int  # rounds in between that stand out
    value_chars: int  # characters of the changes of a line
    source_chars: int  # characters of the source of a line

    def inside(self) -> DetailLevel:
        """Return the level for loops within a round."""
        return DetailLevel(1, 1, self.odd // 2, self.value_chars, self.source_chars)


# Characters of the line that counts omitted lines.
MARK_CHARS = 100

DETAIL_LEVELS = (
    DetailLevel(first=3, last=2, odd=5, value_chars=300, source_chars=110),
    DetailLevel(first=3, last=2, odd=4, value_chars=120, source_chars=100),
    DetailLevel(first=2, last=1, odd=3, value_chars=90, source_chars=80),
    DetailLevel(first=1, last=1, odd=2, value_chars=60, source_chars=60),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of text in an answer."""

    text: str
    position: int | None = None  # the step that it shows, or the first of those that it replaces
    hides: bool = False  # whether it replaces steps that are not shown

    @property
    def chars(self) -> int:
        """Count its characters in the JSON of an answer."""
        return len(json.dumps(self.text, ensure_ascii=False)) + 1


class LineView:
    """The lines of one call, to be rendered as text.

    Args:
        steps: Its executed lines.
        source: Text of the source lines that can be shown, by number.
        heading: Text that names the call.
        ending: Text appended to its last line: its result or exception.
    """

    def __init__(self, steps: Steps, source: Mapping[int, str], heading: str, ending: str) -> None:
        self._steps = steps
        self._source = source
        self._heading = heading
        self._ending = ending
        self._nodes: tuple[StepOrLoop, ...] | None = None

    def folded(self, detail: DetailLevel) -> list[Entry]:
        """Render the whole call; of each loop the first and the last rounds, and those that stand out."""
        if self._nodes is None:
            self._nodes = find_loops(self._steps.steps)
        return [
            Entry(f"{self._heading}:"),
            *self._outer_entries(detail),
            *self._node_entries(self._nodes, detail),
            *self._end_entries(self._steps.at_end, detail),
        ]

    def from_step(self, position: int, room: int) -> list[Entry]:
        """Render each step from ``position`` on, as many as fit into ``room`` characters."""
        heading = Entry(f"{self._heading}, from step {position:,} on:")
        steps = [step for step in self._steps.steps if step.position >= position]
        of_steps = (list(self._step_entries(step, DETAIL_LEVELS[0])) for step in steps)
        chosen = items_that_fit(of_steps, room - heading.chars - MARK_CHARS, size=size_of_entries, least=1)
        entries = [heading, *(entry for each in chosen for entry in each)]
        rest = steps[len(chosen) :]
        if rest:
            return [*entries, Entry(_left_out_text(rest, "step"), rest[0].position, hides=True)]
        return [*entries, *self._end_entries(self._steps.at_end, DETAIL_LEVELS[0])]

    def of_variable(self, variable: str, detail: DetailLevel) -> list[Entry]:
        """Render the steps that changed a variable or a part of it; many are folded like the rounds of a loop."""
        chosen = [
            Step(step.position, step.line, changed)
            for step in self._steps.steps
            if (changed := tuple(each for each in step.changes or () if concerns(each, variable)))
        ]
        name = one_line(variable, 60)
        if not chosen:
            seen = dict.fromkeys(
                re.split(r"[.\[]", each.path)[0] for step in self._steps.steps for each in step.changes or ()
            )
            return [Entry(f"{self._heading}; none changed {name}, but {one_line(', '.join(seen) or 'nothing', 300)}")]
        at_end = tuple(each for each in self._steps.at_end if concerns(each, variable))
        return [
            Entry(f"{self._heading}; {counted(len(chosen), 'step')} changed {name}:"),
            *self._loop_entries(LineLoop(tuple((step,) for step in chosen)), detail, "step"),
            *self._end_entries(at_end, detail),
        ]

    def _node_entries(self, nodes: Sequence[StepOrLoop], detail: DetailLevel) -> Iterator[Entry]:
        for node in nodes:
            if isinstance(node, Step):
                yield from self._step_entries(node, detail)
            else:
                yield from self._loop_entries(node, detail, "round")

    def _loop_entries(self, loop: LineLoop, detail: DetailLevel, noun: str) -> Iterator[Entry]:
        rounds = loop.rounds
        between = range(detail.first, len(rounds) - detail.last)
        odd = odd_rounds(loop, between, detail.odd)
        shown = {number for number in range(len(rounds)) if number not in between or number in odd}
        # A line that counts a single omitted round takes as much room as the round.
        shown |= {number for number in range(len(rounds)) if number - 1 in shown and number + 1 in shown}
        hidden: list[tuple[StepOrLoop, ...]] = []
        for number, each in enumerate(rounds):
            if number not in shown:
                hidden.append(each)
                continue
            if hidden:
                yield _hidden_entry(hidden, noun)
                hidden = []
            if number in odd:
                # Named by its step: if lines were not recorded, the number of the round is not known.
                first = next(all_steps(each)).position
                yield Entry(f"  from step {first:,}: {one_line(odd[number], 120)}")
            yield from self._node_entries(each, detail.inside())

    def _step_entries(self, step: Step, detail: DetailLevel) -> Iterator[Entry]:
        meanwhile = _changes_text(step.before, detail)
        if step.missing_before:
            first = step.position - step.missing_before
            yield Entry(f"  … {counted(step.missing_before, 'line')} not recorded{meanwhile}", first)
        elif meanwhile:
            yield Entry(f"  …{meanwhile}")
        source = cut(clean(self._source.get(step.line, "")), detail.source_chars)
        ending = self._ending if step is self._steps.steps[-1] else ""
        changed = _changes_text(step.changes or (), detail)
        raised = f"   !! {clean(step.raised)}" if step.raised else ""
        yield Entry(f"{step.line:>4}  {source}".rstrip() + changed + raised + ending, step.position)

    def _outer_entries(self, detail: DetailLevel) -> Iterator[Entry]:
        if self._steps.outer:
            yield Entry(f"  from outside the function{_changes_text(self._steps.outer, detail)}")

    def _end_entries(self, changes: Sequence[Change], detail: DetailLevel) -> Iterator[Entry]:
        if changes:
            yield Entry(f"  at the end, since the last look at the variables{_changes_text(changes, detail)}")


def _changes_text(changes: Sequence[Change], detail: DetailLevel) -> str:
    if not changes:
        return ""
    return "   -> " + pairs_text([(each.path, each.shown) for each in changes], detail.value_chars)


def _hidden_entry(rounds: Sequence[tuple[StepOrLoop, ...]], noun: str) -> Entry:
    steps = [step for each in rounds for step in all_steps(each)]
    return Entry(_left_out_text(steps, noun, len(rounds)), steps[0].position, hides=True)


def _left_out_text(steps: Sequence[Step], noun: str, count: int | None = None) -> str:
    missing = sum(step.missing_before for step in steps)
    lost = f"; {counted(missing, 'line')} not recorded" if missing else ""
    many = counted(len(steps) if count is None else count, f"more {noun}")
    return f"  … {many} (step {steps[0].position:,} to {steps[-1].position:,}{lost})"


def size_of_entries(entries: Sequence[Entry]) -> int:
    """Count the characters of entries in the JSON of an answer."""
    return sum(entry.chars for entry in entries)


def shorten(entries: Sequence[Entry], room: int) -> list[Entry]:
    """Omit entries in the middle if all together have more than ``room`` characters."""
    if size_of_entries(entries) <= room or len(entries) < 3:
        return list(entries)
    heading, *below = entries
    begin, end = ends_that_fit([entry.chars for entry in below], room - heading.chars - MARK_CHARS)
    left_out = below[begin:end]
    position = next((entry.position for entry in left_out if entry.position is not None), None)
    from_step = "" if position is None else f", from step {position:,} on"
    marker = Entry(f"  … {counted(len(left_out), 'more line')} left out{from_step}", position, hides=True)
    return [heading, *below[:begin], marker, *below[end:]]
