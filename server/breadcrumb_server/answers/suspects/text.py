"""Write the suspect lines of a trace as text: one row a function, with its counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.text import clean, counted, ellipsized, one_line
from breadcrumb_server.answers.suspects.ranking import Spectrum, Suspect, spectrum
from breadcrumb_server.workspace.changed_lines import changed_lines

if TYPE_CHECKING:
    from breadcrumb_server.answers.rendering.calls import LineSource
    from breadcrumb_storage.executed_lines import ExecutedFunction
    from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the suspects in an answer."""

    rows: int = 6
    """Functions with suspect lines."""
    rows_with_source: int = 3
    """Those that have a row of their own, with a source line. The others follow in one row."""
    chars: int = 700
    """Characters of all rows."""
    place_chars: int = 70
    """Characters of the name and place of a function."""
    aligned_chars: int = 44
    """Characters of names and places behind which the source lines are aligned."""
    source_chars: int = 60
    """Characters of a source line, the ellipsis of a cut one included."""
    only_failed: int = 5
    """Functions that only the failed tests executed."""
    only_failed_beside: int = 2
    """The same, where suspect lines are named: the feature that the failed test is about is seldom the fault."""


LIMITS = Limits()


def suspect_lines(reader: TraceReader, found: Spectrum | None, places: Places, source: LineSource) -> list[str]:
    """Render the lines that failed tests executed before they failed and few of the passing tests of their files did.

    Args:
        reader: The trace.
        found: Its spectrum; None if there is nothing to compare.
        places: Shortens paths.
        source: The text of the lines.

    Returns:
        The lines of a text, the first of which says what they are; none if there is nothing to compare, or no such
        line.
    """
    if found is None or not (found.suspects or found.only_failed):
        return []
    changed = _changed_lines(reader, found)
    return list(_write(found, places, source, changed))


def rare_lines_by_file(reader: TraceReader) -> dict[str, set[int]] | None:
    """Return the lines that failed tests executed and few passing tests did, by file.

    Lines of functions that no passing test executed are left out: there it would be every line.

    Returns:
        None if there are no tests to compare.
    """
    found = spectrum(reader)
    return None if found is None else found.rare


def _changed_lines(reader: TraceReader, found: Spectrum) -> Mapping[str, set[int]]:
    workspace = reader.trace.config.get("workspace")
    if not isinstance(workspace, str):
        return {}
    files = {each.function.file for each in found.suspects[: LIMITS.rows]}
    files |= {each.file for each in found.only_failed[: LIMITS.only_failed]}
    return changed_lines(Path(workspace), sorted(files))


def _write(found: Spectrum, places: Places, source: LineSource, changed: Mapping[str, set[int]]) -> Iterator[str]:
    yield _heading(found)
    left = LIMITS.chars
    shown = found.suspects[: LIMITS.rows]
    heads = [_place(each, places, changed) for each in shown]
    with_source = heads[: LIMITS.rows_with_source]
    width = min(max(map(len, with_source), default=0), LIMITS.aligned_chars)
    digits = max((len(str(each.passed)) for each in shown[: LIMITS.rows_with_source]), default=1)
    for each, head in zip(shown, with_source, strict=False):
        text = source.lines(each.function.file, each.lines[:1]).get(each.lines[0], "")
        text = ellipsized(" ".join(clean(text).split()), LIMITS.source_chars)
        row = f"  {each.passed:>{digits}}  {head:<{width}}  {text}".rstrip()
        left -= len(row)
        yield row
    others = zip(shown[len(with_source) :], heads[len(with_source) :], strict=True)
    row = "  then " + ", ".join(f"{each.passed} {head}" for each, head in others)
    if len(shown) > len(with_source):
        left -= len(row)
        yield row
    if found.only_failed:
        who = "it" if found.failed == 1 or found.of_program else "they"
        most = LIMITS.only_failed_beside if len(shown) > 1 else LIMITS.only_failed
        functions = _functions_text(found.only_failed, places, changed, max(left, 150), most)
        yield f"  functions only {who} ran: {functions}"


def _heading(found: Spectrum) -> str:
    if found.of_program:
        earlier = "the earlier run" if found.passed == 1 else f"few of the {found.passed} earlier runs"
        return f"lines this run executed and {earlier} that ended well did{' not' if found.passed == 1 else ''}"
    which = "this test" if found.failed == 1 else f"these {found.failed} tests"
    file = "its file" if found.failed == 1 else "their files"
    return f"lines {which} ran and few of the {counted(found.passed, 'passing test')} of {file} did"


def _place(suspect: Suspect, places: Places, changed: Mapping[str, set[int]]) -> str:
    first, last = suspect.lines[0], suspect.lines[-1]
    lines = str(first) if first == last else f"{first}-{last}"
    path = places.path(suspect.function.file)
    is_changed = not changed.get(suspect.function.file, set()).isdisjoint(range(first, last + 1))
    mark = " changed" if is_changed else ""
    return one_line(f"{suspect.function.name} {path}:{lines}{mark}", LIMITS.place_chars)


def _functions_text(
    functions: Sequence[ExecutedFunction], places: Places, changed: Mapping[str, set[int]], chars: int, count: int
) -> str:
    texts: list[str] = []
    for each in functions[:count]:
        mark = " changed" if each.line in changed.get(each.file, ()) else ""
        text = one_line(f"{each.name} {places.path(each.file)}:{each.line}{mark}", LIMITS.place_chars)
        chars -= len(text) + 2
        if texts and chars < 0:
            break
        texts.append(text)
    left = len(functions) - len(texts)
    return ", ".join(texts) + (f" and {left} more" if left else "")
