"""Write classes, files and ranges of lines: their source, and what one call of each function in them did."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from breadcrumb_server.answers.annotated.choice import choose_call
from breadcrumb_server.answers.annotated.functions import AnnotatedFunctions
from breadcrumb_server.answers.annotated.layout import FunctionText, Style
from breadcrumb_server.answers.annotated.line_notes import LineNote
from breadcrumb_server.answers.annotated.moment import Moment
from breadcrumb_server.answers.annotated.source_block import Definition
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.conditions.where import parse_where
from breadcrumb_server.answers.rendering.calls import end_text
from breadcrumb_server.answers.rendering.layout import arguments_text, without_self
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_storage.queries.calls.paths import call_paths
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.functions import FunctionName, functions_of_file
from breadcrumb_storage.queries.trace_reader import TraceReader

# A class or file with more source than this many times the room is shown by its definitions alone.
_OUTLINE_FROM = 1.5
# Characters of a line's number and margin.
_MARGIN_CHARS = 8
# Characters of the arguments of a call at the head of its function, and of its result.
_HEAD_CHARS = 80


@dataclass(frozen=True, slots=True)
class Region:
    """Lines of a file that are no single function.

    Attributes:
        file: The path of the file.
        first: Number of the first line.
        last: Number of the last line.
        name: The qualified name, if it is a class.
        is_range: Whether these lines were asked for: they are written as far as there is room.
    """

    file: str
    first: int
    last: int
    name: str = ""
    is_range: bool = False


class Regions:
    """Writes regions of the files of a trace.

    Args:
        reader: The trace.
        functions: Its functions with their source.
        places: Shortens paths.
        moment: The failure, by which the call of a function is chosen.
        suspect: Lines that failed tests ran and few passing tests did, by file; None if there are no tests to compare.
    """

    def __init__(
        self,
        reader: TraceReader,
        functions: AnnotatedFunctions,
        places: Places,
        moment: Moment,
        suspect: Mapping[str, Set[int]] | None,
    ) -> None:
        self._reader = reader
        self._functions = functions
        self._places = places
        self._moment = moment
        self._suspect = suspect or {}
        self.unrecorded: list[str] = []  # functions that were shown, and of which it is not known what their lines did

    def write(self, region: Region, chars: int) -> str:
        """Write a region.

        Args:
            region: The lines.
            chars: Maximum characters of the text, as it is in JSON. Of a class or a file with more source, only the
                definitions are written, with their numbers of calls.
        """
        if region.is_range:
            return self._whole(region).fit(chars, Style.FROM_THE_TOP)
        source = self._functions.source.block(region.file, region.first, region.last)
        if sum(len(text) + _MARGIN_CHARS for text in source.values()) > _OUTLINE_FROM * chars:
            return self._outline(region, source).fit(chars)
        return self._whole(region).fit(chars, Style.BESIDE)

    def _heading(self, region: Region, remark: str = "") -> str:
        place = f"{self._places.path(region.file)}:{region.first}-{region.last}"
        return one_line(f"{region.name} {place}{remark}".strip(), 2 * _HEAD_CHARS)

    def _definitions(self, region: Region) -> list[Definition]:
        """Return the functions and classes that have lines in a region."""
        found = self._functions.parsed(region.file).definitions()
        return [each for each in found if each.first <= region.last and region.first <= each.last]

    def _known(self, region: Region) -> Mapping[str, FunctionName]:
        return {each.name: each for each in functions_of_file(self._reader, region.file)}

    def _outline(self, region: Region, source: Mapping[int, str]) -> FunctionText:
        """Write the definitions and attributes alone."""
        parsed, known = self._functions.parsed(region.file), self._known(region)
        attributes = parsed.attributes(region.first, region.last)
        heads: dict[int, str] = {}
        uncalled: set[int] = set()
        for each in self._definitions(region):
            if "<locals>" in each.name:
                continue
            if each.is_class:
                heads[each.head] = counted(each.last - each.head + 1, "line")
            elif each.name in known:
                heads[each.head] = f"{counted(each.last - each.head + 1, 'line')}, {_calls(known[each.name])}"
            else:
                uncalled.add(each.head)
        shown = attributes.union(heads, uncalled)
        return FunctionText(
            parsed.region(region.first, region.last, without=()),
            {number: text for number, text in source.items() if number in shown},
            None,
            self._heading(region, ", an outline: name functions of it to read them"),
            {},
            heads=heads,
            minor=attributes,
        )

    def _whole(self, region: Region) -> FunctionText:
        """Write all lines, with what one call of each function did."""
        known = self._known(region)
        notes: dict[int, LineNote] = {}
        heads: dict[int, str] = {}
        unrecorded: set[str] = set()  # functions that ran, but it is not known which of their lines did
        remark = ""
        for each in self._definitions(region):
            if each.is_class:
                continue
            function = known.get(each.name)
            call = None if function is None else self._chosen(region, function)
            head = "not called" if function is None else _calls(function)
            if call is not None:
                notes |= self._functions.notes(call, self._functions.block(region.file, each.first, each.name))
                head = f"{head}, {_call_text(call)}"
            elif function is not None:
                unrecorded.add(each.name)
                self.unrecorded.append(function.full_name)
            if each.head < region.first:
                remark = f", in {each.name}: {head}"
            heads[each.head] = head
        rare = self._suspect.get(region.file, frozenset[int]())
        block = self._functions.parsed(region.file).region(region.first, region.last, without=unrecorded)
        source = self._functions.source.block(region.file, region.first, region.last, block.documentation)
        heading = self._heading(region, remark)
        return FunctionText(block, source, notes or None, heading, {}, rare, heads=heads, fold=not region.is_range)

    def _chosen(self, region: Region, function: FunctionName) -> CallRow | None:
        """Return the call of a function that most likely matters; None if its lines were not recorded."""
        calls = call_paths(self._reader, parse_where(None, function.full_name))
        choice = choose_call(calls, self._moment, None, self._suspect.get(region.file, frozenset[int]()))
        if choice is None or choice.call.lines is None:
            return None
        return calls_by_id(self._reader, [choice.call.call_id])[choice.call.call_id]


def _call_text(call: CallRow) -> str:
    args = arguments_text(without_self(call.args), _HEAD_CHARS, Mentions())
    return one_line(f"#{call.call_id} {args} {end_text(call, _HEAD_CHARS)}", 2 * _HEAD_CHARS)


def _calls(function: FunctionName) -> str:
    return ("" if function.exact else ">=") + counted(function.started, "call")
