"""Collect what each line of a function did in one call: how often it ran, what it changed, read, called and raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from breadcrumb.value_format import DELETED_KEY
from breadcrumb_server.answers.annotated.source_block import SourceBlock, Statement
from breadcrumb_server.answers.common.parsed_json import is_object, parsed_object
from breadcrumb_server.answers.common.text import clean, cut
from breadcrumb_server.answers.lines.changes import Change
from breadcrumb_server.answers.lines.steps import Steps
from breadcrumb_server.answers.rendering.layout import cut_value, value_text
from breadcrumb_server.answers.rendering.notation import value_tree
from breadcrumb_storage.queries.callee_results import CalleeResult
from breadcrumb_storage.queries.lines import LineRow

# Values of one variable that a line shows, if it ran more often: the first ones and the last.
_MAX_VALUES = 3
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

    @property
    def says_something(self) -> bool:
        """Return whether there is more to tell than that the line ran."""
        return bool(self.changes or self.results or self.raised or self.reads)

    def text(self, chars: int, shown: Mapping[str, str]) -> str:
        """Render what the line did.

        Args:
            chars: Maximum characters of each value.
            shown: Values that the reader knows from the lines before, by path, as text. Equal ones are not repeated.
        """
        parts = [
            f"{path}={_series([cut_value(each.shown, chars) for each in changes])}"
            for path, changes in self.changes.items()
        ]
        bound = {part.partition("=")[2] for part in parts}
        for path, values in self.reads.items():
            text = _series([cut_value(value_tree(each), chars) for each in values])
            if path not in self.changes and shown.get(path) != text:
                parts.append(f"{path}={text}")
        for result in self.results:
            text = _result(result, chars)
            if text and text not in bound:
                parts.append(f"{result.function_name.rpartition('.')[2]}() -> {text}")
        parts += [f"!! {cut(clean(each), _RAISED_CHARS)}" for each in dict.fromkeys(self.raised)]
        return ", ".join(parts)

    def values(self, chars: int) -> dict[str, str]:
        """Return the values that a reader of this line knows after it, by path, as text."""
        known = {
            path: _series([cut_value(each.shown, chars) for each in found]) for path, found in self.changes.items()
        }
        for path, values in self.reads.items():
            known.setdefault(path, _series([cut_value(value_tree(each), chars) for each in values]))
        return known


def _series(values: Sequence[str]) -> str:
    """Render the values that a variable had at the executions of a line: equal ones once, of many the ends."""
    if len(set(values)) == 1:
        return values[0]
    if len(values) <= _MAX_VALUES:
        return " | ".join(values)
    return " | ".join([*values[: _MAX_VALUES - 1], "…", values[-1]])


def _result(result: CalleeResult, chars: int) -> str:
    values = [
        cut(clean(each.exception_type), chars) if each.outcome == "raised" and each.exception_type
        else value_text(each.return_value, chars)
        for each in result.ends
        if each.outcome == "raised" or each.return_value not in (None, "null")
    ]  # fmt: skip
    if not values:
        return ""
    if result.calls > len(result.ends) and len(set(values)) > 1:
        return " | ".join([*values[:-1], "…", values[-1]])
    return _series(values)


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
        if result.line is not None and notes:
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
