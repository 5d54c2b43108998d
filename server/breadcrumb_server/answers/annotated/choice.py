"""Choose the call of a function that is shown, and the others that are worth a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from breadcrumb_server.answers.annotated.moment import Moment
from breadcrumb_storage.queries.calls.paths import CallPath

# Share of a function's calls up to which their path is rare.
RARE_PATH_SHARE = 0.5
# The same for a line, and the number of calls from which a line can be rare.
RARE_LINE_SHARE = 0.1
MIN_CALLS_TO_COMPARE = 5

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One call of a function, among the others.

    Attributes:
        call: The call to show.
        calls: All calls that were considered, in their order.
        letters: A letter for each path, by the lines of the path, in the order of first calls; none if all calls took
            one path.
    """

    call: CallPath
    calls: Sequence[CallPath]
    letters: Mapping[Path, str] = field(default_factory=dict[Path, str])

    def letter(self, call: CallPath) -> str:
        """Return the letter of the path that a call took; "" if there is only one, or it is not known."""
        return "" if call.lines is None else self.letters.get(tuple(call.lines), "")

    def rare_lines(self) -> set[int]:
        """Return the lines that few calls of the function ran."""
        compared = [each.lines for each in self.calls if each.lines is not None]
        if len(compared) < MIN_CALLS_TO_COMPARE:
            return set()
        counts = Counter(line for lines in compared for line in lines)
        return {line for line, count in counts.items() if count <= max(1, RARE_LINE_SHARE * len(compared))}

    def others(self, count: int) -> list[CallPath]:
        """Select other calls to be listed: first one of each other path, then those right before the shown one."""
        chosen: list[CallPath] = []
        seen = {self.letter(self.call)}
        before = [each for each in reversed(self.calls) if each.call_id < self.call.call_id]
        after = [each for each in self.calls if each.call_id > self.call.call_id]
        for each in [*before, *after]:
            if self.letter(each) not in seen:
                seen.add(self.letter(each))
                chosen.append(each)
        chosen += [each for each in [*before, *after] if each.raised != self.call.raised and each not in chosen][:1]
        chosen += [each for each in [*before, *after] if each not in chosen]
        return sorted(chosen[:count], key=lambda each: each.call_id)


def choose_call(
    calls: Sequence[CallPath], moment: Moment, call_id: int | None = None, suspect: Set[int] = frozenset()
) -> Choice | None:
    """Choose the call that most likely matters.

    That is the innermost one in which the exception was raised. Otherwise it is the last one that ran suspect lines, by
    the statement that failed if there is one. Otherwise, of the calls by that statement, the longest one on a rare
    path; otherwise the last one before the failure.

    Args:
        calls: The calls of the function, in their order.
        moment: The failure.
        call_id: The call that the user wants.
        suspect: Lines that the failed test ran and few passing tests did.

    Returns:
        None if there is no call, or none with this id.
    """
    if not calls:
        return None
    paths = Counter(tuple(each.lines) for each in calls if each.lines is not None)
    letters = {path: _letter(number) for number, path in enumerate(paths)} if len(paths) > 1 else {}
    if call_id is not None:
        chosen = next((each for each in calls if each.call_id == call_id), None)
        return None if chosen is None else Choice(chosen, calls, letters)
    by_id = {each.call_id: each for each in calls}
    inside = [by_id[each] for each in moment.chain if each in by_id]
    if inside:
        return Choice(inside[-1], calls, letters)
    scope = [each for each in calls if moment.covers(each.call_id)] or list(calls)
    scope = [each for each in scope if each.lines is not None] or scope
    statement = moment.statement_from
    of_statement = [each for each in scope if statement is not None and each.call_id >= statement]
    suspects = [
        each for each in [*scope, *of_statement] if each.lines is not None and not suspect.isdisjoint(each.lines)
    ]
    if suspects:
        return Choice(suspects[-1], calls, letters)
    rare = [
        each
        for each in of_statement
        if each.lines is not None and paths[tuple(each.lines)] <= RARE_PATH_SHARE * paths.total()
    ]
    if rare:
        return Choice(max(rare, key=lambda each: (len(each.lines or ()), each.call_id)), calls, letters)
    return Choice((of_statement or scope)[-1], calls, letters)


def _letter(number: int) -> str:
    """Return a, b, ... z, then a1, b1, ..."""
    return chr(ord("a") + number % 26) + (str(number // 26) if number >= 26 else "")
