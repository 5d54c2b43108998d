"""Write the history of a name: what it was passed, what it became, where it was read, in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from breadcrumb_server.answers.common.text import counted
from breadcrumb_server.answers.find.names.content_changes import MISSING, change_text, is_part_text
from breadcrumb_server.answers.find.names.events import Event, is_cut
from breadcrumb_server.answers.find.names.mentions import READS
from breadcrumb_server.answers.find.timeline import Entry, series
from breadcrumb_server.answers.find.trace_text import TraceText
from breadcrumb_server.answers.rendering.layout import cut_value
from breadcrumb_server.answers.rendering.notation import value_tree

# Places of reads that one line names.
_MAX_PLACES = 6
_SOURCE_CHARS = 90

LAST_MARK = "  <- last before the failure"
_WRITES = ("changed", "same", "unknown", "raised")

# Returns the variables that the line of an event read.
Variables = Callable[[Event], dict[str, object]]


@dataclass(frozen=True, slots=True)
class NameHistory:
    """The entries of a name's history.

    Attributes:
        entries: Its lines.
        anchor: Index of the last one before the failure, or of the last one.
        counts: What there is, such as ``3 writes, 14 reads``.
    """

    entries: Sequence[Entry]
    anchor: int
    counts: str

    @classmethod
    def of(cls, events: Sequence[Event], text: TraceText, variables: Variables, failed_ns: int | None) -> NameHistory:
        """Fold events into entries.

        Args:
            events: In the order of time.
            text: Writes places and source.
            variables: Returns what the line of an event read.
            failed_ns: The moment of the failure; None if there is none.
        """
        entries: list[Entry] = []
        anchor = None
        for told, reads in _runs(events, failed_ns):
            before = failed_ns is None or any(each.at_ns <= failed_ns for each in [*told, *reads])
            if told:
                anchor = len(entries) if before else anchor
                entries.append(Entry(partial(_told_text, told, text, variables), len(told)))
            if reads:
                entries.append(Entry(partial(_reads_text, reads, told, text), len(reads)))
        if anchor is not None and failed_ns is not None:
            entries[anchor] = Entry(partial(_marked, entries[anchor].write), entries[anchor].events)
        return cls(entries, len(entries) - 1 if anchor is None else anchor, _counts(events))


def _runs(events: Sequence[Event], failed_ns: int | None) -> list[tuple[list[Event], list[Event]]]:
    """Group events: repeated ones at one line, with the reads between and after them."""
    runs: list[tuple[list[Event], list[Event]]] = []
    for number, event in enumerate(events):
        fails_before = number > 0 and failed_ns is not None and events[number - 1].at_ns <= failed_ns < event.at_ns
        told, reads = runs[-1] if runs and not fails_before else ([], [])
        if event.kind == "read" and (told or reads):
            reads.append(event)
        elif told and event.kind != "read" and _place(told[-1]) == _place(event):
            told.append(event)
        else:
            runs.append(([], [event]) if event.kind == "read" else ([event], []))
    return runs


def _place(event: Event) -> tuple[object, ...]:
    owner = event.owner if event.owner is not None and event.owner.number is not None else None
    return (event.kind, event.function, event.line, event.path, owner)


def _marked(write: Callable[[int], str], chars: int) -> str:
    return f"{write(chars)}{LAST_MARK}"


def _counts(events: Sequence[Event]) -> str:
    kinds = [
        (sum(each.kind in _WRITES for each in events), "write"),
        (sum(each.kind == "read" for each in events), "read"),
        (sum(each.kind in ("passed", "seen") for each in events), "argument"),
    ]
    return ", ".join(counted(number, noun) for number, noun in kinds if number)


def _told_text(events: Sequence[Event], text: TraceText, variables: Variables, chars: int) -> str:
    first = events[0]
    times = f" x{len(events)}" if len(events) > 1 else ""
    head = f"{_ids(events)} {text.place(first.function, first.line)}{times}"
    what = _what(events, variables, chars)
    if first.line is None:
        return f"{head} called with {what}" if first.kind == "passed" else f"{head} called when {what}"
    source = text.source(first.function, first.line, _SOURCE_CHARS)
    return f"{head}  {source}  # {what}" if source else f"{head}  {what}"


def _what(events: Sequence[Event], variables: Variables, chars: int) -> str:
    first = events[0]
    path = _path(first)
    if first.kind == "unknown":
        return _variables_text(events, variables, chars) or "value not recorded"
    if first.kind == "same":
        return f"{path}={_value(first.after, chars)} as before"
    if first.kind == "raised":
        held = "" if first.after is MISSING else f"{path}={_value(first.after, chars)}, "
        return f"{held}not set: the line raised"
    is_entry = first.owner is None and "[" in first.path  # its key may be computed, so the line itself may set it
    by_callee = first.line is not None and not is_entry and (first.mention is None or first.mention.use == READS)
    suffix = " (by what it called)" if by_callee else ""
    if is_cut(first.after) or is_cut(first.before):
        read = _variables_text(events, variables, chars)
        suffix += f"; {read}" if read else ""
    earlier = [MISSING if each.kind == "passed" else each.before for each in events]
    if len(events) == 1:
        return change_text(path, earlier[0], first.after, chars) + suffix
    changes = [change_text("", was, each.after, chars) for was, each in zip(earlier, events, strict=True)]
    if any(map(is_part_text, changes)):
        return f"{path}: {series([each.removeprefix(': ').removeprefix('=') for each in changes])}{suffix}"
    values = ["deleted" if each.after is MISSING else _value(each.after, chars) for each in events]
    return f"{path}={series(values)}{suffix}"


def _path(event: Event) -> str:
    """Return the name of what has the value: of an attribute, with its object."""
    if event.owner is None:
        return event.path
    return f"{event.owner}.{event.path.rpartition('.')[2]}"


def _value(value: object, chars: int) -> str:
    return cut_value(value_tree(value), chars)


def _variables_text(events: Sequence[Event], variables: Variables, chars: int) -> str:
    """Write the variables that a line read, for one of which too little is recorded: ``seen.add(key)  # key='tea'``."""
    found: dict[str, list[str]] = {}
    for each in events:
        for name, value in variables(each).items():
            if name != each.path.rpartition(".")[2]:
                found.setdefault(name, []).append(_value(value, chars))
    return ", ".join(f"{name}={series(values)}" for name, values in found.items())


def _reads_text(events: Sequence[Event], told: Sequence[Event], text: TraceText, chars: int) -> str:
    """Write where a name was read, for reads by the call of the line before with their lines only."""
    del chars  # a read shows no value
    places: dict[tuple[object, ...], list[Event]] = {}
    for each in events:
        places.setdefault((each.function, each.line), []).append(each)
    calls = {each.call_id for each in told}
    parts: list[str] = []
    for found in [*places.values()][:_MAX_PLACES]:
        times = f"x{len(found)} reads at" if len(found) > 1 else "read at"
        if calls >= {each.call_id for each in found}:
            parts.append(f"{times} :{found[0].line}")
        else:
            parts.append(f"{times} {text.place(found[0].function, found[0].line)} {_ids(found)}")
    more = f", … {len(places) - _MAX_PLACES} more places" if len(places) > _MAX_PLACES else ""
    return f"  {', '.join(parts)}{more}"


def _ids(events: Sequence[Event]) -> str:
    first, last = events[0].call_id, events[-1].call_id
    return f"#{first}" if first == last else f"#{first}…#{last}"
