"""Make the rows of a function's text: which lines stand together, what each row is worth, what is folded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import groupby

from breadcrumb_server.answers.annotated.line_notes import LineNote
from breadcrumb_server.answers.annotated.source_block import SourceBlock
from breadcrumb_server.answers.annotated.statement_lines import without_directive
from breadcrumb_server.answers.common.text import clean


class Rank(IntEnum):
    """What a row is worth, from what is always shown to what is left out first."""

    NOTHING = -1  # no row has it
    TOLD = 0
    RAN = 1
    FIRST_NOT_RUN = 2
    AROUND = 3
    NOT_RUN = 4
    DOCUMENTATION = 5
    FOLDED = 6


# The rank of a line up to a distance from the one at which a call stood.
_RANK_BY_DISTANCE = ((Rank.RAN, 2), (Rank.FIRST_NOT_RUN, 4), (Rank.AROUND, 7), (Rank.NOT_RUN, 12))
# Rows of a docstring, of a comment, and of a block that did not run, up to which they are shown whole. Of longer ones
# the first rows are: they say what it is.
_WHOLE_DOCSTRING, _WHOLE_COMMENT, _WHOLE_NOT_RUN = 3, 2, 4
_FIRST_OF_NOT_RUN = 2
# Characters up to which the lines of a statement are written as one.
_STATEMENT_CHARS = 150


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file, or those of a statement that stand as one."""

    number: int  # of its first line
    source: str
    note: LineNote | None
    mark: str  # x3, *, x3*, -, >, or ""
    rank: Rank
    told: str = ""  # the note, if it is not made of what was recorded for the line
    missed: bool = False  # whether it is known that it did not run
    statement: str = ""  # the text of the statement that begins here
    lines: int = 1  # how many lines of the file it stands for


@dataclass(frozen=True, slots=True)
class Stood:
    """The line at which a call stood when an exception left it.

    Attributes:
        line: Its number.
        told: What is known of that moment, such as the variables, if its lines were not recorded.
    """

    line: int
    told: str


def rows_of(
    block: SourceBlock,
    source: Mapping[int, str],
    notes: Mapping[int, LineNote] | None,
    rare: Collection[int],
    stood: Stood | None,
    heads: Mapping[int, str] | None,
    minor: Collection[int],
    *,
    fold: bool,
) -> list[Row]:
    """Make the rows of the text of a function, or of lines of a file.

    Args:
        block: The lines.
        source: Their text by number, without the indentation that all share.
        notes: What the executed lines did, by number; None if no lines were recorded.
        rare: Numbers of the lines that few calls of the function ran.
        stood: Where the call stood in the end. Without notes, the lines around it are worth most.
        heads: What is said at the lines that begin a function, by number, where they are lines of a file.
        minor: Numbers of lines that are left out first.
        fold: Whether long comments and blocks that did not run are folded. A long docstring is, unless the lines
            begin within it.
    """
    rows = _rank_lines(block, _in_steps(source, block), notes, rare)
    if stood is not None:
        rows = [_beside(each, stood) if notes is None else _at(each, stood) for each in rows]
    if heads is not None:
        rows = [
            replace(each, note=None, mark="", rank=Rank.TOLD, told=heads[each.number]) if each.number in heads else each
            for each in rows
        ]
    rows = _joined([replace(each, rank=Rank.NOT_RUN) if each.number in minor else each for each in rows], block)
    return _folded(rows, block, stood, fold=fold)


def _rank_lines(
    block: SourceBlock, source: Mapping[int, str], notes: Mapping[int, LineNote] | None, rare: Collection[int]
) -> Sequence[Row]:
    lines: list[Row] = []
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
                Row(number, text, None, "", Rank.DOCUMENTATION if number - 1 in block.documentation else Rank.AROUND)
            )
            continue
        if note is not None:
            missed = False
            mark = f"x{note.count}" if note.count > 1 else ""
            mark += "*" if number in rare else ""
            rank = Rank.TOLD if note.says_something or number in rare else Rank.RAN
        elif notes is None and number in rare:
            mark, rank = "*", Rank.RAN
        elif notes is None or statement is None:
            rank = Rank.AROUND if text.lstrip().startswith("#") else Rank.RAN
        elif not statement.runs or any(statement.first <= each <= statement.last for each in notes):
            rank = Rank.RAN if number == statement.first else Rank.AROUND  # the rest of a statement on several lines
        else:
            rank = Rank.NOT_RUN if missed else Rank.FIRST_NOT_RUN
            mark = "-" if number == statement.first else ""
            missed = True
        did_not_run = rank in (Rank.FIRST_NOT_RUN, Rank.NOT_RUN)
        last = statement.last if statement is not None and statement.first == number else number
        whole = "\n".join(source.get(each, "") for each in range(number, last + 1))
        lines.append(Row(number, text, note, mark, rank, missed=did_not_run, statement=whole))
    return lines


