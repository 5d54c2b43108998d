"""Finds the loops in a call's steps, and which of their rounds are worth showing.

Nothing is asked of the source, which may have changed: a loop is seen from the line that a call comes back to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from breadcrumb.value_format import FLOAT_KEY, TYPE_KEY
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.lines.changes import Change
from breadcrumb_server.answers.lines.steps import Step

# Lines that are passed fewer times (a `with` at its end, an argument list over several lines) are no loop.
MIN_ROUNDS = 4
# Before so many rounds, nothing is usual.
MIN_ROUNDS_TO_COMPARE = 8
# What happens in at most this share of the rounds stands out, and at least what happens once.
RARE_SHARE = 0.01
# Nearly all steps of a variable go one way; then one that goes the other way stands out ...
ONE_WAY_SHARE = 0.95
# ... and so does one that is longer than the usual one by this factor.
JUMP_FACTOR = 20.0
# Beyond it an integer is no float any more.
MAX_COMPARED = 1e300


@dataclass(frozen=True, slots=True)
class Loop:
    """Rounds that all begin at the same line. The last one may be no more than the look that ended the loop."""

    rounds: tuple[tuple[Node, ...], ...]


Node = Step | Loop


def nest(steps: Sequence[Step]) -> tuple[Node, ...]:
    """The steps with their loops found, also loops in loops."""
    passed = Counter(step.line for step in steps)
    nodes: list[Node] = []
    position = 0
    while position < len(steps):
        starts = _rounds_from(steps, position) if passed[steps[position].line] >= MIN_ROUNDS else []
        if len(starts) < MIN_ROUNDS:
            nodes.append(steps[position])
            position += 1
            continue
        end = _end_of_last_round(steps, starts)
        ranges = zip(starts, [*starts[1:], end], strict=True)
        nodes.append(Loop(tuple((steps[first], *nest(steps[first + 1 : last])) for first, last in ranges)))
        position = end
    return tuple(nodes)


def _rounds_from(steps: Sequence[Step], position: int) -> list[int]:
    """Where the line at ``position`` is passed again, as long as no line in front of it is."""
    header = steps[position].line
    starts: list[int] = []
    for index in range(position, len(steps)):
        if steps[index].line < header:
            break
        if steps[index].line == header:
            starts.append(index)
    return starts


def _end_of_last_round(steps: Sequence[Step], starts: Sequence[int]) -> int:
    """The last round ends with a line that is not within the body: one behind all lines of the rounds before."""
    header = steps[starts[0]].line
    body_end = max(step.line for step in steps[starts[0] : starts[-1]])
    for index in range(starts[-1] + 1, len(steps)):
        if not header <= steps[index].line <= body_end:
            return index
    return len(steps)


def all_steps(nodes: Sequence[Node]) -> Iterator[Step]:
    """The steps again, in order."""
    for node in nodes:
        if isinstance(node, Step):
            yield node
        else:
            for each in node.rounds:
                yield from all_steps(each)


def odd_rounds(loop: Loop, among: range, limit: int) -> dict[int, str]:
    """Those of some rounds in which something happened that does not happen in the others, and what that was.

    Args:
        among: the numbers of the rounds that it can be; they are compared with all.
    """
    if len(loop.rounds) < MIN_ROUNDS_TO_COMPARE:
        return {}
    odd: dict[int, str] = {}
    for number, why in (*_rare_raises(loop), *_rare_values(loop), *_rare_lines(loop), *_rare_changes(loop)):
        if number in among and number not in odd and len(odd) < limit:
            odd[number] = why
    return odd


def _rare(count: int, whole: int) -> bool:
    return count <= max(1, whole * RARE_SHARE)


def _rare_raises(loop: Loop) -> Iterator[tuple[int, str]]:
    """Rounds to which an exception came, from what they called, that hardly any other has."""
    types = [{step.raised.split()[0].rstrip(":") for step in all_steps(each) if step.raised} for each in loop.rounds]
    counts = Counter(type_ for each in types for type_ in each)
    for number, each in enumerate(types):
        rare = sorted(type_ for type_ in each if _rare(counts[type_], len(types)))
        if rare:
            yield number, f"{rare[0]} is rare here ({counts[rare[0]]:,} of {len(types):,})"


def _rare_lines(loop: Loop) -> Iterator[tuple[int, str]]:
    """Rounds with a line, other than the body's usual ones, that hardly any other has."""
    lines = [frozenset(step.line for step in all_steps(each)) for each in loop.rounds]
    counts = Counter(line for each in lines for line in each)
    for number, each in enumerate(lines):
        rare = sorted(line for line in each if _rare(counts[line], len(lines)))
        if rare:
            yield number, f"line {rare[0]} is rare here ({counts[rare[0]]:,} of {len(lines):,})"


