"""Collect what each line of a function did in one call: how often it ran, what it changed, read, called and raised."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from breadcrumb.value_format import DELETED_KEY
from breadcrumb_server.answers.annotated.source_block import SourceBlock, Statement
from breadcrumb_server.answers.annotated.told_by_source import ToldBySource, are_alike
from breadcrumb_server.answers.common.code_origin import is_for_messages
from breadcrumb_server.answers.common.parsed_json import is_object, parsed_object, parsed_value
from breadcrumb_server.answers.common.text import clean, ellipsized
from breadcrumb_server.answers.lines.changes import Change
from breadcrumb_server.answers.lines.steps import Steps
from breadcrumb_server.answers.rendering.calls import short_type
from breadcrumb_server.answers.rendering.identities import identity_of
from breadcrumb_server.answers.rendering.layout import cut_value
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_server.answers.rendering.notation import ValueTree, value_tree
from breadcrumb_storage.queries.callee_results import CalleeResult
from breadcrumb_storage.queries.lines import LineRow

# Values of one variable that a line shows, if it ran more often: the first ones and the last.
_MAX_VALUES = 3
# Characters of a value among several of one variable.
_ONE_OF_MANY_CHARS = 60
# Methods that a statement calls by itself: what they return is no news.
_PROTOCOL = frozenset({"__iter__", "__enter__", "__aenter__", "__aiter__"})
_BARE_OBJECT = re.compile(r"<?\w+#\d+>?")
# Characters of an exception at the line that received it.
_RAISED_CHARS = 160


@dataclass
class LineNote:
    """What one line did."""

    count: int = 0
    changes: dict[str, list[Change]] = field(default_factory=dict[str, list[Change]])  # by path, one for each execution
    reads: dict[str, list[object]] = field(default_factory=dict[str, list[object]])  # compared values, parsed, by path
    results: list[CalleeResult] = field(default_factory=list[CalleeResult])
    raised: list[str] = field(default_factory=list[str])

    @classmethod
    def together(cls, notes: Sequence[LineNote]) -> LineNote:
        """Return what the lines of one statement did as what one line did."""
        if len(notes) == 1:
            return notes[0]
        one = cls(count=max(each.count for each in notes))
        for note in notes:
            for path, changes in note.changes.items():
                one.changes[path] = [*one.changes.get(path, ()), *changes]
            for path, values in note.reads.items():
                one.reads[path] = [*one.reads.get(path, ()), *values]
            one.results += note.results
            one.raised += note.raised
        return one

    @property
    def says_something(self) -> bool:
        """Return whether there is more to tell than that the line ran."""
        return bool(self.changes or self.results or self.raised or self.reads)

    def text(self, chars: int, shown: Mapping[str, str], mentions: Mentions, source: str = "") -> str:
        """Render what the line did, without what its source tells.

        Args:
            chars: Maximum characters of each value.
            shown: Values that the reader knows from the lines before, by path, as text. Equal ones are not repeated.
            mentions: The objects that the reader knows.
            source: The text of the line.
        """
        told = ToldBySource(source)
        changes = {path: _series(list(map(_changed, found))) for path, found in self._recorded(told).items()}
        texts = {path: _known_text(values, chars) for path, values in changes.items()}
        told_by_source = {path for path, text in texts.items() if told.tells(path, text, shown)}
        # The same attribute of one object, that several variables hold.
        seen = {(_last_name(path), texts[path]) for path in told_by_source if "." in path}
        parts: list[str] = []
        for path in sorted((each for each in changes if each not in told_by_source), key=lambda each: each.count(".")):
            attribute = (_last_name(path), texts[path])
            if "." in path and attribute in seen:
                continue
            seen.add(attribute)
            text = _series_text(changes[path], chars, mentions)
            # A variable that holds the same object, of which nothing is new.
            if not (_BARE_OBJECT.fullmatch(text) and are_alike(shown.get(path), text)):
                parts.append(f"{path}={text}")
        for path, read in self.reads.items():
            values = _series(read)
            if path not in changes and shown.get(path) != _known_text(values, chars):
                text = _series_text(values, chars, mentions)
                if not are_alike(shown.get(path), text) or "(" in text:
                    parts.append(f"{path}={text}")
        for result in self.results:
            name = result.function_name.rpartition(".")[2]
            values = _results(result, chars, raises=not self.raised) if name not in _PROTOCOL else []
            if values and not any(_are_same(values, each) for each in changes.values()):
                parts.append(f"{name}() -> {_series_text(values, chars, mentions)}")
        parts += [f"!! {ellipsized(clean(short_type(each)), _RAISED_CHARS)}" for each in dict.fromkeys(self.raised)]
        return ", ".join(parts)

    def _recorded(self, told: ToldBySource) -> dict[str, list[Change]]:
        """Return the changes whose values are known, without names that Python deletes by itself."""
        known = {
            path: [each for each in found if not each.unrecorded and (told.deletes or not each.deleted)]
            for path, found in self.changes.items()
        }
        return {path: found for path, found in known.items() if found}

    def values(self, chars: int) -> dict[str, str]:
        """Return the values that a reader of this line knows after it, by path, as text."""
        known = {path: _known_text(_series(list(map(_changed, found))), chars) for path, found in self.changes.items()}
        for path, values in self.reads.items():
            known.setdefault(path, _known_text(_series(values), chars))
        return known


def _last_name(path: str) -> str:
    return path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class _Text:
    """What is shown in the place of a value."""

    text: str


_YIELDED_NOTHING = _Text("yielded nothing")


def _changed(change: Change) -> object:
    return _Text(str(change.shown)) if change.deleted or change.unrecorded else change.value


def _series(values: Sequence[object], *, gap: bool = False) -> list[object]:
    """Choose the values to show of those at the executions of a line: equal ones once, of many the ends.

    Args:
        values: The values.
        gap: Whether there were others before the last one.
    """
    if len({str(_whole(each)) for each in values}) == 1:
        return [values[0]]
    if len(values) > _MAX_VALUES:
        values, gap = [*values[: _MAX_VALUES - 1], values[-1]], True
    return [*values[:-1], _Text("…"), values[-1]] if gap else list(values)


def _series_text(values: Sequence[object], chars: int, mentions: Mentions) -> str:
    """Render chosen values, with at most ``chars`` characters of each, after the objects that the reader knows."""
    texts: list[str] = []
    chars = min(chars, _ONE_OF_MANY_CHARS) if len(values) > 1 else chars
    for each in values:
        texts.append(cut_value(each.text if isinstance(each, _Text) else mentions.tree(each), chars, ellipsized))
        mentions.shown(texts[-1])
    return " | ".join(texts)


def _known_text(values: Sequence[object], chars: int) -> str:
    """Render chosen values without regard to what the reader knows, to recognise them."""
    return " | ".join(cut_value(_whole(each), chars, ellipsized) for each in values)


def _whole(value: object) -> ValueTree:
    return value.text if isinstance(value, _Text) else value_tree(value)


def _are_same(values: Sequence[object], others: Sequence[object]) -> bool:
    """Return whether values are equal or the same objects, which may be recorded to different depths."""
    return len(values) == len(others) and all(map(_is_same, values, others))


def _is_same(value: object, other: object) -> bool:
    if is_object(value) and is_object(other) and identity_of(value):
        return identity_of(value) == identity_of(other)
    return str(_whole(value)) == str(_whole(other))


def _results(result: CalleeResult, chars: int, *, raises: bool) -> list[object]:
    """Choose what to show of the results of the calls from a line; nothing if all returned None.

    Args:
        result: The results.
        chars: Maximum characters of the name of an exception.
        raises: Whether to name the exceptions that they raised.
    """
    values: list[object] = [
        _Text(ellipsized(clean(short_type(each.exception_type)), chars))
        if each.outcome == "raised" and each.exception_type
        else _YIELDED_NOTHING if each.yielded == 0 and each.outcome == "returned"
        else parsed_value(each.return_value)
        for each in result.ends
        if (raises if each.outcome == "raised" else each.return_value not in (None, "null")) or each.yielded == 0
    ]  # fmt: skip
    return _series(values, gap=result.calls > len(result.ends)) if values else []


def collect_notes(
    steps: Steps, rows: Sequence[LineRow], args: str | None, results: Sequence[CalleeResult], block: SourceBlock | None
) -> dict[int, LineNote]:
    """Collect what the lines of one call did, by line number.

    Args:
        steps: The executed lines.
        rows: The records they were made of, for the values that conditions read.
        args: The arguments of the call as a JSON object.
        results: The results of the calls that it made.
        block: The source of the function; None if it is not known.
    """
    notes: dict[int, LineNote] = {}
    before: Statement | None = None
    for step in steps.steps:
        note = notes.setdefault(step.line, LineNote())
        statement = block.statement_at(step.line) if block is not None else None
        # The interpreter reports the lines of a statement on several lines as it goes back and forth between them.
        if statement is None or statement is not before or statement.first == statement.last:
            note.count += 1
        before = statement
        for change in step.changes or ():
            note.changes.setdefault(change.path, []).append(change)
        if step.raised:
            note.raised.append(step.raised)
    if steps.steps and steps.at_end:
        last = notes[steps.steps[-1].line]
        for change in steps.at_end:
            last.changes.setdefault(change.path, []).append(change)
    for result in results:
        if result.line is not None and notes and not is_for_messages(result.function_name):
            at = result.line if result.line in notes else _line_of(result.line, block, notes)
            if at is not None:
                notes[at].results.append(result)
    if block is not None:
        _collect_reads(notes, rows, args, block)
    return notes


def _line_of(line: int, block: SourceBlock | None, notes: Mapping[int, LineNote]) -> int | None:
    """Return the executed line of the statement that a line in the middle of it belongs to."""
    statement = block.statement_at(line) if block is not None else None
    inside = [each for each in notes if statement is not None and statement.first <= each <= statement.last]
    return inside[0] if inside else None


def _collect_reads(
    notes: Mapping[int, LineNote], rows: Sequence[LineRow], args: str | None, block: SourceBlock
) -> None:
    """Note the values that conditions compare, as they were when the line started."""
    known = parsed_object(args)
    for row in rows:
        known |= parsed_object(row.changes)
        note = notes.get(row.line) if row.line is not None else None
        statement = block.statements.get(row.line) if row.line is not None else None
        if note is None or statement is None:
            continue
        for path in statement.reads:
            found, value = _value_at(known, path)
            if found:
                note.reads.setdefault(path, []).append(value)


def _value_at(known: Mapping[str, object], path: str) -> tuple[bool, object]:
    """Return the recorded value of a variable or an attribute, and whether there is one."""
    value: object = known
    for name in path.split("."):
        if not is_object(value) or name not in value:
            return False, None
        value = value[name]
    return not (is_object(value) and DELETED_KEY in value), value
