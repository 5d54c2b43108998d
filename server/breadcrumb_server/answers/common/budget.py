"""Keep every answer within a number of characters, whatever the program did.

An answer is built at several levels of detail, the most detailed first, and the first that fits is returned; a table
then drops rows. If nothing fits, ``squeeze`` cuts the texts and lists of any answer. Within an answer, ``shares``
distributes room over texts that are all shown, and ``items_that_fit`` and ``ends_that_fit`` select what to show. Room
is counted in characters or in lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from breadcrumb_server.answers.common.model import Answer, Section
from breadcrumb_server.answers.common.parsed_json import is_array, is_object

T = TypeVar("T")
# An answer, with fields for notes and for what to do next.
A = TypeVar("A", bound=Section)
N = TypeVar("N", bound=Answer)

# About 1,200 tokens: what readers of answers made use of was in the first lines.
DEFAULT_ANSWER_CHARS = 4_000
# What an answer may have if more is asked for: a quarter of the size at which clients warn.
MAX_ANSWER_CHARS = 8_000

# Maximum characters of a cell, tried in turn until all rows fit.
CELL_CHARS = (6_000, 3_000, 1_500, 800, 500, 300, 200, 140, 100, 70)

# Fields that are never cut, because other answers and calls refer to their values.
_PROTECTED = frozenset({"project", "trace_id", "status", "next_cursor", "total", "truncated"})

# Characters of a text and items of a list, in the attempts of squeeze. The first ones are for a text that fills the
# answer, beside which there is little too much.
_ROUNDS = (
    (7_500, 500), (7_000, 450), (6_000, 400), (5_000, 300), (4_000, 250), (3_000, 200), (2_000, 150),
    (1_000, 100), (500, 50), (200, 20), (100, 10), (50, 5), (25, 2), (12, 1), (0, 0),
)  # fmt: skip


def chars_for(limit: int, usual: int) -> int:
    """Return the characters of an answer with this many rows: more if more rows than usual were asked for."""
    return MAX_ANSWER_CHARS if limit > usual else DEFAULT_ANSWER_CHARS


def size_of(answer: Section) -> int:
    """Count the characters of an answer as it is sent, in JSON."""
    return len(answer.model_dump_json())


def fit(candidates: Iterable[A], *, limit: int = MAX_ANSWER_CHARS, aim: int | None = None) -> A:
    """Return the first candidate within ``aim``, or else the last one squeezed into ``limit``.

    Args:
        candidates: The answer at several levels of detail, the most detailed first. Those after the one returned are
            not built.
        limit: Maximum characters of the answer.
        aim: Characters that the answer should have, if fewer than ``limit``.

    Raises:
        ValueError: There are no candidates, or the answer cannot be squeezed.
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
    limit: int = DEFAULT_ANSWER_CHARS,
    cells: Sequence[int] = CELL_CHARS,
    least_cell: int | None = None,
) -> A:
    """Return the answer with all rows and the longest cells that fit, or else with short cells and fewer rows.

    Args:
        build: Builds the answer, given the number of rows and the maximum characters of a cell.
        rows: Number of rows that there are.
        limit: Maximum characters of the answer.
        cells: Characters of a cell to try, the most first.
        least_cell: Characters of a cell if not all rows fit; None for the last of ``cells``.

    Raises:
        ValueError: Not even an answer with one row can be squeezed into ``limit``.
    """
    # Both searches are binary: a page is built some eight times at most, and most pages fit at once.
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
    """Return the answer for the largest number below ``too_many`` that is within ``limit``; None if there is none."""
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
    """Return the first candidate within ``room``; None if all are larger.

    Args:
        candidates: Built one by one; those after the one returned are not built.
        room: Maximum size.
        size: Measures a candidate, in the unit of ``room``.
    """
    return next((each for each in candidates if size(each) <= room), None)


def items_that_fit(
    items: Iterable[T], room: int, *, size: Callable[[T], int], least: int = 0, skip: bool = False
) -> list[T]:
    """Select the first items that fit into ``room`` together.

    Args:
        items: Built one by one; those after the first that does not fit are not built.
        room: Maximum size of all selected items.
        size: Measures an item, in the unit of ``room``.
        least: Number of items selected whatever their size.
        skip: Skip items that do not fit, and continue with those after them.
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
    """Select the first and the last items that fit into ``room``, two at the beginning for each one at the end.

    Args:
        sizes: Size of each item.
        room: Maximum size of all selected items.

    Returns:
        Start and end of the part in the middle that does not fit.
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
    """Render the first items, and a last line that counts the others.

    Args:
        items: All items.
        most: Maximum number of items shown.
        text: Renders an item.
    """
    shown = [text(item) for item in items[:most]]
    if len(items) > len(shown):
        shown.append(f"… {len(items) - len(shown)} more")
    return shown


def shares(
    lengths: Sequence[int], room: int, *, least: int = 0, short: int = 0, mark: int = 0, even: bool = False
) -> list[int]:
    """Distribute ``room`` over texts (or lists of lines): short ones in full, the rest equally over the long ones.

    Args:
        lengths: Length of each text.
        room: Characters (or lines) for all texts together.
        least: Smallest share of a text that is cut, even if all shares together then exceed ``room``.
        short: Length up to which a text is not cut if all others still get ``mark``.
        mark: Length of the mark at the end of a cut text.
        even: Give all cut texts the same share, and leave the remainder unused.

    Returns:
        The share of each text, in the order of ``lengths``.
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
    """Return the answer itself if it is within ``limit``, else a copy with texts and lists cut until it is.

    Raises:
        ValueError: The fields that are never cut have more than ``limit`` characters.
    """
    if size_of(answer) <= limit:
        return answer
    content = answer.model_dump()
    note = f"cut to fit into {limit} characters: texts and lists are incomplete"
    for chars, items in _ROUNDS:
        small = _cut_fields(content, chars, items)
        # A follow-up call that is cut cannot be made.
        small["next"] = [call for call in content.get("next", []) if len(call) <= chars]
        small["notes"] = [*small.get("notes", []), note]
        smaller = type(answer).model_validate(small)
        if size_of(smaller) <= limit:
            return smaller
    raise ValueError(f"{type(answer).__name__} has more than {limit} characters in fields that must not be cut")


def with_notes(answer: N, notes: Sequence[str]) -> N:
    """Return the answer with further notes, within the size of all answers."""
    return squeeze(answer.model_copy(update={"notes": [*answer.notes, *notes]})) if notes else answer


def _cut_fields(fields: dict[str, Any], chars: int, items: int) -> dict[str, Any]:
    return {
        name: value
        # The cells of a row need their columns, so these are cut only when no row is left.
        if name in _PROTECTED or (name == "columns" and items)
        else _cut(value, chars, items)
        for name, value in fields.items()
    }


def _cut(value: Any, chars: int, items: int) -> Any:
    if isinstance(value, str):
        if len(value) <= chars:
            return value
        return f"{value[: chars - 1]}…" if chars else ""
    if is_object(value):
        return _cut_fields(value, chars, items)
    if is_array(value):
        return [_cut_row(item, chars) if is_array(item) else _cut(item, chars, items) for item in value[:items]]
    return value


def _cut_row(cells: list[Any], chars: int) -> list[Any]:
    return [_cut(cell, chars, 0) for cell in cells]
