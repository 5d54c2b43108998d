"""Choose the calls under a failed test whose source most likely explains the failure.

The call whose wrong result the test checked comes first, then calls of the most suspect functions, then what the former
and the test itself called, level by level, the last calls first: a value is made nearer to its use than to the set-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from breadcrumb_server.answers.annotated.choice import choose_call
from breadcrumb_server.answers.annotated.moment import Moment
from breadcrumb_server.answers.suspects.ranking import Spectrum
from breadcrumb_storage.executed_lines import ExecutedFunction
from breadcrumb_storage.queries.calls.paths import call_paths, calls_made_at, calls_since
from breadcrumb_storage.queries.calls.records import CallFilter, CallRow, calls_by_id
from breadcrumb_storage.queries.functions import matching_functions
from breadcrumb_storage.queries.trace_reader import TraceReader

# Functions that are chosen, suspects among them, and calls that are looked at for their callees.
MAX_FUNCTIONS = 4
MAX_SUSPECTS = 3
MAX_VISITED = 24
# Calls of a test up to which all that it called may explain its failure.
MAX_CALLS_OF_TEST = 200
# Lines of every function.
_ALL_LINES = (0, 2**31 - 1)


def choose_calls(
    reader: TraceReader,
    checked: CallRow | None,
    test: CallRow,
    spectrum: Spectrum | None,
    is_own: Callable[[CallRow], bool],
    shown: Sequence[CallRow] = (),
) -> list[CallRow]:
    """Choose at most MAX_FUNCTIONS calls, each of another function.

    Args:
        reader: The trace.
        checked: The call whose result the test checked; None if there is none.
        test: The call of the test function.
        spectrum: The suspects; None if there are no tests to compare with.
        is_own: Whether a call is one of own code.
        shown: Calls of functions that are shown elsewhere.
    """
    chosen: dict[tuple[str | None, int | None, str], CallRow] = {}
    left_out = {_function(each) for each in (test, *shown)}
    for call in _candidates(reader, checked, test, spectrum, is_own):
        if _function(call) not in left_out:
            chosen.setdefault(_function(call), call)
        if len(chosen) == MAX_FUNCTIONS:
            break
    return list(chosen.values())


def _candidates(
    reader: TraceReader,
    checked: CallRow | None,
    test: CallRow,
    spectrum: Spectrum | None,
    is_own: Callable[[CallRow], bool],
) -> Iterator[CallRow]:
    if checked is not None:
        yield checked
    if spectrum is not None:
        moment = Moment.of(reader)
        for suspect in _most_suspect(spectrum):
            call = _call_of(reader, suspect, moment)
            if call is not None:
                yield call
    if checked is not None:
        yield from _called_by(reader, checked, is_own)
    has_suspects = spectrum is not None and bool(spectrum.suspects)
    # Of many calls, the last ones explain nothing in particular.
    if not has_suspects and calls_since(reader, test.call_id) <= MAX_CALLS_OF_TEST:
        yield from _called_by(reader, test, is_own)


def _most_suspect(spectrum: Spectrum) -> Sequence[ExecutedFunction]:
    """Return the functions whose lines the fewest passing tests executed; without any, those that none executed."""
    if not spectrum.suspects:
        return spectrum.only_failed[:MAX_SUSPECTS]
    fewest = spectrum.suspects[0].passed
    return [each.function for each in spectrum.suspects if each.passed == fewest][:MAX_SUSPECTS]


def _call_of(reader: TraceReader, function: ExecutedFunction, moment: Moment) -> CallRow | None:
    """Return the call of a function that most likely matters; None if none was recorded."""
    same = (function.file, function.line, function.name)
    known = [each for each in matching_functions(reader, function.name) if (each.file, each.line, each.name) == same]
    if not known:
        return None
    names = (f"{known[0].module}:{known[0].name}",)
    choice = choose_call(call_paths(reader, CallFilter(full_names=names)), moment)
    return None if choice is None else calls_by_id(reader, [choice.call.call_id]).get(choice.call.call_id)


def _called_by(reader: TraceReader, call: CallRow, is_own: Callable[[CallRow], bool]) -> Iterator[CallRow]:
    """Yield the own calls below a call, level by level, the last ones first, without bodies of comprehensions."""
    level = [call]
    visited = 0
    while level:
        below: list[CallRow] = []
        for parent in level:
            visited += 1
            if visited > MAX_VISITED:
                return
            ids = calls_made_at(reader, parent.call_id, *_ALL_LINES)
            rows = calls_by_id(reader, ids)
            below += [rows[number] for number in reversed(ids)]
        yield from (each for each in below if is_own(each) and not _is_nameless(each))
        level = below


def _is_nameless(call: CallRow) -> bool:
    return call.name.rpartition(".")[2].startswith("<")


def _function(call: CallRow) -> tuple[str | None, int | None, str]:
    return call.file, call.line, call.name
