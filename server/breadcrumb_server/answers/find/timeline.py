"""Fit the entries of a history into an answer: all, those around the failure, or a page of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.annotated.layout import size_of_text
from breadcrumb_server.answers.common.text import counted

# Characters of a value, tried in turn.
VALUE_CHARS = (240, 120, 70, 40)
# Characters of the line that counts those left out.
_MARK_CHARS = 40
# First entries that are kept where not all fit: where a name had its first value.
_FIRST = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a history.

    Attributes:
        write: Writes it with values of at most so many characters.
        events: The number of events that it tells.
    """

    write: Callable[[int], str]
    events: int = 1


@dataclass(frozen=True, slots=True)
class Written:
    """Entries as text.

    Attributes:
        text: The text.
        end: The index after the last entry of a page.
        left_out: The number of entries between those shown that are left out.
    """

    text: str
    end: int
    left_out: int = 0


def write_page(entries: Sequence[Entry], start: int, limit: int, room: int) -> Written:
    """Write entries from one on, as many as fit."""
    wanted = entries[start : start + limit]
    lines: list[str] = []
    for chars in VALUE_CHARS:
        lines = [each.write(chars) for each in wanted]
        if sum(map(_size, lines)) <= room:
            break
    shown: list[str] = []
    for line in lines:
        room -= _size(line)
        if room < 0 and shown:
            break
        shown.append(line)
    return Written("\n".join(shown), start + len(shown))


def write_around(entries: Sequence[Entry], anchor: int, limit: int, room: int) -> Written:
    """Write all entries if they fit, else the first ones and those that lead to the anchor.

    Args:
        entries: All entries.
        anchor: Index of the last one before the failure.
        limit: Maximum number of entries.
        room: Maximum characters.
    """
    if len(entries) <= limit:
        for chars in VALUE_CHARS:
            lines = [each.write(chars) for each in entries]
            if sum(map(_size, lines)) <= room:
                return Written("\n".join(lines), len(entries))
    first = range(min(_FIRST, max(limit - 2, 0), len(entries)))
    order = list(dict.fromkeys([anchor, *first, *range(anchor, -1, -1), *range(anchor + 1, len(entries))]))
    chosen: dict[int, str] = {}
    for index in order[:limit]:
        line = entries[index].write(VALUE_CHARS[2])
        room -= _size(line) + (_MARK_CHARS if index in first or index == anchor else 0)
        if room < 0 and chosen:
            break
        chosen[index] = line
    out: list[str] = []
    next_index = 0
    for index in [*sorted(chosen), len(entries)]:
        if index > next_index:
            out.append(f"… {counted(index - next_index, 'more entry')}")
        if index < len(entries):
            out.append(chosen[index])
        next_index = index + 1
    return Written("\n".join(out), len(entries), len(entries) - len(chosen))


def series(values: Sequence[str], most: int = 3) -> str:
    """Write values in their order: equal neighbours once, of many the ends."""
    kept = [value for number, value in enumerate(values) if number == 0 or value != values[number - 1]]
    if len(kept) <= most:
        return " | ".join(kept)
    return " | ".join([*kept[: most - 1], "…", kept[-1]])


def _size(line: str) -> int:
    return size_of_text(line)
