"""The lines of a call as text: loops folded, or from a step on, or those that changed one variable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.budget import ends_that_fit, items_that_fit
from breadcrumb_server.answers.common.text import clean, counted, cut, one_line
from breadcrumb_server.answers.lines.changes import Change, is_of
from breadcrumb_server.answers.lines.loops import Loop, Node, all_steps, nest, odd_rounds
from breadcrumb_server.answers.lines.steps import Step, Steps
from breadcrumb_server.answers.rendering.layout import pairs_text


@dataclass(frozen=True, slots=True)
class Detail:
    """How much is shown."""

    first: int  # rounds of a loop at its begin
    last: int  # and at its end
    odd: int  # and of those between, the ones that stand out
    value_chars: int  # of what a line changed
    source_chars: int

    def inside(self) -> Detail:
        """For the loops within a round."""
        return Detail(1, 1, self.odd // 2, self.value_chars, self.source_chars)


# What a line takes that tells how many are left out.
MARK_CHARS = 100

DETAILS = (
    Detail(first=3, last=2, odd=5, value_chars=300, source_chars=110),
    Detail(first=3, last=2, odd=4, value_chars=120, source_chars=100),
    Detail(first=2, last=1, odd=3, value_chars=90, source_chars=80),
    Detail(first=1, last=1, odd=2, value_chars=60, source_chars=60),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of text."""

    text: str
    position: int | None = None  # the step that it shows, or the first of those that it stands for
    hides: bool = False  # whether it stands for steps that are not shown

    @property
    def chars(self) -> int:
        """What it takes in an answer."""
        return len(json.dumps(self.text, ensure_ascii=False)) + 1