def _changes_by_path(loop: Loop) -> Mapping[str, list[tuple[int, Change]]]:
    """(round, last change in it) of each variable or part of one."""
    found: dict[str, list[tuple[int, Change]]] = {}
    for number, each in enumerate(loop.rounds):
        last: dict[str, Change] = {}
        for step in all_steps(each):
            last |= {change.path: change for change in step.changes or () if not (change.gone or change.beyond)}
        for path, change in last.items():
            found.setdefault(path, []).append((number, change))
    return found


def _rare_changes(loop: Loop) -> Iterator[tuple[int, str]]:
    """Rounds that changed a variable which hardly any round changes."""
    for path, changes in _changes_by_path(loop).items():
        if "[" not in path and _rare(len(changes), len(loop.rounds)):
            for number, _ in changes:
                yield number, f"a change of {path} is rare here ({len(changes):,} of {len(loop.rounds):,})"


def _rare_values(loop: Loop) -> Iterator[tuple[int, str]]:
    """Rounds in which a variable got a value of another kind than usual, or moved as it usually does not."""
    for path, changes in _changes_by_path(loop).items():
        if len(changes) < MIN_ROUNDS_TO_COMPARE:
            continue
        kinds = Counter(_kind(change.value) for _, change in changes)
        for number, change in changes:
            kind = _kind(change.value)
            if len(kinds) > 1 and _rare(kinds[kind], len(changes)):
                yield number, f"{path} is {kind}, else {kinds.most_common(1)[0][0]}"
        yield from _rare_moves(path, changes)


def _rare_moves(path: str, changes: Sequence[tuple[int, Change]]) -> Iterator[tuple[int, str]]:
    numbers = [
        (number, float(change.value))
        for number, change in changes
        if isinstance(change.value, int | float)
        and not isinstance(change.value, bool)
        and abs(change.value) < MAX_COMPARED
    ]
    moves = [(number, value - before) for (_, before), (number, value) in pairwise(numbers)]
    if len(moves) < MIN_ROUNDS_TO_COMPARE:
        return
    up = sum(move > 0 for _, move in moves)
    one_way = 1 if up >= len(moves) * ONE_WAY_SHARE else -1 if up <= len(moves) * (1 - ONE_WAY_SHARE) else 0
    usual = median(abs(move) for _, move in moves)
    for number, move in moves:
        if one_way * move < 0:
            yield number, f"{path} {'fell' if move < 0 else 'rose'}, else it only {'rises' if move < 0 else 'falls'}"
        elif abs(move) > usual * JUMP_FACTOR > 0:
            yield number, f"{path} moved {JUMP_FACTOR:.0f} times further than usual"


def _kind(value: object) -> str:
    """What kind of value it is, in words; numbers are one kind, but for those that are none (NaN)."""
    if value is None:
        return "None"
    if isinstance(value, bool):
        return "a bool"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if is_array(value):
        return "a list"
    if is_object(value):
        first = next(iter(value), "")
        if first == FLOAT_KEY:  # nan, inf
            return str(value[first])
        return str(value[TYPE_KEY]) if first == TYPE_KEY else f"a {first[1:]}" if first.startswith("$") else "a dict"
    return "?"
