"""Build the answer of show: the source of functions, with what each line did at one well chosen call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.annotated.choice import Choice, choose_call
from breadcrumb_server.answers.annotated.functions import AnnotatedFunctions
from breadcrumb_server.answers.annotated.layout import Style, size_of_text
from breadcrumb_server.answers.annotated.line_notes import LineNote
from breadcrumb_server.answers.annotated.moment import Moment
from breadcrumb_server.answers.annotated.source_block import SourceBlock
from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, first_that_fits, shares, squeeze
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.model import Answer
from breadcrumb_server.answers.common.parsed_json import parsed_object
from breadcrumb_server.answers.common.text import counted, one_line, without_counts
from breadcrumb_server.answers.conditions.where import parse_where
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_server.answers.rendering.calls import end_text
from breadcrumb_server.answers.rendering.layout import arguments_text, without_equal, without_self
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_server.answers.show.regions import Region, Regions
from breadcrumb_server.answers.show.targets import Target, TargetFinder
from breadcrumb_server.answers.suspects.text import rare_lines_by_file
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.calls.paths import call_paths
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.trace_reader import TraceReader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of this answer."""

    functions: int = 8
    """Functions of one question."""
    chars: int = 4_200
    """Characters of the text, where one function is asked for: what is cut is read again from the file."""
    further_chars: int = 1_000
    """Characters more for each further function."""
    unrecorded: int = 12
    """Functions of classes and files whose lines are recorded by the next run."""
    least_chars: int = 400
    """Fewest characters that may be asked for."""
    heading_chars: int = 150
    """Characters of the arguments and of the result in a heading."""
    heading_part: int = 6
    """The part of the room of a function that its arguments may take in the heading, and its result."""
    callers: int = 3
    """Calls that led to the shown one."""
    callers_chars: int = 90
    """Characters of their names, beyond the first."""
    calls_part: int = 10
    """The part of the room that the list of other calls may take."""
    others: int = 2
    """Other calls that are listed."""
    other_chars: int = 60
    """Characters of each."""
    short_lines: int = 12
    """Lines of a function up to which one other call is listed."""
    around_chars: int = 300
    """Characters of the answer around the text."""


LIMITS = Limits()


