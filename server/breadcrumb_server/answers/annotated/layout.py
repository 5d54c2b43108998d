"""Write the source of a function with what its lines did, within a number of characters."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import NamedTuple

from breadcrumb_server.answers.annotated.line_notes import LineNote
from breadcrumb_server.answers.annotated.source_block import SourceBlock
from breadcrumb_server.answers.common.budget import ends_that_fit
from breadcrumb_server.answers.common.text import clean, counted, cut
from breadcrumb_server.answers.rendering.mentions import SMALL_OBJECT_CHARS, Mentions

# What a line is worth, from what is always shown to what is left out first.
_TOLD, _RAN, _FIRST_NOT_RUN, _AROUND, _NOT_RUN, _DOCUMENTATION, _FOLDED = range(7)
_NOTHING = _TOLD - 1  # no line has this rank
# The rank of a line up to a distance from the one at which a call stood.
_RANK_BY_DISTANCE = ((_RAN, 2), (_FIRST_NOT_RUN, 4), (_AROUND, 7), (_NOT_RUN, 12))
# Characters of the note of a marked line, at least.
_MARKED_NOTE_CHARS = 90
# Lines of a docstring, of a comment, and of a block that did not run, up to which they are shown whole. Of longer ones
# the first lines are: they say what it is. A range of lines of the file is never folded.
_WHOLE_DOCSTRING, _WHOLE_COMMENT, _WHOLE_NOT_RUN = 3, 2, 5
_FIRST_OF_NOT_RUN = 3
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


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    source: str
    note: LineNote | None
    mark: str  # x3, *, x3*, -, >, or ""
    rank: int
    told: str = ""  # the note, if it is not made of what was recorded for the line
    missed: bool = False  # whether it is known that it did not run
    statement: str = ""  # the text of the statement that begins here


@dataclass(frozen=True, slots=True)
class Stood:
    """The line at which a call stood when an exception left it.

    Attributes:
        line: Its number.
        told: What is known of that moment, such as the variables, if its lines were not recorded.
    """

    line: int
    told: str


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
    ) -> None:
        self._mentions = mentions or Mentions()
        self._heading = heading
        self._known = known
        lines = _rank_lines(block, source, notes, rare)
        if stood is not None:
            lines = [_beside(each, stood) if notes is None else _at(each, stood) for each in lines]
        if heads is not None:
            lines = [
                replace(each, note=None, mark="", rank=_TOLD, told=heads[each.number]) if each.number in heads else each
                for each in lines
            ]
        lines = [replace(each, rank=_NOT_RUN) if each.number in minor else each for each in lines]
        if heads is None:
            lines = _folded(lines, block, stood)
            executed = [each for each in lines if each.note is not None]
            if len(executed) > 1 and all("*" in each.mark for each in executed):  # that says nothing of any of them
                lines = [replace(each, mark=each.mark.replace("*", "")) for each in lines]
                self._heading += _ALL_RARE
        self._lines = lines
        self._mark_chars = max((len(line.mark) for line in self._lines), default=0)

    def fit(self, chars: int, style: Style = Style.ALONE) -> str:
        """Write the most that fits: first notes are shortened, then lines left out that say least.

        Args:
            chars: Maximum characters.
            style: Which other text is read with it.
        """
        least = max((line.rank for line in self._lines if line.rank != _FOLDED), default=_TOLD)
        # A level at which no line is left says nothing: the ends of more lines then say more.
        levels = [level for level in _levels(style, least) if any(line.rank <= level[0] for line in self._lines)]
        fitting = next((level for level in levels if size_of_text(self._write(*level)) <= chars), None)
        if fitting is None and style is Style.FROM_THE_TOP:
            return self._filled(_NOTHING, _SHORT_NOTES[1], chars, marked=[])
        if fitting is None:
            return _cut_lines(self._write(*levels[-1]), chars)
        marked = [line.number for line in self._lines if "*" in line.mark or ">" in line.mark]
        return self._filled(*fitting, chars, marked=marked)

    def _filled(self, rank: int, room: _NoteRoom, chars: int, *, marked: Sequence[int]) -> str:
        """Write the lines up to a rank, and of the others those nearest to marked lines, or the first, that fit."""

        def distance(line: _Line) -> int:
            return min((abs(line.number - each) for each in marked), default=line.number)

        others = sorted((line for line in self._lines if rank < line.rank <= _NOT_RUN), key=distance)
        few, too_many = 0, len(others) + 1
        while too_many - few > 1:
            middle = (few + too_many) // 2
            if size_of_text(self._write(rank, room, others[:middle])) <= chars:
                few = middle
            else:
                too_many = middle
        return self._write(rank, room, others[:few])

    def _write(self, rank: int, room: _NoteRoom, others: Collection[_Line] = ()) -> str:
        out = [self._heading]
        shown, mentions = dict(self._known), self._mentions.copy(max(SMALL_OBJECT_CHARS, room.value // 2))
        left = not_run = 0
        width = max((len(str(line.number)) for line in self._lines), default=1)
        numbers = {line.number for line in others}
        for line in self._lines:
            if line.rank > rank and line.number not in numbers:
                left += 1
                not_run += line.missed
                continue
            if left:
                _count_left_out(out, left, not_run)
                left = not_run = 0
            out.append(self._line(line, width, room, shown, mentions))
        if left:
            _count_left_out(out, left, not_run)
        return "\n".join(out)

    def _line(self, line: _Line, width: int, room: _NoteRoom, shown: dict[str, str], mentions: Mentions) -> str:
        mark = f"{line.mark:<{self._mark_chars}} " if self._mark_chars else ""
        text = f"{line.number:>{width}} {mark}{cut(line.source, _SOURCE_CHARS)}".rstrip()
        if line.note is None:
            return f"{text}  # {line.told}" if line.told else text
        chars = max(room.note, _MARKED_NOTE_CHARS if "*" in line.mark or ">" in line.mark else 0)
        note = cut(line.note.text(room.value, shown, mentions, line.statement), chars) if chars else ""
        shown.update(line.note.values(room.value))
        return f"{text}  # {note}" if note else text


def _levels(style: Style, least: int) -> list[tuple[int, _NoteRoom]]:
    """Return what is tried in turn: the rank of the lines that are written, and the room of their notes."""
    if style is Style.ALONE:
        return [
            *((rank, room) for rank in range(least, _NOT_RUN, -1) for room in _LONG_NOTES[:2]),
            *(
                (rank, room)
                for rank in range(min(least, _NOT_RUN), _TOLD - 1, -1)
                for room in _LONG_NOTES + _SHORT_NOTES[:3]
            ),
        ]
    if style is Style.FROM_THE_TOP:
        ranks = dict.fromkeys((least, min(least, _NOT_RUN)))
        return [(rank, room) for rank in ranks for room in _SHORT_NOTES[:3]]
    least = min(least, _NOT_RUN)
    if style is Style.SOURCE_FIRST:
        return [(rank, room) for rank in range(least, _TOLD - 1, -1) for room in _SHORT_NOTES]
    return [
        *((rank, room) for rank in range(least, _RAN, -1) for room in _SHORT_NOTES[:3]),
        *((rank, room) for rank in (_RAN, _TOLD) for room in _SHORT_NOTES),
    ]


def size_of_text(text: str) -> int:
    """Count the characters of a text in the JSON of an answer."""
    return len(json.dumps(text, ensure_ascii=False))


def _rank_lines(
    block: SourceBlock, source: Mapping[int, str], notes: Mapping[int, LineNote] | None, rare: Collection[int]
) -> Sequence[_Line]:
    lines: list[_Line] = []
    missed = False  # whether the statement before was not run
    for number in range(block.first, block.last + 1):
        text = clean(source.get(number, ""))
        statement = block.statement_at(number)
        note = notes.get(number) if notes is not None else None
        mark = ""
        if not text.strip() and note is None:
            continue
        if number in block.documentation:
            lines.append(
                _Line(number, text, None, "", _DOCUMENTATION if number - 1 in block.documentation else _AROUND)
            )
            continue
        if note is not None:
            missed = False
            mark = f"x{note.count}" if note.count > 1 else ""
            mark += "*" if number in rare else ""
            rank = _TOLD if note.says_something or number in rare else _RAN
        elif notes is None and number in rare:
            mark, rank = "*", _RAN
        elif notes is None or statement is None:
            rank = _AROUND if text.lstrip().startswith("#") else _RAN
        elif not statement.runs or any(statement.first <= each <= statement.last for each in notes):
            rank = _RAN if number == statement.first else _AROUND  # the rest of a statement on several lines
        else:
            rank = _NOT_RUN if missed else _FIRST_NOT_RUN
            mark = "-" if number == statement.first else ""
            missed = True
        did_not_run = rank in (_FIRST_NOT_RUN, _NOT_RUN)
        last = statement.last if note is not None and statement is not None and statement.first == number else number
        whole = "\n".join(source.get(each, "") for each in range(number, last + 1))
        lines.append(_Line(number, text, note, mark, rank, missed=did_not_run, statement=whole))
    return lines


def _folded(lines: Sequence[_Line], block: SourceBlock, stood: Stood | None) -> list[_Line]:
    """Fold long docstrings, comments and blocks that did not run to their first lines, and what follows a failure."""
    failed_at = stood.line if stood is not None and any(each.note for each in lines) else None

    def kind(line: _Line) -> str:
        if line.number in block.documentation:
            return "docstring"
        if line.source.lstrip().startswith("#") and block.statement_at(line.number) is None:
            return "comment"
        return "not run" if line.missed else ""

    out: list[_Line] = []
    for name, group in groupby(lines, kind):
        found = list(group)
        shown = len(found)
        if shown > {"docstring": _WHOLE_DOCSTRING, "comment": _WHOLE_COMMENT}.get(name, shown):
            shown = 1
        elif name == "not run" and shown > _WHOLE_NOT_RUN:
            shown = _FIRST_OF_NOT_RUN
        out += [each if position < shown else replace(each, rank=_FOLDED) for position, each in enumerate(found)]
    if failed_at is not None and not any(each.note for each in lines if each.number > failed_at):
        out = [replace(each, rank=_FOLDED) if each.number > failed_at and each.missed else each for each in out]
    return out


def _at(line: _Line, stood: Stood) -> _Line:
    """Mark the line at which the call stood, and keep it in any case."""
    return replace(line, mark=line.mark + ">", rank=_TOLD) if line.number == stood.line else line


def _beside(line: _Line, stood: Stood) -> _Line:
    """Mark the line at which the call stood, and rank the others by their distance from it."""
    distance = abs(line.number - stood.line)
    if distance == 0:
        return replace(line, mark=">", rank=_TOLD, told=stood.told)
    near = next((rank for rank, most in _RANK_BY_DISTANCE if distance <= most), _DOCUMENTATION)
    return replace(line, rank=max(line.rank, near))


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
