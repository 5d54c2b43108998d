"""Answer find(value=...): where a value appeared first, and where it went."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from breadcrumb_server.answers.annotated.layout import size_of_text
from breadcrumb_server.answers.common.parsed_json import parsed_object
from breadcrumb_server.answers.common.text import clean, counted, cut, one_line
from breadcrumb_server.answers.find.page import Page, Question
from breadcrumb_server.answers.find.places_in_values import ValuePlace, parsed, places_in, places_of_variables
from breadcrumb_server.answers.find.timeline import Entry, write_page
from breadcrumb_server.answers.rendering.layout import value_text
from breadcrumb_server.answers.rendering.texts_in_values import excerpt, spellings
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.find.values import MAX_LINES, ValueLine, lines_with_text
from breadcrumb_storage.queries.search import ExceptionHit, Hit, TextHits, YieldHit, word_pattern

# Calls that one page is made of. Equal ones are folded, so a page may tell many.
_CALLS = 200
# Characters of a value that are searched for excerpts.
_READ_CHARS = 1_000_000
_SOURCE_CHARS = 90
_NAME_CHARS = 120


@dataclass(frozen=True, slots=True)
class _Event:
    """One place at which the value was."""

    at_ns: int
    call_id: int
    where: str  # function file:line
    what: str  # argument, returned, yielded, raised, or the line of the source
    name: str  # what has it: amount=, or ""
    value: str  # rendered
    within: str = ""  # the container that holds it: Rates._cached['tea']
    by: str = ""  # the caller
    hit: int = 0  # the number of calls with the value up to this one


def value_page(question: Question, value: str | float) -> Page:
    """Write where a value was.

    Raises:
        BreadcrumbError: Nothing is what the history is narrowed to.
    """
    text = value if isinstance(value, str) else json.dumps(value)
    reader = question.reader
    owner, notes = question.owner(has_objects=False)
    forms = spellings(text)
    hits = TextHits(reader, text, forms)
    functions = owner.function_keys if owner is not None else None
    call_pattern = owner.call_pattern if owner is not None else ""
    if owner is not None:
        hits.narrow(functions, call_pattern)
    words = word_pattern(forms)
    lines, line_count = lines_with_text(
        reader, forms, words if hits.words or not hits.total else "", functions, call_pattern
    )
    if not lines and not hits.total and words:
        lines, line_count = lines_with_text(reader, forms, "", functions, call_pattern)
    if not hits.total and not lines:
        return _nothing(question, text, hits.exceptions_elsewhere())
    start = question.start or 0
    shown = hits.page(start, _CALLS)
    before = hits.page(start - 1, 1) if start else []
    is_last = start + len(shown) >= hits.total
    window = [
        each
        for each in lines
        if (not before or each.at_ns > before[0].seen_ns) and (is_last or each.at_ns <= shown[-1].seen_ns)
    ]
    texts = [text, *forms, repr(text)[1:-1]]  # repr: answers show values in Python's notation
    pattern = re.compile((words if hits.words else "") or "|".join(map(re.escape, texts)))
    events = sorted(
        [*_call_events(question, hits, shown, start, pattern), *_line_events(question, window, pattern)],
        key=lambda each: each.at_ns,
    )
    entries, ends = _entries(events, start, pattern)
    counts = [counted(hits.total, "call")] if hits.total else []
    counts += [counted(line_count, "executed line")] if line_count else []
    head = f"{cut(clean(text), 120)!r} is in {' and '.join(counts)}"
    if hits.within_longer:
        notes.append(f"{counted(hits.within_longer, 'more call')} with it only in longer words or numbers")
    if elsewhere := hits.exceptions_elsewhere():
        notes.append(f"{counted(elsewhere, 'exception')} with it, raised outside of recorded calls: find_exceptions")
    if line_count > MAX_LINES:
        notes.append(f"of the lines only the first {MAX_LINES:,} are in this history; of= narrows")
    functions_text = _functions_text(hits) if start + _CALLS < hits.total else ""
    room = question.chars - sum(size_of_text(each) for each in [head, functions_text, *notes])
    written = write_page(entries, 0, question.limit, room)
    # A page may end between two calls only, since the next one begins with a call.
    end = ends[written.end - 1] if written.end else start
    if written.end == len(entries):
        end = start + len(shown)
    next_at = end if end < hits.total and end > start else None
    if written.end < len(entries) and next_at is None:
        notes.append(f"{counted(len(entries) - written.end, 'later entry')} left out: a higher limit or of= shows them")
    if next_at is not None:
        head += functions_text
        notes.append(f"{counted(hits.total - end, 'later call')} left out: next_cursor continues")
    first = "first: " if not start else ""
    return Page(f"{head}\n{first}{written.text}", next_at, notes)


def _call_events(
    question: Question, hits: TextHits, shown: Sequence[Hit], start: int, pattern: re.Pattern[str]
) -> Iterator[_Event]:
    reader = question.reader
    calls = calls_by_id(reader, [each.call_id for each in shown])
    parents = calls_by_id(reader, [each.parent_call_id for each in calls.values() if each.parent_call_id])
    exceptions, yields = hits.exceptions([*calls]), hits.yields([*calls])
    for number, hit in enumerate(shown, start + 1):
        call = calls.get(hit.call_id)
        if call is None:
            continue
        parent = parents.get(call.parent_call_id or 0)
        by = ""
        if parent is not None:
            by = f" from {one_line(parent.name, _NAME_CHARS)}" + (f":{call.call_line}" if call.call_line else "")
        where = one_line(f"{call.name} {question.places.path(call.file)}:{call.line or '?'}", 2 * _NAME_CHARS)
        for at_ns, what, name, place in _places(
            call, hit, yields.get(call.call_id, ()), exceptions.get(call.call_id), pattern
        ):
            caller = by if what == "argument" else ""
            yield _Event(at_ns, call.call_id, where, what, name, place.text, place.within, caller, number)


def _places(
    call: CallRow, hit: Hit, yields: Sequence[YieldHit], raised: ExceptionHit | None, pattern: re.Pattern[str]
) -> Iterator[tuple[int, str, str, ValuePlace]]:
    """Return (time, what, name, place) of each place of the value in a call."""
    ended_ns = call.started_ns + (call.duration_ns or 0)
    found: list[tuple[int, str, str, ValuePlace]] = []
    for place in places_of_variables(parsed_object(call.args), pattern):
        found.append((call.started_ns, "argument", f"{place.path}=", place))
    for each in yields:
        for place in places_in(parsed(each.value), pattern)[:1]:
            found.append((max(hit.seen_ns, call.started_ns), f"yielded[{each.position}]", _named(place), place))
    if call.return_value is not None:
        for place in places_in(parsed(call.return_value), pattern):
            found.append((ended_ns, "returned", _named(place), place))
    message = clean(call.exception_message or "")
    if call.exception_type is not None and pattern.search(message):
        found.append((ended_ns, "raised", f"{call.exception_type}: ", ValuePlace("", "", message)))
    if raised is not None:
        message = clean(raised.message or "")
        if call.exception_type is None and pattern.search(message):
            found.append((ended_ns, "handled", f"{raised.type}: ", ValuePlace("", "", message)))
        for place in places_of_variables(parsed_object(raised.locals), pattern):
            found.append((ended_ns, f"at the raise of {raised.type}", f"{place.path}=", place))
    if not found:  # the text matches the stored form of a value and not its notation
        stored = value_text(call.args, _READ_CHARS)
        found.append((hit.seen_ns, "has it in its values:", "", ValuePlace("", "", stored)))
    yield from found


def _named(place: ValuePlace) -> str:
    return f"{place.path}=" if place.path else ""


def _line_events(question: Question, lines: Sequence[ValueLine], pattern: re.Pattern[str]) -> Iterator[_Event]:
    for each in lines:
        key = (each.process_id, each.function_id)
        for place in places_of_variables(parsed_object(each.changes), pattern):
            source = question.text.source(key, each.line, _SOURCE_CHARS) if each.line is not None else ""
            what = f" {source}  #" if source else "set" if each.line is not None else "from outside"
            where = question.text.place(key, each.line)
            yield _Event(each.at_ns, each.call_id, where, what, f"{place.path}=", place.text, place.within)


def _entries(events: Sequence[_Event], start: int, pattern: re.Pattern[str]) -> tuple[list[Entry], list[int]]:
    """Fold what is alike, and return with each entry the number of calls told after it.

    Neighbours are folded, and what a container holds already, whoever is given the container.
    """
    groups: list[list[_Event]] = []
    holders: dict[tuple[str, str], list[_Event]] = {}  # by container and value, its later events
    ends: list[int] = []
    told = start
    for event in events:
        told = max(told, event.hit)
        held = (event.within, event.value)
        if event.within and held in holders:
            holders[held].append(event)
            if ends:
                ends[-1] = told
            continue
        if groups and _alike(groups[-1][-1], event):
            groups[-1].append(event)
            ends[-1] = told
        else:
            groups.append([event])
            ends.append(told)
        if event.within:
            holders[held] = []
    entries = [
        Entry(partial(_text, group, holders.get((group[0].within, group[0].value), ()), pattern), len(group))
        for group in groups
    ]
    return entries, ends


def _alike(one: _Event, other: _Event) -> bool:
    return (one.where, one.what, one.name) == (other.where, other.what, other.name)


def _text(group: Sequence[_Event], later: Sequence[_Event], pattern: re.Pattern[str], chars: int) -> str:
    first, last = group[0], group[-1]
    ids = f"#{first.call_id}" if first.call_id == last.call_id else f"#{first.call_id}…#{last.call_id}"
    times = f" x{len(group)}" if len(group) > 1 else ""
    what = f"{first.what} " if first.what else ""
    value = excerpt(first.value, pattern, chars)
    callers = {each.by for each in group}
    by = first.by if len(callers) == 1 else ""
    held = ""
    if later:
        until = later[-1]
        held = (
            f" ({first.within} is in {counted(len(later), 'later value')}, the last in #{until.call_id} {until.where})"
        )
    return clean(f"{ids}{times} {first.where}{by} {what}{first.name}{value}{held}")


def _functions_text(hits: TextHits) -> str:
    functions, count = hits.functions()
    if not functions:
        return ""
    names = ", ".join(one_line(each.full_name, _NAME_CHARS) for each in functions[:4])
    return f" of {counted(count, 'function')}, in the order of first appearance: {names}" + (", …" if count > 4 else "")


def _nothing(question: Question, text: str, elsewhere: int) -> Page:
    of = f" of {question.of}" if question.of else ""
    also = f" {counted(elsewhere, 'exception')} outside of recorded calls has it: find_exceptions." if elsewhere else ""
    return Page(
        f"No recorded call or line{of} has {cut(clean(text), 80)!r}.{also} Long values are cut when they are recorded "
        "(capture.max_value_chars), secrets are redacted, and code that is not included is not seen (find_gaps)."
    )