class Shown(Answer):
    """The source of functions with what each line did at one call of each.

    Of a statement, which stands on one line where it can, with the number of its first line: x3 if it ran three times,
    * if few passing tests executed it, - if it did not run (the first of a block), its source, indented by one blank
    for each level, and after the # what it changed, the values that a condition compared, the results of the calls it
    made, and after !! the exception that it received. Comments for linters and type checkers are left out.
    """

    always_shown = frozenset({"trace_id", "text"})

    trace_id: str
    text: str = Field(description="the functions, one after the other")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A function with all that is needed to write it."""

    target: Target
    block: SourceBlock | None
    notes: Mapping[int, LineNote] | None
    call: CallRow | None
    callers: Sequence[CallRow]  # the nearest first
    choice: Choice | None
    other_calls: Mapping[int, CallRow]
    suspect: Set[int] | None  # None: there are no tests to compare

    @property
    def lines(self) -> int:
        """Return the number of its lines; 0 if they are not known."""
        return self.block.last - self.block.first + 1 if self.block is not None else 0

    @property
    def defaults(self) -> Mapping[str, object]:
        """Return the constants that its arguments have if they are not given."""
        return self.block.defaults if self.block is not None else {}


def show(
    con: DuckDBPyConnection,
    project: str,
    *,
    what: Sequence[str],
    where: Mapping[str, Any] | None = None,
    call_id: int | None = None,
    trace_id: str | None = None,
    chars: int | None = None,
    redact: Sequence[str] = (),
) -> tuple[Shown, list[str]]:
    """Show functions with what their lines did.

    Args:
        con: The database of the project.
        project: Name of the project.
        what: Names of functions, as in get_calls, or of classes; places such as shop/pricing.py:31; lines of a file,
            as shop/pricing.py:31-60; files; words with ``|`` between them, or any other name, for the lines that
            mention one of them.
        where: Conditions for the calls to choose from, as in get_calls.
        call_id: The call to show, of the function that it belongs to.
        trace_id: Id of the trace, or an unambiguous part of it; None for the newest.
        chars: Maximum characters of the text; None for more, the more is asked for.
        redact: The project's patterns of secret names, for the source.

    Returns:
        The answer, and the names of the functions that have calls without recorded lines.

    Raises:
        BreadcrumbError: The trace or the call is unknown, a condition is wrong, or nothing was asked for.
    """
    chars = _check(what, chars, call_id)
    reader = TraceReader.open(con, trace_id, project)
    source = SourceText(reader, Redactor(redact))
    places = Places.of(reader.trace)
    functions = AnnotatedFunctions(reader, source)
    finder = TargetFinder(reader, functions, places)
    moment = Moment.of(reader)
    suspect = rare_lines_by_file(reader)
    regions = Regions(reader, functions, places, moment, suspect)
    texts: list[str] = []
    loaded: list[_Loaded | Region] = []
    for each in dict.fromkeys(what):
        target = finder.find(each)
        if isinstance(target, Region) and call_id is not None:
            target = _function_in(reader, functions, target, call_id, each)
        if isinstance(target, str):
            texts.append(target)
        elif isinstance(target, Region):
            loaded.append(target)
        else:
            loaded.append(_load(reader, target, functions, moment, where, call_id, suspect))

    def write(each: _Loaded | Region, chars: int) -> str:
        if isinstance(each, Region):
            return regions.write(each, chars)
        return _write(each, functions, places, chars, Style.BESIDE if len(loaded) > 1 else Style.ALONE)

    room = chars - sum(map(size_of_text, texts))
    whole = [write(each, room) for each in loaded]
    sizes = list(map(size_of_text, whole))
    written = [
        text if size <= share else write(each, share)
        for each, text, size, share in zip(loaded, whole, sizes, shares(sizes, room), strict=True)
    ]
    without_lines = [
        each.target.full_name
        for each in loaded
        if not isinstance(each, Region) and each.call is not None and each.notes is None and each.block is not None
    ]
    text = "\n\n".join([*written, *texts])
    answer = Shown(project=project, trace_id=reader.trace_id, text=text, notes=source.notes(places.path))
    return squeeze(answer), list(dict.fromkeys([*without_lines, *regions.unrecorded[: LIMITS.unrecorded]]))


def _check(what: Sequence[str], chars: int | None, call_id: int | None) -> int:
    if not what or not all(each.strip() for each in what):
        raise BreadcrumbError("what is empty.", hint='Name functions: what=["Cart.total", "shop/pricing.py:31"].')
    if len(set(what)) > LIMITS.functions:
        raise BreadcrumbError(f"what names {len(set(what))} functions; at most {LIMITS.functions} are shown at once.")
    if call_id is not None and len(set(what)) > 1:
        raise BreadcrumbError(
            f"call_id={call_id} is one call, and what names {len(set(what))} functions.",
            hint="Name the function of the call alone, or leave call_id out.",
        )
    if chars is None:
        chars = LIMITS.chars + LIMITS.further_chars * (len(set(what)) - 1)
    if chars < LIMITS.least_chars:
        raise BreadcrumbError(f"chars must be at least {LIMITS.least_chars}, not {chars}.")
    return min(chars, MAX_ANSWER_CHARS - LIMITS.around_chars)


def _function_in(reader: TraceReader, functions: AnnotatedFunctions, region: Region, call_id: int, what: str) -> Target:
    """Return the function of a call that has lines of a region."""
    call = calls_by_id(reader, [call_id]).get(call_id)
    asked = call is not None and call.file == region.file and region.is_range
    block = functions.block(call.file, call.line, call.name) if call is not None and asked else None
    if call is None or block is None or block.last < region.first or block.first > region.last:
        raise BreadcrumbError(
            f"call_id={call_id} is one call, and {what} is no function.",
            hint="Name the function of the call alone, or leave call_id out.",
        )
    return Target(call.module, call.name, call.file, call.line, traced=True)


def _load(
    reader: TraceReader,
    target: Target,
    functions: AnnotatedFunctions,
    moment: Moment,
    where: Mapping[str, Any] | None,
    call_id: int | None,
    suspect: Mapping[str, Set[int]] | None,
) -> _Loaded:
    block = functions.block(target.file, target.line, target.name)
    nothing = _Loaded(target, block, None, None, (), None, {}, None)
    of_file = (suspect or {}).get(target.file or "", frozenset[int]())
    if not target.traced:
        return nothing
    wanted = parse_where(where, target.full_name)
    calls = call_paths(reader, wanted)
    choice = choose_call(calls, moment, call_id, of_file)
    if choice is None:
        if call_id is not None:
            raise BreadcrumbError(
                f"Call {call_id} is none of {target.full_name}.",
                why="Call ids belong to one trace; this one has other calls of the function."
                if calls
                else "The function has no recorded call in this trace.",
                hint="Leave call_id out to see the call that most likely matters.",
            )
        return nothing
    listed = [each.call_id for each in choice.others(LIMITS.others)]
    found = calls_by_id(reader, [choice.call.call_id, *listed])
    call = found[choice.call.call_id]
    notes = functions.notes(call, block) if choice.call.lines is not None else None
    return _Loaded(
        target,
        block,
        notes,
        call,
        _callers(reader, call),
        choice,
        {each: found[each] for each in listed},
        None if suspect is None else of_file,
    )


def _callers(reader: TraceReader, call: CallRow) -> list[CallRow]:
    """Return the calls that led to a call, the nearest first."""
    found: list[CallRow] = []
    while (parent := (found[-1] if found else call).parent_call_id) is not None and len(found) < LIMITS.callers:
        caller = calls_by_id(reader, [parent]).get(parent)
        if caller is None or (found and caller.is_body):
            break
        found.append(caller)
    return found


def _write(loaded: _Loaded, functions: AnnotatedFunctions, places: Places, chars: int, style: Style) -> str:
    target, call = loaded.target, loaded.call
    heading = one_line(f"{target.name} {places.path(target.file)}:{target.line or '?'}", 200)
    mentions = Mentions()
    if call is not None:
        room = min(chars // LIMITS.heading_part, LIMITS.heading_chars // (1 if style is Style.ALONE else 2))
        heading += " " + _call_text(call, loaded.callers, room, mentions, loaded.defaults)
    below = ""
    if style is Style.ALONE:
        others = LIMITS.others if loaded.lines > LIMITS.short_lines else 1
        below = _calls_text(loaded, chars // LIMITS.calls_part, mentions, others)
    elif loaded.choice is not None:
        heading += _calls_in_short(loaded.choice)
    if target.note:
        heading += f"  ({target.note})"
    if loaded.block is None:
        return heading + ("\n" + below if below else "")
    rare = loaded.suspect
    if rare is None:
        rare = loaded.choice.rare_lines() if loaded.choice is not None else frozenset[int]()
    text = functions.text(target.file, loaded.block, heading, call, loaded.notes, rare, mentions=mentions)
    shown = text.fit(chars - size_of_text(below) if below else chars, style)
    return f"{shown}\n{below}" if below else shown


def _call_text(
    call: CallRow, callers: Sequence[CallRow], chars: int, mentions: Mentions, defaults: Mapping[str, object]
) -> str:
    given = without_equal(call.args, defaults)
    args = "" if call.is_body else f": {arguments_text(given, chars, mentions)}".rstrip(": ")
    return without_counts(f"#{call.call_id}{_callers_text(call, callers)}{args} {end_text(call, chars, mentions)}")


def _callers_text(call: CallRow, callers: Sequence[CallRow]) -> str:
    """Write the calls that led to a call, the nearest first, each with the line at which it stood."""
    text, inner = "", call
    for caller in callers:
        added = f" from {one_line(caller.name, 80)}" + (f":{inner.call_line}" if inner.call_line else "")
        if text and len(text) + len(added) > LIMITS.callers_chars:
            break
        text, inner = text + added, caller
    return text


def _calls_in_short(choice: Choice) -> str:
    """Say how many calls a function has, and name one of each other path."""
    if len(choice.calls) < 2:
        return ""
    others = [
        f"#{each.call_id} {choice.letter(each)}" for each in choice.others(min(len(choice.letters) - 1, LIMITS.others))
    ]
    paths = f" on {len(choice.letters)} paths, this on {choice.letter(choice.call)}; {', '.join(others)}"
    return f"  ({counted(len(choice.calls), 'call')}{paths if choice.letters else ''})"


def _calls_text(loaded: _Loaded, chars: int, mentions: Mentions, others: int) -> str:
    """Write the other calls of a function: their number, their paths, and as many of them as fit and are wanted."""
    choice = loaded.choice
    if choice is None or len(choice.calls) < 2:
        return ""
    head = f"{counted(len(choice.calls), 'call')}"
    if choice.letters:
        head += f" on {len(choice.letters)} paths, this one on {choice.letter(choice.call)}"
    candidates = (
        "\n".join([f"{head}; others:", *_other_calls(loaded, choice, n, mentions.copy())]) for n in range(others, 0, -1)
    )
    return first_that_fits(candidates, chars, size=size_of_text) or head


def _other_calls(loaded: _Loaded, choice: Choice, count: int, mentions: Mentions) -> list[str]:
    """Write other calls, of each the arguments that are not those of the call that is shown."""
    shown = parsed_object(loaded.call.args) if loaded.call is not None else {}
    lines: list[str] = []
    for each in choice.others(count):
        row = loaded.other_calls.get(each.call_id)
        if row is None:
            continue
        letter = f" {choice.letter(each)}" if choice.letter(each) else ""
        differing = without_equal(without_self(row.args), shown)
        args = "" if row.is_body else f" {arguments_text(differing, LIMITS.other_chars, mentions)}".rstrip()
        lines.append(one_line(f"#{row.call_id}{letter}{args} {end_text(row, 40, mentions)}", LIMITS.other_chars + 60))
    return lines