def _in_steps(source: Mapping[int, str], block: SourceBlock) -> dict[int, str]:
    """Indent each line by one blank for each step of its indentation, and leave out what is said to tools.

    Text within strings stays as it is.
    """
    source = {number: without_directive(text) for number, text in source.items()}
    indented = {number: len(text) - len(text.lstrip()) for number, text in source.items() if text.strip()}
    found = (
        chars
        for number, chars in indented.items()
        if chars and not (number in block.written.continued or number in block.written.in_strings)
    )
    step = min(found, default=1)
    return {
        number: text
        if number not in indented or (number in block.written.in_strings and number not in block.documentation)
        else " " * -(-indented[number] // step) + text.lstrip()
        for number, text in source.items()
    }


def _joined(lines: Sequence[Row], block: SourceBlock) -> list[Row]:
    """Write the lines of each statement as one, as far as what they did can be told of them together."""
    out: list[Row] = []
    for line in lines:
        if out and line.number in block.written.continued and _may_follow(line, out[-1]):
            out[-1] = _together(out[-1], line)
        else:
            out.append(line)
    return out


def _may_follow(line: Row, before: Row) -> bool:
    """Return whether a line can be written behind the one before."""
    if len(before.source) + len(line.source.lstrip()) >= _STATEMENT_CHARS or line.told:
        return False
    if before.note is None or line.note is None:
        return line.mark in ("", before.mark) or not before.mark
    mark = line.mark.replace(">", "")
    # What is not counted ran together with the line before.
    return mark == before.mark.replace(">", "") or not (mark or line.note.count)


def _together(first: Row, second: Row) -> Row:
    """Return a line and the one that goes on with its statement as one line."""
    begin, end = first.source.removesuffix("\\").rstrip(), second.source.lstrip()
    blank = "" if begin.endswith(("(", "[", "{")) or end.startswith((")", "]", "}", ".")) else " "
    notes = [each for each in (first.note, second.note) if each is not None]
    return replace(
        first,
        source=begin + blank + end,
        note=LineNote.together(notes) if notes else None,
        mark=max(first.mark, second.mark, key=len),
        rank=min(first.rank, second.rank),
        statement=first.statement if "\n" in first.statement else f"{first.statement}\n{second.statement}",
        lines=first.lines + second.lines,
    )


def _folded(lines: Sequence[Row], block: SourceBlock, stood: Stood | None, *, fold: bool) -> list[Row]:
    """Fold long docstrings, comments and blocks that did not run to their first lines, and what follows a failure."""
    failed_at = stood.line if stood is not None and any(each.note for each in lines) else None

    def kind(line: Row) -> str:
        if line.number in block.documentation:
            return "docstring" if block.first not in block.documentation else ""
        if not fold:
            return ""
        if line.source.lstrip().startswith("#") and line.number not in block.written.in_strings:
            return "comment"
        return "not run" if line.missed else ""

    out: list[Row] = []
    for name, group in groupby(lines, kind):
        found = list(group)
        shown = len(found)
        if shown > {"docstring": _WHOLE_DOCSTRING, "comment": _WHOLE_COMMENT}.get(name, shown):
            shown = 1
        elif name == "not run" and shown > _WHOLE_NOT_RUN:
            shown = _FIRST_OF_NOT_RUN
        out += [each if position < shown else replace(each, rank=Rank.FOLDED) for position, each in enumerate(found)]
    if fold and failed_at is not None and not any(each.note for each in lines if each.number > failed_at):
        out = [replace(each, rank=Rank.FOLDED) if each.number > failed_at and each.missed else each for each in out]
    return out


def _at(line: Row, stood: Stood) -> Row:
    """Mark the line at which the call stood, and keep it in any case."""
    return replace(line, mark=line.mark + ">", rank=Rank.TOLD) if line.number == stood.line else line


def _beside(line: Row, stood: Stood) -> Row:
    """Mark the line at which the call stood, and rank the others by their distance from it."""
    distance = abs(line.number - stood.line)
    if distance == 0:
        return replace(line, mark=">", rank=Rank.TOLD, told=stood.told)
    near = next((rank for rank, most in _RANK_BY_DISTANCE if distance <= most), Rank.DOCUMENTATION)
    return replace(line, rank=max(line.rank, near))
