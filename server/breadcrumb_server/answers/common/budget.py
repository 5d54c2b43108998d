"""Keep every answer within its size, whatever the program did.

An answer is built at several levels of detail, the most detailed first, and the first that fits is taken; a table then
gives up rows. ``squeeze`` stands behind all of it: it needs to know nothing of the answer, and always succeeds.
Within an answer, ``shares`` distributes room over texts that are all shown, and ``that_fit`` and ``ends_that_fit``
choose those to show. Room is counted in characters or in lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from breadcrumb_server.answers.common.model import Section
from breadcrumb_server.answers.common.parsed_json import is_array, is_object

T = TypeVar("T")
# An answer, with fields for notes and for what to do next.
A = TypeVar("A", bound=Section)

# About 2,500 tokens: four times below what clients warn of, and still a screenful of rows.
MAX_ANSWER_CHARS = 8_000

# Characters that a cell of a table may have, tried in turn until all rows fit.
CELL_CHARS = (6_000, 3_000, 1_500, 800, 500, 300, 200, 140, 100, 70)

# What a field that is neither cut nor left out may hold: other answers and calls refer to it.
_PROTECTED = frozenset({"project", "trace_id", "status", "next_cursor", "total", "truncated"})

# (characters a text, items a list) in the rounds of squeeze.
_ROUNDS = ((1_000, 100), (500, 50), (200, 20), (100, 10), (50, 5), (25, 2), (12, 1), (0, 0))


def size_of(answer: Section) -> int:
    """Count the characters of an answer as it is sent."""
    return len(answer.model_dump_json())


def fit(candidates: Iterable[A], *, limit: int = MAX_ANSWER_CHARS, aim: int | None = None) -> A:
    """Return the first candidate within ``aim``, or else the last one squeezed into ``limit``.

    Args:
        candidates: the answer at several levels of detail, the most detailed first.
        aim: the characters that the answer is meant to take, if fewer than ``limit``.
    """
    last: A | None = None
    for last in candidates:
        if size_of(last) <= (limit if aim is None else aim):
            return last
    if last is None:
        raise ValueError("no candidates")
    return squeeze(last, limit=limit)


def fit_table(
    build: Callable[[int, int], A],
    rows: int,
    *,
    limit: int = MAX_ANSWER_CHARS,
    cells: Sequence[int] = CELL_CHARS,
    least_cell: int | None = None,
) -> A:
    """Return the answer with all rows and the longest cells that fit, or else with short cells and fewer rows.

    Args:
        build: makes the answer of the first so many rows, with cells of at most so many characters.
        rows: how many there are.
        cells: the characters to try for a cell, the most first.
        least_cell: the characters of a cell where not all rows fit; the last of ``cells`` if not given.
    """
    # Both searches halve: a page is built some eight times at most, and most pages fit at once.
    whole = build(rows, cells[0])
    if size_of(whole) <= limit:
        return whole
    shorter = _largest(lambda level: build(rows, cells[-level]), len(cells), limit)
    if shorter is not None:
        return shorter
    shortest = cells[-1] if least_cell is None else least_cell
    fewer = _largest(lambda count: build(count, shortest), rows, limit)
    return squeeze(build(min(rows, 1), shortest), limit=limit) if fewer is None else fewer


def _largest(build: Callable[[int], A], too_many: int, limit: int) -> A | None:
    """Return the answer of the largest number below ``too_many`` that is within ``limit``; None if not even 1 is."""
    best: A | None = None
    few = 0
    while too_many - few > 1:
        middle = (few + too_many) // 2
        answer = build(middle)
        if size_of(answer) <= limit:
            few, best = middle, answer
        else:
            too_many = middle
    return best


def first_that_fits(candidates: Iterable[T], room: int, *, size: Callable[[T], int]) -> T | None:
    """Return the first candidate within ``room``; None if all are larger."""
    return next((each for each in candidates if size(each) <= room), None)


def that_fit(items: Iterable[T], room: int, *, size: Callable[[T], int], least: int = 0, skip: bool = False) -> list[T]:
    """Choose the first items that are within ``room`` together.

    Args:
        least: so many are chosen whatever their size.
        skip: leave out an item that is too large, and go on with those behind it.
    """
    chosen: list[T] = []
    for item in items:
        taken = size(item)
        if taken <= room or len(chosen) < least:
            chosen.append(item)
            room -= taken
        elif not skip:
            break
    return chosen


def ends_that_fit(sizes: Sequence[int], room: int) -> tuple[int, int]:
    """Choose of items of these sizes the first and the last ones, and return where the rest begins and ends.

    Two are taken at the beginning for each one at the end.
    """
    begin, end = 0, len(sizes)
    while begin < end:
        from_the_end = begin > 2 * (len(sizes) - end)
        room -= sizes[end - 1 if from_the_end else begin]
        if room < 0:
            break
        begin, end = (begin, end - 1) if from_the_end else (begin + 1, end)
    return begin, end


def first_texts(items: Sequence[T], most: int, *, text: Callable[[T], str] = str) -> list[str]:
    """Write the first ``most`` items, and a last line that counts the others."""
    shown = [text(item) for item in items[:most]]
    if len(items) > len(shown):
        shown.append(f"… {len(items) - len(shown)} more")
    return shown


def shares(
    lengths: Sequence[int], room: int, *, least: int = 0, short: int = 0, mark: int = 0, even: bool = False
) -> list[int]:
    """Distribute ``room`` over texts (or lists of lines) of these lengths: short ones in full before long ones get any.

    Args:
        least: the smallest share of a text that is cut, even if all together then exceed the room.
        short: texts up to this length are whole wherever each other one still has room for ``mark``.
        mark: the length of what stands for the rest of a text that is cut.
        even: give all that are cut the same share, and leave the few characters unused that do not divide evenly.
    """
    granted, left = [0] * len(lengths), len(lengths)
    for index in sorted(range(left), key=lengths.__getitem__):
        length = lengths[index]
        if length * left <= room or (length <= short and length + (left - 1) * mark <= room):
            granted[index] = length
        else:
            if even:
                room -= room % left
            granted[index] = max(room // left, least)
        room -= granted[index]
        left -= 1
    return granted


def squeeze(answer: A, *, limit: int = MAX_ANSWER_CHARS) -> A:
    """Return the answer itself if it is within ``limit``, else a copy with all texts and lists cut until it is."""
    if size_of(answer) <= limit:
        return answer
    content = answer.model_dump()
    note = f"cut to fit into {limit} characters: texts and lists in it are not whole"
    for chars, items in _ROUNDS:
        small = _cut_fields(content, chars, items)
        # A follow-up call is whole or not there at all.
        small["next"] = [call for call in content.get("next", []) if len(call) <= chars]
        small["notes"] = [*small.get("notes", []), note]
        smaller = type(answer).model_validate(small)
        if size_of(smaller) <= limit:
            return smaller
    raise ValueError(f"{type(answer).__name__} has more than {limit} characters in fields that must not be cut")


def _cut_fields(fields: dict[str, Any], chars: int, items: int) -> dict[str, Any]:
    return {
        name: value
        # A row has as many cells as there are columns, so that these go only when all rows have gone.
        if name in _PROTECTED or (name == "columns" and items)
        else _cut(value, chars, items)
        for name, value in fields.items()
    }


def _cut(value: Any, chars: int, items: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= chars else value[: max(chars - 1, 0)] + "…" * bool(chars)
    if is_object(value):
        return _cut_fields(value, chars, items)
    if is_array(value):
        return [_cut_row(item, chars) if is_array(item) else _cut(item, chars, items) for item in value[:items]]
    return value


def _cut_row(cells: list[Any], chars: int) -> list[Any]:
    return [_cut(cell, chars, 0) for cell in cells]
