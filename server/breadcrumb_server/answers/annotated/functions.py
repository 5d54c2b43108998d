"""Read what the lines of a function did in one call, next to its source."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from breadcrumb_server.answers.annotated.layout import FunctionText
from breadcrumb_server.answers.annotated.line_notes import LineNote, collect_notes
from breadcrumb_server.answers.annotated.rows import Stood
from breadcrumb_server.answers.annotated.source_block import ParsedFile, SourceBlock
from breadcrumb_server.answers.lines.bindings import Bindings
from breadcrumb_server.answers.lines.raises import RaisedCalls
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_server.answers.lines.steps import Steps
from breadcrumb_server.answers.rendering.layout import cut_value
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_server.answers.rendering.notation import named_values
from breadcrumb_storage.queries.callee_results import callee_results
from breadcrumb_storage.queries.calls.records import CallRow
from breadcrumb_storage.queries.lines import lines_of_calls, raised_calls
from breadcrumb_storage.queries.trace_reader import TraceReader

# Characters up to which an argument of a call is known from its heading.
_KNOWN_CHARS = 300


class AnnotatedFunctions:
    """The functions of a trace with their source.

    Args:
        reader: The trace.
        source: The text of its files.
    """

    def __init__(self, reader: TraceReader, source: SourceText) -> None:
        self._reader = reader
        self.source = source
        self._parsed: dict[str, ParsedFile] = {}

    def parsed(self, file: str | None) -> ParsedFile:
        """Return the functions of a file; of one that cannot be read, none."""
        key = file or ""
        if key not in self._parsed:
            self._parsed[key] = ParsedFile(self.source.whole(file))
        return self._parsed[key]

    def block(self, file: str | None, line: int | None, name: str) -> SourceBlock | None:
        """Return the lines of a function, by its first line and its qualified name; None if they cannot be read."""
        return self.parsed(file).block(line or 1, name)

    def notes(self, call: CallRow, block: SourceBlock | None) -> Mapping[int, LineNote]:
        """Return what each line did in a call whose lines were recorded; empty if they were not."""
        rows = lines_of_calls(self._reader, [call.call_id]).get(call.call_id, [])
        if not rows:
            return {}
        raises = RaisedCalls(raised_calls(self._reader, [call.call_id]).get(call.call_id, ()), call.exception_id)
        bindings = Bindings(self.source.whole(call.file), None if call.kind == "module" else call.line)
        steps = Steps.of(rows, call.args, bindings, raises)
        return collect_notes(steps, rows, call.args, callee_results(self._reader, call.call_id), block)

    def text(
        self,
        file: str | None,
        block: SourceBlock,
        heading: str,
        call: CallRow | None,
        notes: Mapping[int, LineNote] | None,
        rare: Collection[int] = (),
        stood: Stood | None = None,
        mentions: Mentions | None = None,
    ) -> FunctionText:
        """Return the text of a function, to be fitted into a number of characters.

        Args:
            file: Its file.
            block: Its lines.
            heading: Names the function and the call.
            call: The call, whose arguments the heading shows; None if there is none.
            notes: What the lines did; None if that was not recorded.
            rare: Numbers of the lines that few calls of the function ran.
            stood: Where the call stood in the end, if its lines were not recorded.
            mentions: The objects that the heading shows.
        """
        lines = self.source.block(file, block.first, block.last, block.documentation)
        known = {name: cut_value(value, _KNOWN_CHARS) for name, value in named_values(call.args)} if call else {}
        return FunctionText(block, lines, notes, heading, known, rare, stood, mentions)