class LineView:
    """One call's lines.

    Args:
        source: the text of the lines that can be shown, by number.
        heading: which call it is.
        ending: what came of the call, for behind its last line.
    """

    def __init__(self, steps: Steps, source: Mapping[int, str], heading: str, ending: str) -> None:
        self._steps = steps
        self._source = source
        self._heading = heading
        self._ending = ending
        self._nodes: tuple[Node, ...] | None = None

    def folded(self, detail: Detail) -> list[Entry]:
        """The whole call; of each loop the first and last rounds and those that stand out."""
        if self._nodes is None:
            self._nodes = nest(self._steps.steps)
        return [
            Entry(f"{self._heading}:"),
            *self._around(detail),
            *self._of_nodes(self._nodes, detail),
            *self._end(self._steps.at_end, detail),
        ]

    def from_step(self, position: int, room: int) -> list[Entry]:
        """Step by step from one on, as many as fit into ``room`` characters."""
        heading = Entry(f"{self._heading}, from step {position:,} on:")
        steps = [step for step in self._steps.steps if step.position >= position]
        of_steps = (list(self._of_step(step, DETAILS[0])) for step in steps)
        chosen = items_that_fit(of_steps, room - heading.chars - MARK_CHARS, size=size_of_entries, least=1)
        entries = [heading, *(entry for each in chosen for entry in each)]
        rest = steps[len(chosen) :]
        if rest:
            return [*entries, Entry(_left_out(rest, "step"), rest[0].position, hides=True)]
        return [*entries, *self._end(self._steps.at_end, DETAILS[0])]

    def of_variable(self, variable: str, detail: Detail) -> list[Entry]:
        """The steps that changed a variable, or something in it; many are folded as the rounds of a loop are."""
        chosen = [
            Step(step.position, step.line, changed)
            for step in self._steps.steps
            if (changed := tuple(each for each in step.changes or () if is_of(each, variable)))
        ]
        name = one_line(variable, 60)
        if not chosen:
            seen = dict.fromkeys(
                re.split(r"[.\[]", each.path)[0] for step in self._steps.steps for each in step.changes or ()
            )
            return [Entry(f"{self._heading}; none changed {name}, but {one_line(', '.join(seen) or 'nothing', 300)}")]
        at_end = tuple(each for each in self._steps.at_end if is_of(each, variable))
        return [
            Entry(f"{self._heading}; {counted(len(chosen), 'step')} changed {name}:"),
            *self._of_rounds(Loop(tuple((step,) for step in chosen)), detail, "step"),
            *self._end(at_end, detail),
        ]

    def _of_nodes(self, nodes: Sequence[Node], detail: Detail) -> Iterator[Entry]:
        for node in nodes:
            yield from self._of_step(node, detail) if isinstance(node, Step) else self._of_rounds(node, detail, "round")

    def _of_rounds(self, loop: Loop, detail: Detail, noun: str) -> Iterator[Entry]:
        rounds = loop.rounds
        between = range(detail.first, len(rounds) - detail.last)
        odd = odd_rounds(loop, between, detail.odd)
        shown = {number for number in range(len(rounds)) if number not in between or number in odd}
        # To say that one round is left out takes as much room as to show it.
        shown |= {number for number in range(len(rounds)) if number - 1 in shown and number + 1 in shown}
        hidden: list[tuple[Node, ...]] = []
        for number, each in enumerate(rounds):
            if number not in shown:
                hidden.append(each)
                continue
            if hidden:
                yield _hidden(hidden, noun)
                hidden = []
            if number in odd:
                # By its step: where lines are missing, nobody knows which round it is.
                first = next(all_steps(each)).position
                yield Entry(f"  from step {first:,}: {one_line(odd[number], 120)}")
            yield from self._of_nodes(each, detail.inside())

    def _of_step(self, step: Step, detail: Detail) -> Iterator[Entry]:
        meanwhile = _changed(step.before, detail)
        if step.missing_before:
            first = step.position - step.missing_before
            yield Entry(f"  … {counted(step.missing_before, 'line')} not recorded{meanwhile}", first)
        elif meanwhile:
            yield Entry(f"  …{meanwhile}")
        source = cut(clean(self._source.get(step.line, "")), detail.source_chars)
        ending = self._ending if step is self._steps.steps[-1] else ""
        changed = _changed(step.changes or (), detail)
        raised = f"   !! {clean(step.raised)}" if step.raised else ""
        yield Entry(f"{step.line:>4}  {source}".rstrip() + changed + raised + ending, step.position)

    def _around(self, detail: Detail) -> Iterator[Entry]:
        if self._steps.around:
            yield Entry(f"  from outside the function{_changed(self._steps.around, detail)}")

    def _end(self, changes: Sequence[Change], detail: Detail) -> Iterator[Entry]:
        if changes:
            yield Entry(f"  at the end, since the last look at the variables{_changed(changes, detail)}")


def _changed(changes: Sequence[Change], detail: Detail) -> str:
    if not changes:
        return ""
    return "   -> " + pairs_text([(each.path, each.shown) for each in changes], detail.value_chars)


def _hidden(rounds: Sequence[tuple[Node, ...]], noun: str) -> Entry:
    steps = [step for each in rounds for step in all_steps(each)]
    return Entry(_left_out(steps, noun, len(rounds)), steps[0].position, hides=True)


def _left_out(steps: Sequence[Step], noun: str, count: int | None = None) -> str:
    missing = sum(step.missing_before for step in steps)
    lost = f"; {counted(missing, 'line')} not recorded" if missing else ""
    many = counted(len(steps) if count is None else count, f"more {noun}")
    return f"  … {many} (step {steps[0].position:,} to {steps[-1].position:,}{lost})"


def size_of_entries(entries: Sequence[Entry]) -> int:
    return sum(entry.chars for entry in entries)


def shorten(entries: Sequence[Entry], room: int) -> list[Entry]:
    """Leave out entries in the middle if all together are more than ``room`` characters."""
    if size_of_entries(entries) <= room or len(entries) < 3:
        return list(entries)
    heading, *below = entries
    begin, end = ends_that_fit([entry.chars for entry in below], room - heading.chars - MARK_CHARS)
    left_out = below[begin:end]
    position = next((entry.position for entry in left_out if entry.position is not None), None)
    from_step = "" if position is None else f", from step {position:,} on"
    marker = Entry(f"  … {counted(len(left_out), 'more line')} left out{from_step}", position, hides=True)
    return [heading, *below[:begin], marker, *below[end:]]
