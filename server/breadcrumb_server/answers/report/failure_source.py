"""Write the source that explains a failure, with what its lines did: of the test, of what raised, of what it checked.

An exception may have been raised far inside a package. The innermost own function is shown then: the reader can change
that one. Where no lines were recorded, the line at which the call stood is marked, with the variables of that moment.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.annotated.functions import AnnotatedFunctions
from breadcrumb_server.answers.annotated.layout import FunctionText
from breadcrumb_server.answers.annotated.rows import Stood
from breadcrumb_server.answers.common.code_origin import Places, is_generated
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import one_line
from breadcrumb_server.answers.exceptions.details import LoadedException
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_server.answers.rendering.calls import result_text
from breadcrumb_server.answers.rendering.layout import arguments_text, cut_value, without_self
from breadcrumb_server.answers.rendering.notation import named_values
from breadcrumb_server.answers.report.explaining_calls import choose_calls
from breadcrumb_server.answers.suspects.ranking import Spectrum
from breadcrumb_storage.queries.calls.paths import calls_made_at
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.trace_reader import TraceReader

T = TypeVar("T")

# Characters of the arguments and of the result in a heading, of all variables beside a line, and of each.
_ARGUMENT_CHARS = 110
_RESULT_CHARS = 110
_VARIABLES_CHARS = 300
_VARIABLE_CHARS = 80
_HEADING_CHARS = 240

# Statements of a test that are looked at for the call whose result was wrong.
_MAX_STATEMENTS = 8

_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class ExplainingCall:
    """A call that helps to explain a failure, with the source of its function and what its lines did."""

    call: CallRow
    text: FunctionText


class FailureSource:
    """The source of the functions around a failure.

    Args:
        reader: The trace.
        places: Shortens paths.
        compared: The spectrum of its tests; None if there is nothing to compare.
        redact: The project's patterns of secret names.
        parts: Notes what cannot be read.
    """

    def __init__(
        self, reader: TraceReader, places: Places, compared: Spectrum | None, redact: Sequence[str], parts: Parts
    ) -> None:
        self._reader = reader
        self._places = places
        self._parts = parts
        self._lines = SourceText(reader, Redactor(redact))
        self._annotated = AnnotatedFunctions(reader, self._lines)
        self._spectrum = compared

    def lines(self, file: str | None, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the redacted text of lines by number; those that cannot be read are left out."""
        nothing: dict[int, str] = {}
        return self._parts.make("source", lambda: self._lines.lines(file, numbers), nothing)

    def of_test(self, test: CallRow, exception: LoadedException | None) -> FunctionText | None:
        """Return the source of a failed test with what its lines did; None if they were not recorded.

        Args:
            test: The call of the test function.
            exception: What failed it: the line that it left is marked; None if that is not known.
        """
        return self._part(lambda: self._of_call(test, stood=_line_left(test, exception)))

    def raised_in(self, exception: LoadedException, test: str = "") -> FunctionText | None:
        """Return the source of the innermost own function that an exception left.

        Args:
            exception: The exception.
            test: The name of the test function, which is shown elsewhere; "" if no test ran.

        Returns:
            None if no own function is in its chain of calls, its source cannot be read, or it is that of the test.
        """
        return self._part(lambda: self._raised_in(exception, test))

    def explaining(self, test: CallRow, exception: LoadedException | None) -> list[ExplainingCall]:
        """Return the calls whose source explains a failed test, the one most likely to do so first.

        Args:
            test: The call of the test function.
            exception: What failed the test; None if that is not known.
        """
        return self._parts.rows("source", lambda: self._explaining(test, exception))

    def _part(self, build: Callable[[], T | None]) -> T | None:
        return self._parts.optional("source", build)

    def _of_call(
        self, call: CallRow, *, result: bool = False, rare: Collection[int] = (), stood: int | None = None
    ) -> FunctionText | None:
        block = self._annotated.block(call.file, call.line, call.name)
        notes = self._annotated.notes(call, block) if block is not None else None
        if block is None or not notes:
            return None
        at = Stood(stood, "") if stood is not None else None
        return self._annotated.text(call.file, block, self._heading(call, result=result), call, notes, rare, at)

    def _heading(self, call: CallRow, *, result: bool = False) -> str:
        text = f"{self._places.path(call.file)}:{call.line or '?'} {call.name}"
        if not call.is_body:
            text += f"({arguments_text(without_self(call.args), _ARGUMENT_CHARS)})"
        text = one_line(f"{text} #{call.call_id}", _HEADING_CHARS)
        if not result:
            return text
        mark = "!!" if call.outcome == "raised" else "->"
        return f"{text} {mark} {one_line(result_text(call, _RESULT_CHARS), _RESULT_CHARS) or 'None'}"

    def _raised_in(self, exception: LoadedException, test: str) -> FunctionText | None:
        chain = exception.chain
        found = self._innermost_own(exception)
        if chain is None or found is None:
            return None
        call, line = found
        block = self._annotated.block(call.file, call.line, call.name)
        if block is None or (test and call.name.rpartition(".")[2] == test):
            return None
        raised_here = call is chain.innermost and exception.raised_in_traced_code()
        line = exception.row.line if raised_here else line
        notes = self._annotated.notes(call, block) or None
        told = ""
        if raised_here and not notes and line is not None:
            told = _variables(exception, call, self._lines.lines(call.file, [line]).get(line, ""))
        stood = Stood(line, told) if line is not None else None
        return self._annotated.text(call.file, block, self._heading(call), call, notes, stood=stood)

    def _innermost_own(self, exception: LoadedException | None) -> tuple[CallRow, int | None] | None:
        """Return the innermost call of own code that an exception left, and the line at which it left it."""
        if exception is None or exception.chain is None:
            return None
        chain = exception.chain
        stood_at = chain.stood_at(exception.row.stack_trace or "")
        for link in reversed(chain.links):
            call = chain.calls.get(link.call_id)
            if call is not None and self._is_own(call):
                return call, stood_at[link.call_id]
        return None

    def _is_own(self, call: CallRow) -> bool:
        is_own = self._places.origin(call.file, call.module) == "own"
        return is_own and not is_generated(call.module, call.name, call.file)

    def _explaining(self, test: CallRow, exception: LoadedException | None) -> list[ExplainingCall]:
        chain = exception.chain if exception is not None else None
        raising = self._innermost_own(exception)
        checking, line = test, exception.row.line if exception is not None else None
        is_check = exception is not None and exception.row.type == "AssertionError"
        shown: list[CallRow] = []
        if raising is not None and raising[0].call_id != test.call_id:
            shown = [raising[0]]
            # A check that the test shares with others.
            checking = raising[0]
            line = raising[1] if chain is not None and raising[0] is not chain.innermost else line
        checked = self._checked(checking, line) if is_check or not shown else None
        calls = choose_calls(self._reader, checked, test, self._spectrum, self._is_own, shown)
        found: list[ExplainingCall] = []
        for call in calls:
            rare = self._rare_lines(call)
            text = self._of_call(call, result=True, rare=rare)
            if text is None and (call is checked or rare):
                text = self._alone(call, rare)
            if text is not None:
                found.append(ExplainingCall(call, text))
        return found

    def _checked(self, test: CallRow, line: int | None) -> CallRow | None:
        """Return the own call whose result or effect the statement at a line of a test checked.

        It is the last one of that statement, or else of the last statement before it that names one of its variables:
        ``result = total(order)``, then ``assert result == 3``.
        """
        block = self._annotated.block(test.file, test.line, test.name)
        statement = block.statement_at(line) if block is not None and line is not None else None
        if block is None or statement is None:
            return None
        for each in itertools.islice(itertools.chain([statement], block.before(statement)), _MAX_STATEMENTS):
            made = calls_made_at(self._reader, test.call_id, each.first, each.last)
            calls = calls_by_id(self._reader, made)
            own = [call for call in map(calls.__getitem__, made) if self._is_own(call) and not _is_special(call)]
            if own:
                return own[-1]
        return None

    def _rare_lines(self, call: CallRow) -> set[int]:
        """Return the suspect lines of a function."""
        rare = self._spectrum.rare if self._spectrum is not None else {}
        block = self._annotated.block(call.file, call.line, call.name) if call.file in rare else None
        if block is None:
            return set()
        return {line for line in rare[call.file or ""] if block.first <= line <= block.last}

    def _alone(self, call: CallRow, rare: Collection[int]) -> FunctionText | None:
        """Return the source of a function whose lines were not recorded, most of it around the first suspect line."""
        block = self._annotated.block(call.file, call.line, call.name)
        if block is None:
            return None
        most_suspect = self._most_suspect_line(call) or min(rare, default=None)
        stood = Stood(most_suspect, "") if most_suspect is not None else None
        return self._annotated.text(call.file, block, self._heading(call, result=True), call, None, rare, stood)

    def _most_suspect_line(self, call: CallRow) -> int | None:
        if self._spectrum is None:
            return None
        for suspect in self._spectrum.suspects:
            function = suspect.function
            if (function.file, function.line, function.name) == (call.file, call.line, call.name):
                return suspect.lines[0]
        return None


