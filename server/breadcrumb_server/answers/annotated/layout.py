"""Write the source of a function with what its lines did, within a number of characters."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from breadcrumb_server.answers.annotated.line_notes import LineNote
from breadcrumb_server.answers.annotated.rows import Rank, Row, Stood, rows_of
from breadcrumb_server.answers.annotated.source_block import SourceBlock
from breadcrumb_server.answers.common.budget import ends_that_fit
from breadcrumb_server.answers.common.text import counted, cut, ellipsized
from breadcrumb_server.answers.rendering.mentions import SMALL_OBJECT_CHARS, Mentions

# Characters of the note of a marked line, at least.
_MARKED_NOTE_CHARS = 90
# Characters of a line of source: a longer one is data.
_SOURCE_CHARS = 160
# Characters of the line that counts those left out.
_MARK_CHARS = 30


# Said of a function all of whose executed lines are rare.
_ALL_RARE = "  (* every line)"


class Style(Enum):
    """What is read with the text of a function, by which it is decided what is left out."""

    ALONE = "alone"
    """Nothing: it fills its room."""
    BESIDE = "beside"
    """Other functions: notes are short, and of docstrings there is the first line."""
    SOURCE_FIRST = "source first"
    """The same, and rather no notes than not all of the source."""
    FROM_THE_TOP = "from the top"
    """The same as beside others, and what there is no room for is left out at the end."""


class _NoteRoom(NamedTuple):
    """Characters of a value in the note of a line, and of the whole note."""

    value: int
    note: int


_LONG_NOTES = (_NoteRoom(120, 360), _NoteRoom(70, 240), _NoteRoom(50, 160), _NoteRoom(40, 120))
_SHORT_NOTES = (_NoteRoom(50, 110), _NoteRoom(40, 80), _NoteRoom(20, 50), _NoteRoom(20, 0))


class FunctionText:
    """The source of a function with what one call of it did.

    Args:
        block: Its lines.
        source: Their text by number, without the indentation that all share.
        notes: What the executed lines did, by number; None if no lines were recorded.
        heading: Names the function and the call.
        known: Values that the heading shows, by variable, as text.
        rare: Numbers of the lines that few calls of the function ran.
        stood: Where the call stood in the end. Without notes, the lines around it are worth most.
        mentions: The objects that the heading shows.
        heads: What is said at the lines that begin a function, by number. They are always shown.
        minor: Numbers of lines that are left out first.
        fold: Whether long comments and blocks that did not run are folded, as long docstrings are.
    """

    def __init__(
        self,
        block: SourceBlock,
        source: Mapping[int, str],
        notes: Mapping[int, LineNote] | None,
        heading: str,
        known: Mapping[str, str],
        rare: Collection[int] = (),
        stood: Stood | None = None,
        mentions: Mentions | None = None,
        heads: Mapping[int, str] | None = None,
        minor: Collection[int] = (),
        *,
        fold: bool = True,
    ) -> None:
        self._mentions = mentions or Mentions()
        self._heading = heading
        self._known = known
        rows = rows_of(block, source, notes, rare, stood, heads, minor, fold=fold)
        executed = [each for each in rows if each.note is not None]
        # That says nothing of any of them.
        if heads is None and len(executed) > 1 and all("*" in each.mark for each in executed):
            rows = [replace(each, mark=each.mark.replace("*", "")) for each in rows]
            self._heading += _ALL_RARE
        self._rows = rows
        self._mark_chars = max((len(row.mark) for row in self._rows), default=0)

    def fit(self, chars: int, style: Style = Style.ALONE) -> str:
        """Write the most that fits: first notes are shortened, then lines left out that say least.

        Args:
            chars: Maximum characters.
            style: Which other text is read with it.
        """
        least = max((row.rank for row in self._rows if row.rank != Rank.FOLDED), default=Rank.TOLD)
        # A level at which no line is left says nothing: the ends of more lines then say more.
        levels = [level for level in _levels(style, least) if any(row.rank <= level[0] for row in self._rows)]
        fitting = next((level for level in levels if size_of_text(self._write(*level)) <= chars), None)
        if fitting is None and style is Style.FROM_THE_TOP:
            return self._filled(Rank.NOTHING, _SHORT_NOTES[1], chars, marked=[])
        if fitting is None:
            return _cut_lines(self._write(*levels[-1]), chars)
        marked = [row.number for row in self._rows if "*" in row.mark or ">" in row.mark]
        return self._filled(*fitting, chars, marked=marked)

    def _filled(self, rank: int, room: _NoteRoom, chars: int, *, marked: Sequence[int]) -> str:
        """Write the lines up to a rank, and of the others those nearest to marked lines, or the first, that fit."""

        def distance(row: Row) -> int:
            return min((abs(row.number - each) for each in marked), default=row.number)

        others = sorted((row for row in self._rows if rank < row.rank <= Rank.NOT_RUN), key=distance)
        few, too_many = 0, len(others) + 1
        while too_many - few > 1:
            middle = (few + too_many) // 2
            if size_of_text(self._write(rank, room, others[:middle])) <= chars:
                few = middle
            else:
                too_many = middle
        return self._write(rank, room, others[:few])

    def _write(self, rank: int, room: _NoteRoom, others: Collection[Row] = ()) -> str:
        out = [self._heading]
        shown, mentions = dict(self._known), self._mentions.copy(max(SMALL_OBJECT_CHARS, room.value // 2))
        left = not_run = 0
        width = max((len(str(row.number)) for row in self._rows), default=1)
        numbers = {row.number for row in others}
        for row in self._rows:
            if row.rank > rank and row.number not in numbers:
                left += row.lines
                not_run += row.lines if row.missed else 0
                continue
            if left:
                _count_left_out(out, left, not_run)
                left = not_run = 0
            out.append(self._line(row, width, room, shown, mentions))
        if left:
            _count_left_out(out, left, not_run)
        return "\n".join(out)

    def _line(self, row: Row, width: int, room: _NoteRoom, shown: dict[str, str], mentions: Mentions) -> str:
        text = f"{row.number:>{width}}{row.mark:<{self._mark_chars}} {cut(row.source, _SOURCE_CHARS)}".rstrip()
        if row.note is None:
            return f"{text}  # {row.told}" if row.told else text
        chars = max(room.note, _MARKED_NOTE_CHARS if "*" in row.mark or ">" in row.mark else 0)
        note = ellipsized(row.note.text(room.value, shown, mentions, row.statement), chars) if chars else ""
        shown.update(row.note.values(room.value))
        return f"{text}  # {note}" if note else text


def _levels(style: Style, least: int) -> list[tuple[int, _NoteRoom]]:
    """Return what is tried in turn: the rank of the lines that are written, and the room of their notes."""
    if style is Style.ALONE:
        return [
            *((rank, room) for rank in range(least, Rank.NOT_RUN, -1) for room in _LONG_NOTES[:2]),
            *(
                (rank, room)
                for rank in range(min(least, Rank.NOT_RUN), Rank.TOLD - 1, -1)
                for room in _LONG_NOTES + _SHORT_NOTES[:3]
            ),
        ]
    if style is Style.FROM_THE_TOP:
        ranks = dict.fromkeys((least, min(least, Rank.NOT_RUN)))
        return [(rank, room) for rank in ranks for room in _SHORT_NOTES[:3]]
    least = min(least, Rank.NOT_RUN)
    if style is Style.SOURCE_FIRST:
        return [(rank, room) for rank in range(least, Rank.TOLD - 1, -1) for room in _SHORT_NOTES]
    return [
        *((rank, room) for rank in range(least, Rank.RAN, -1) for room in _SHORT_NOTES[:3]),
        *((rank, room) for rank in (Rank.RAN, Rank.TOLD) for room in _SHORT_NOTES),
    ]


def size_of_text(text: str) -> int:
    """Count the characters of a text in the JSON of an answer."""
    return len(json.dumps(text, ensure_ascii=False))


def _count_left_out(out: list[str], lines: int, not_run: int) -> None:
    """Say at the end of the last line shown how many follow."""
    what = f"{not_run} more not run" if not_run == lines else counted(lines, "line")
    out[-1] += f"  … ({what})"


def _cut_lines(text: str, chars: int) -> str:
    """Keep the first and the last lines of a text that is too long at any level."""
    lines = text.split("\n")
    begin, end = ends_that_fit([size_of_text(line) for line in lines], chars - _MARK_CHARS)
    marked = [*lines[:begin], f"… ({counted(end - begin, 'line')})", *lines[end:]]
    return cut("\n".join(marked), max(chars - _MARK_CHARS, 0))
