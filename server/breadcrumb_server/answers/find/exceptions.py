"""Answer find(exception=...): where it was raised, with what, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import partial

from breadcrumb_server.answers.annotated.layout import size_of_text
from breadcrumb_server.answers.common.text import clean, counted, cut, one_line
from breadcrumb_server.answers.find.page import Page, Question
from breadcrumb_server.answers.find.timeline import Entry, series, write_page
from breadcrumb_server.answers.rendering.layout import arguments_text, without_self
from breadcrumb_storage.queries.calls.records import CallRow, calls_by_id
from breadcrumb_storage.queries.exceptions import exception_types
from breadcrumb_storage.queries.find.raises import Raise, first_new_raise, further_raises, raises, raises_by_id, retold

_NAME_CHARS = 120
_MAX_TYPES = 8
# Exceptions that one was turned into, which are told.
_MAX_RETOLD = 3

NEW_MARK = "  <- the first at a line where no passing test raises"


def exception_page(question: Question, exception: str) -> Page:
    """Write the history of exceptions.

    Raises:
        BreadcrumbError: Nothing is what the history is narrowed to.
    """
    reader = question.reader
    owner, notes = question.owner(has_objects=False)
    functions = None
    if owner is not None and owner.number is None:
        functions = list(dict.fromkeys((each.module, each.name) for each in owner.functions))
    pattern = owner.call_pattern if owner is not None else ""
    found, total = raises(reader, exception.strip(), functions, pattern)
    if not found:
        return _nothing(question, exception)
    new = first_new_raise(reader)
    groups = _groups(found, new.exception_id if new else None)
    start = question.start or 0
    page = groups[start : start + question.limit]
    origins = raises_by_id(
        reader, [number for group in page for number in (group[0].cause_id, group[0].context_id) if number is not None]
    )
    followers: dict[int, list[Raise]] = {}
    for each in retold(reader, [row.exception_id for group in page for row in group]):
        origin = each.cause_id if each.cause_id is not None else each.context_id
        if origin is not None:
            followers.setdefault(origin, []).append(each)
    calls = calls_by_id(reader, [row.call_id for group in page for row in (group[0], group[-1]) if row.call_id])
    entries = [
        Entry(partial(_text, question, group, calls, origins, followers, new.exception_id if new else None), len(group))
        for group in page
    ]
    further = further_raises(reader, list(dict.fromkeys(each.type for each in found)))
    places = len({(each.file, each.line) for each in found})
    head = f"{cut(clean(exception), 100)}: {counted(total, 'raise')} at {counted(places, 'place')}"
    if further:
        head += f", and {further:,} of equal ones that were only counted"
    if new is not None and all(row.exception_id != new.exception_id for group in page for row in group):
        place = f"{question.places.path(new.file)}:{new.line or '?'}"
        head += f"; the first exception at a line where no passing test raises is {new.type} at {place}"
    if total > len(found):
        notes.append(f"only the first {len(found):,} are in this history; of= narrows")
    room = question.chars - sum(size_of_text(each) for each in [head, *notes])
    written = write_page(entries, 0, question.limit, room)
    end = start + written.end
    if end < len(groups):
        notes.append(f"{counted(len(groups) - end, 'later entry')} left out: next_cursor continues")
    return Page(f"{head}\n{written.text}", end if end < len(groups) else None, notes)


def _groups(found: Sequence[Raise], new: int | None) -> list[list[Raise]]:
    """Fold neighbours of one type, from one line, with the same end."""
    groups: list[list[Raise]] = []
    for each in found:
        if (
            groups
            and _kind(groups[-1][-1]) == _kind(each)
            and new not in (each.exception_id, groups[-1][-1].exception_id)
        ):
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _kind(row: Raise) -> tuple[object, ...]:
    return (row.type, row.file, row.line, row.name, row.uncaught, row.handled, row.handled_by)


def _text(
    question: Question,
    group: Sequence[Raise],
    calls: Mapping[int, CallRow],
    origins: Mapping[int, Raise],
    followers: Mapping[int, Sequence[Raise]],
    new: int | None,
    chars: int,
) -> str:
    first, last = group[0], group[-1]
    path = question.places.path
    ids = ""
    if first.call_id is not None:
        ids = f"#{first.call_id}" + (f"…#{last.call_id}" if last.call_id not in (first.call_id, None) else "") + " "
    times = f"x{len(group)} " if len(group) > 1 else ""
    place = one_line(f"{first.name} {path(first.file)}:{first.line or '?'}", 2 * _NAME_CHARS)
    messages = series([cut(clean(" ".join(each.message.split())), chars) for each in group])
    text = f"{ids}{times}{place} !! {one_line(first.type, _NAME_CHARS)}: {messages}".removesuffix(": ")
    call = calls.get(first.call_id or 0)
    if call is not None and not call.is_body:
        inside = "" if (call.name, call.file) == (first.name, first.file) else f" in {one_line(call.name, _NAME_CHARS)}"
        args = arguments_text(without_self(call.args), 2 * chars)
        text += f"{inside} with {args}" if args else inside
    origin = origins.get((first.cause_id if first.cause_id is not None else first.context_id) or 0)
    if origin is not None:
        how = "raised from" if first.cause_id is not None else "while handling"
        text += f"; {how} {one_line(origin.type, _NAME_CHARS)} of {path(origin.file)}:{origin.line or '?'}"
    text += f"; {_end(question, group)}"
    then = [follower for each in group for follower in followers.get(each.exception_id, ())]
    for each in {(row.type, row.file, row.line): row for row in reversed(then)}.values():
        how = "raised again as" if each.cause_id is not None else "while it was handled came"
        text += f"; {how} {one_line(each.type, _NAME_CHARS)} at {path(each.file)}:{each.line or '?'}"
    return text + (NEW_MARK if any(each.exception_id == new for each in group) else "")


def _end(question: Question, group: Sequence[Raise]) -> str:
    row = group[0]
    if row.uncaught:
        return "nobody handled it"
    if row.handled_by:
        module, name, line = (
            row.handled_by.rsplit(":", 2) if row.handled_by.count(":") == 2 else (row.handled_by, "", "")
        )
        file = next((each.file for each in question.functions if (each.module, each.name) == (module, name)), None)
        where = f"{name} {question.places.path(file)}:{line}" if file else row.handled_by
        return one_line(f"handled by {where}" + (", which expects it" if row.expected else ""), 2 * _NAME_CHARS)
    if row.handled:
        return (
            "expected outside of the traced code"
            if row.expected
            else "left the traced code; who handled it is not known"
        )
    return "not known to have been handled"


def _nothing(question: Question, exception: str) -> Page:
    types = exception_types(question.reader.con, question.reader.trace_id, None)
    of = f" of {question.of}" if question.of else ""
    if not types:
        return Page(f"{cut(clean(exception), 80)}: no exception was recorded in this trace.")
    short = {each.rpartition(".")[2].lower(): each for each in types}
    near = [short[each] for each in get_close_matches(exception.rpartition(".")[2].lower(), [*short], 3, 0.6)]
    named = ", ".join(one_line(each, 60) for each in types[:_MAX_TYPES]) + (", …" if len(types) > _MAX_TYPES else "")
    nearest = f" The nearest: {', '.join(near)}." if near else ""
    return Page(
        f"{cut(clean(exception), 80)}{of}: no exception has it in its type or message.{nearest} Recorded were: {named}."
    )
