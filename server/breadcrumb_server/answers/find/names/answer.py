"""Answer find(name=...): read what has to do with the name, and write its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from breadcrumb_server.answers.annotated.layout import size_of_text
from breadcrumb_server.answers.common.text import counted
from breadcrumb_server.answers.find.identity import Identity
from breadcrumb_server.answers.find.names.events import NameEvents, variables_read
from breadcrumb_server.answers.find.names.history import NameHistory
from breadcrumb_server.answers.find.names.unrecorded import SourceMentions, near_names, unread_note
from breadcrumb_server.answers.find.names.wanted_name import WantedName
from breadcrumb_server.answers.find.owners import Owner, unknown_owner
from breadcrumb_server.answers.find.page import Page, Question
from breadcrumb_server.answers.find.timeline import write_around, write_page
from breadcrumb_storage.queries.find.functions import argument_names, functions_with_lines
from breadcrumb_storage.queries.find.names import named_calls, named_lines, outer_variables, values_at

# Lines on functions without recorded lines, below a history and instead of one.
_FEW, _MANY = 3, 12


def name_page(question: Question, name: str) -> Page:
    """Write the history of a name.

    Raises:
        BreadcrumbError: It is no name, or nothing is what the history is narrowed to.
    """
    wanted = WantedName.parse(name)
    owner, notes = question.owner(has_objects=True)
    found = SourceMentions.of(question.functions, question.source, question.places, wanted)
    if note := unread_note(found.unread, question.source.changed, question.places):
        notes.append(note)
    collected, cut = _collect(question, wanted, found, owner)
    events = collected.events
    notes += cut
    recorded = dict.fromkeys(functions_with_lines(question.reader))
    has_lines = any(each.line is not None for each in events)
    others, without_lines = found.text(
        question.functions, recorded, question.places, owner.functions if owner else (), writes_only=has_lines
    )
    if not events:
        return _nothing(question, wanted, others, without_lines, notes)
    failure = question.failure
    changed = values_at(question.reader, variables_read(events))
    history = NameHistory.of(
        events,
        question.text,
        lambda event: collected.variables_of(event, changed),
        failure.at_ns if failure else None,
    )
    head = f"{wanted}{f' of {question.of}' if question.of else ''}: {history.counts}"
    if failure is not None:
        head += f"; the failure is {question.failure_text()}"
    below = _below(others, has_lines=has_lines)
    room = question.chars - sum(size_of_text(each) for each in [head, below, *notes])
    if question.start is None:
        written = write_around(history.entries, history.anchor, question.limit, room)
        next_at = 0 if written.left_out else None
        if written.left_out:
            notes.append(
                f"{counted(written.left_out, 'entry')} of {len(history.entries)} left out: next_cursor lists all from "
                "the first one; of= narrows"
            )
    else:
        written = write_page(history.entries, question.start, question.limit, room)
        next_at = written.end if written.end < len(history.entries) else None
    text = "\n".join(each for each in (head, written.text, below) if each)
    return Page(text, next_at, notes, without_lines)


def _collect(
    question: Question, wanted: WantedName, found: SourceMentions, owner: Owner | None
) -> tuple[NameEvents, list[str]]:
    reader = question.reader
    failed_ns = question.failure.at_ns if question.failure else None
    mentioned = found.by_line(question.functions)
    narrowed = owner.narrowed if owner is not None else None
    lines, line_count = named_lines(
        reader,
        wanted.recorded_texts,
        [(process, function, line) for (process, function), line in mentioned],
        failed_ns,
        narrowed,
    )
    calls, call_count = named_calls(reader, wanted.recorded_texts, failed_ns, narrowed)

    def wants(function: tuple[int, int], of_value: Identity | None, of_call: Identity | None) -> bool:
        return owner is None or owner.owns(function, of_value, of_call)

    outer = outer_variables(reader, [each.call_id for each in lines])
    collected = NameEvents(wanted, mentioned, outer, wants)
    collected.collect(lines, calls)
    if owner is not None and not collected.events:
        _check_object(question, wanted, found, owner)
    notes = [
        f"{counted(count, noun)} {verb} it: only the {shown:,} nearest to the failure or the end are in this history; "
        "of= narrows"
        for count, shown, noun, verb in (
            (line_count, len(lines), "executed line", "mention"),
            (call_count, len(calls), "call", "have"),
        )
        if count > shown
    ]
    return collected, notes


def _check_object(question: Question, wanted: WantedName, found: SourceMentions, owner: Owner) -> None:
    """Raise an error that names the objects with the name, if the owner is an object or class that has no such one."""
    if owner.functions and owner.number is None:
        return
    everything, _ = _collect(question, wanted, found, None)
    of_class = replace(owner, number=None)
    alike = {each for each in everything.identities if of_class.is_of(each)} or everything.identities
    seen = sorted({str(each) for each in alike})
    raise unknown_owner(question.of or "", question.functions, question.places, seen)


def _below(others: Sequence[str], *, has_lines: bool) -> str:
    """Write where else the source has the name."""
    if not others:
        return ""
    few = others[:_FEW]
    more = f"\n  … {len(others) - _FEW} more" if len(others) > _FEW else ""
    head = "also changed in functions without recorded lines:" if has_lines else "no line with it was recorded; source:"
    return "\n  ".join([head, *few]) + more


def _nothing(
    question: Question, wanted: WantedName, others: Sequence[str], without_lines: Sequence[str], notes: list[str]
) -> Page:
    of = f" of {question.of}" if question.of else ""
    if others:
        shown = [*others[:_MANY], *([f"… {len(others) - _MANY} more"] if len(others) > _MANY else [])]
        head = f"{wanted}{of}: no line with it was recorded, and no call has it as an argument. The source has it in"
        return Page("\n  ".join([head, *shown]), None, notes, without_lines)
    arguments = argument_names(question.reader)
    near = near_names(wanted, question.functions, question.source, question.places, arguments)
    why = "neither the recorded lines and arguments nor the source of the program's own functions have this name"
    if question.of:
        why = f"nothing of {question.of} has this name"
    hint = f" The nearest: {near}." if near else ""
    return Page(f"{wanted}{of}: {why}.{hint}", None, notes)
