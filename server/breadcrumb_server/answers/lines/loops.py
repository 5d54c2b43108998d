"""Find the loops in the steps of a call, and their rounds (iterations) that stand out.

A loop is recognised by the line that a call returns to, without the source, which may have changed.
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

# Executions from which a line is the head of a loop. The line of a `with`, or of a call on several lines, has fewer.
MIN_ROUNDS = 4
# Rounds of a loop that can be compared; among fewer, nothing is usual.
MIN_ROUNDS_TO_COMPARE = 8
# Share of the rounds up to which something is rare. What happens once is rare in any loop.
RARE_SHARE = 0.01
# Share of a number's moves in one direction from which a move in the other stands out.
ONE_WAY_SHARE = 0.95
# Multiple of the median move beyond which a move stands out.
JUMP_FACTOR = 20.0
# Numbers that are compared; a larger integer may not fit into a float.
MAX_COMPARED = 1e300


@dataclass(frozen=True, slots=True)
class LineLoop:
    """Rounds that begin at the same line. The last one may be only the check that ended the loop."""

    rounds: tuple[tuple[StepOrLoop, ...], ...]


StepOrLoop = Step | LineLoop


def find_loops(steps: Sequence[Step]) -> tuple[StepOrLoop, ...]:
    """Group the steps of each loop into rounds, also of loops within loops."""
    passed = Counter(step.line for step in steps)
    nodes: list[StepOrLoop] = []
    position = 0
    while position < len(steps):
        starts = _rounds_from(steps, position) if passed[steps[position].line] >= MIN_ROUNDS else []
        if len(starts) < MIN_ROUNDS:
            nodes.append(steps[position])
            position += 1
            continue
        end = _end_of_last_round(steps, starts)
        ranges = zip(starts, [*starts[1:], end], strict=True)
        nodes.append(LineLoop(tuple((steps[first], *find_loops(steps[first + 1 : last])) for first, last in ranges)))
        position = end
    return tuple(nodes)


def _rounds_from(steps: Sequence[Step], position: int) -> list[int]:
    """Find the executions of the line at ``position``, up to the first step at a line before it."""
    header = steps[position].line
    starts: list[int] = []
    for index in range(position, len(steps)):
        if steps[index].line < header:
            break
        if steps[index].line == header:
            starts.append(index)
    return starts


def _end_of_last_round(steps: Sequence[Step], starts: Sequence[int]) -> int:
    """Return the index after the last round, which ends before the first step outside the body.

    The body is known from the rounds before it.
    """
    header = steps[starts[0]].line
    body_end = max(step.line for step in steps[starts[0] : starts[-1]])
    for index in range(starts[-1] + 1, len(steps)):
        if not header <= steps[index].line <= body_end:
            return index
    return len(steps)


def all_steps(nodes: Sequence[StepOrLoop]) -> Iterator[Step]:
    """Iterate over the steps, in order."""
    for node in nodes:
        if isinstance(node, Step):
            yield node
        else:
            for each in node.rounds:
                yield from all_steps(each)


def odd_rounds(loop: LineLoop, among: range, limit: int) -> dict[int, str]:
    """Find rounds in which something rare happened, and render what that was.

    Args:
        loop: The loop.
        among: Numbers of the rounds to select from; they are compared with all rounds.
        limit: Maximum number of rounds.

    Returns:
        Reasons by the number of the round.
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


def _rare_raises(loop: LineLoop) -> Iterator[tuple[int, str]]:
    """Find rounds that received an exception, from a call they made, that is rare in the loop."""
    types = [{step.raised.split()[0].rstrip(":") for step in all_steps(each) if step.raised} for each in loop.rounds]
    counts = Counter(type_ for each in types for type_ in each)
    for number, each in enumerate(types):
        rare = sorted(type_ for type_ in each if _rare(counts[type_], len(types)))
        if rare:
            yield number, f"{rare[0]} is rare here ({counts[rare[0]]:,} of {len(types):,})"


def _rare_lines(loop: LineLoop) -> Iterator[tuple[int, str]]:
    """Find rounds that executed a rare line."""
    lines = [frozenset(step.line for step in all_steps(each)) for each in loop.rounds]
    counts = Counter(line for each in lines for line in each)
    for number, each in enumerate(lines):
        rare = sorted(line for line in each if _rare(counts[line], len(lines)))
        if rare:
            yield number, f"line {rare[0]} is rare here ({counts[rare[0]]:,} of {len(lines):,})"


def _changes_by_path(loop: LineLoop) -> Mapping[str, list[tuple[int, Change]]]:
    """Collect (number of the round, last change in it) for each variable or part of one."""
    found: dict[str, list[tuple[int, Change]]] = {}
    for number, each in enumerate(loop.rounds):
        last: dict[str, Change] = {}
        for step in all_steps(each):
            last |= {change.path: change for change in step.changes or () if not (change.deleted or change.unrecorded)}
        for path, change in last.items():
            found.setdefault(path, []).append((number, change))
    return found


def _rare_changes(loop: LineLoop) -> Iterator[tuple[int, str]]:
    """Find rounds that changed a variable which few rounds change."""
    for path, changes in _changes_by_path(loop).items():
        if "[" not in path and _rare(len(changes), len(loop.rounds)):
            for number, _ in changes:
                yield number, f"a change of {path} is rare here ({len(changes):,} of {len(loop.rounds):,})"


def _rare_values(loop: LineLoop) -> Iterator[tuple[int, str]]:
    """Find rounds in which a variable got a value of a rare kind, or a number moved unusually."""
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
    """Find rounds in which a number moved against its usual direction, or much further than usual."""
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
    """Name the kind of a value: int and float are one kind, but nan and inf are kinds of their own."""
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
