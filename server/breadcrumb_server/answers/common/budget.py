"""Keeps every answer within its size, whatever the program did.

An answer is built at several levels of detail, the most detailed first, and the first that fits is taken; a table
then gives up rows. ``squeeze`` stands behind all of it: it needs to know nothing of the answer, and always succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from breadcrumb_server.answers.common.model import Answer
from breadcrumb_server.answers.common.parsed_json import is_array, is_object

A = TypeVar("A", bound=Answer)

# About 2,500 tokens: four times below what clients warn of, and still a screenful of rows.
MAX_ANSWER_CHARS = 8_000

# Characters that a cell of a table may have, tried in turn until all rows fit.
CELL_CHARS = (6_000, 3_000, 1_500, 800, 500, 300, 200, 140, 100, 70)

# What a field that is neither cut nor left out may hold: other answers and calls refer to it.
_PROTECTED = frozenset({"project", "trace_id", "status", "next_cursor", "total", "truncated"})

# (characters a text, items a list) in the rounds of squeeze.
_ROUNDS = ((1_000, 100), (500, 50), (200, 20), (100, 10), (50, 5), (25, 2), (12, 1), (0, 0))


def size_of(answer: Answer) -> int:
    """Characters of the answer as it is sent."""
    return len(answer.model_dump_json())


def fit(candidates: Iterable[A], limit: int = MAX_ANSWER_CHARS) -> A:
    """The first of the candidates that is within ``limit``, or else the last one squeezed."""
    last: A | None = None
    for last in candidates:
        if size_of(last) <= limit:
            return last
    if last is None:
        raise ValueError("no candidates")
    return squeeze(last, limit)


def fit_table(build: Callable[[int, int], A], rows: int, limit: int = MAX_ANSWER_CHARS) -> A:
    """The answer with all rows and the longest cells that fit, or with the shortest cells and as many rows as fit.

    Args:
        build: makes the answer of the first so many rows, with cells of at most so many characters.
        rows: how many there are.
    """
    # Both searches halve: a page is built some eight times at most, and most pages fit at once.
    whole = build(rows, CELL_CHARS[0])
    if size_of(whole) <= limit:
        return whole
    fits, too_long = len(CELL_CHARS), 0
    best: A | None = None
    while fits - too_long > 1:
        middle = (fits + too_long) // 2
        answer = build(rows, CELL_CHARS[middle])
        if size_of(answer) <= limit:
            fits, best = middle, answer
        else:
            too_long = middle
    if best is not None:
        return best
    few, too_many = 0, rows
    while too_many - few > 1:
        middle = (few + too_many) // 2
        if size_of(build(middle, CELL_CHARS[-1])) <= limit:
            few = middle
        else:
            too_many = middle
    return squeeze(build(max(few, min(rows, 1)), CELL_CHARS[-1]), limit)


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


def squeeze(answer: A, limit: int = MAX_ANSWER_CHARS) -> A:
    """The answer itself if it is within ``limit``, else a copy with all texts and lists cut until it is."""
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