def _line_left(call: CallRow, exception: LoadedException | None) -> int | None:
    """Return the line of a function at which an exception left it; None if that is not known."""
    if exception is None:
        return None
    if (exception.row.name, exception.row.file) == (call.name, call.file):
        return exception.row.line
    if exception.chain is None:
        return None
    return exception.chain.stood_at(exception.row.stack_trace or "").get(call.call_id)


def _is_special(call: CallRow) -> bool:
    """Return whether a function is one that the interpreter calls, such as __repr__ for the text of a failure."""
    name = call.name.rpartition(".")[2]
    return name.startswith("__") and name.endswith("__") and name != "__call__"


def _variables(exception: LoadedException, call: CallRow, source: str) -> str:
    """Write the variables of the raising frame, without arguments that the heading shows as they are.

    Args:
        exception: The exception.
        call: The call of the frame.
        source: The line at which it was raised: variables that it names come first.
    """
    shown = {name: cut_value(value, _VARIABLE_CHARS) for name, value in named_values(without_self(call.args))}
    named = set(_NAME.findall(source))
    variables = sorted(named_values(exception.row.locals), key=lambda each: each[0] not in named)
    left = _VARIABLES_CHARS
    parts: list[str] = []
    for name, value in variables:
        text = cut_value(value, _VARIABLE_CHARS)
        part = f"{name}={text}"
        if shown.get(name) == text or len(part) > left:
            continue
        left -= len(part) + 2
        parts.append(part)
    return ", ".join(parts)
