"""Turn recorded lines and calls into the events of a name: what it was passed, what it became, where it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from breadcrumb_server.answers.common.parsed_json import is_array, is_object, parsed_object
from breadcrumb_server.answers.find.identity import Identity
from breadcrumb_server.answers.find.names.content_changes import MISSING
from breadcrumb_server.answers.find.names.mentions import BINDS, READS, Mention
from breadcrumb_server.answers.find.names.occurrences import Occurrence, is_deleted, occurrences
from breadcrumb_server.answers.find.names.wanted_name import WantedName
from breadcrumb_server.answers.rendering.recorded_cuts import may_be_equal, recorded_entries, recorded_items
from breadcrumb_storage.queries.find.names import NamedCall, NamedLine

Key = tuple[int, int]  # (process, function)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a name.

    Attributes:
        at_ns: When.
        call_id: In which call.
        function: (process, function) of the call.
        kind: passed (an argument of the call), seen (in an argument, with a value not told before), changed, same
            (a line set it to the value that it had), unknown (a line sets or changes it; the value was not recorded),
            raised (a line that was to set it raised), or read.
        line: The line; None for arguments.
        position: Of the line in its call.
        path: What has the value, from the variables of the call.
        owner: The object that has it as an attribute.
        before: The value before; MISSING if there was none.
        after: The value; MISSING if it is not known or not there any more.
        mention: The place in the source; None if the line does not mention the name.
    """

    at_ns: int
    call_id: int
    function: Key
    kind: str
    line: int | None = None
    position: int = 0
    path: str = ""
    owner: Identity | None = None
    before: object = MISSING
    after: object = MISSING
    mention: Mention | None = None


Wants = Callable[[Key, Identity | None, Identity | None], bool]


@dataclass
class _Call:
    """The variables of a call, as far as they are known."""

    arguments: dict[str, object]  # also variables from outside
    known: dict[str, object]
    of: Identity | None  # the object whose method it is


@dataclass
class NameEvents:
    """Collects the events of a name in the order of time.

    Args:
        wanted: The name.
        mentions: The places that mention it by function and line.
        outer: Variables from enclosing functions at the first line of calls.
        wants: Decides by the function, the owner and the object of the call whether an event is wanted.
    """

    wanted: WantedName
    mentions: Mapping[tuple[Key, int], Mention]
    outer: Mapping[int, str]
    wants: Wants
    events: list[Event] = field(default_factory=list[Event])
    identities: set[Identity] = field(default_factory=set[Identity])
    _calls: dict[int, _Call] = field(default_factory=dict[int, _Call])
    _told: dict[object, object] = field(default_factory=dict[object, object])
    _last: tuple[int, Mention | None, int] = (0, None, 0)

    def collect(self, lines: Sequence[NamedLine], calls: Sequence[NamedCall]) -> None:
        """Add the events of lines and calls, in the order in which they happened."""
        moments: list[tuple[int, int, int, int, NamedLine | NamedCall]] = []
        moments += [(each.started_ns, each.call_id, -1, 0, each) for each in calls]
        for line in lines:
            moments.append((line.at_ns, line.call_id, line.position, 0, line))
            # What a line changed is known when the next one starts, after all calls that it made.
            moments.append((max(line.ended_ns or 0, line.at_ns), line.call_id, line.position, 1, line))
        moments.sort(key=lambda each: each[:4])
        for _, _, _, stage, row in moments:
            if isinstance(row, NamedCall):
                self._passed(row)
            elif stage == 0:
                self._started(row)
            else:
                self._ended(row)

    def _add(self, event: Event, of: Identity | None) -> bool:
        if event.owner is not None:
            self.identities.add(event.owner)
        if not self.wants(event.function, event.owner, of):
            return False
        self.events.append(event)
        return True

    def _call(self, call_id: int, args: str | None) -> _Call:
        if call_id not in self._calls:
            known = parsed_object(args)
            first = next(iter(known), "")
            of = Identity.of(known[first]) if first in ("self", "cls") else None
            known |= parsed_object(self.outer.get(call_id))
            self._calls[call_id] = _Call(dict(known), known, of)
        return self._calls[call_id]

    def _passed(self, row: NamedCall) -> None:
        function = (row.process_id, row.function_id)
        call = self._call(row.call_id, row.args)
        for each in occurrences(parsed_object(row.args), self.wanted):
            if each.is_variable:
                self._add(self._seen(row, function, "passed", each, MISSING), call.of)
                continue
            before = self._last_of(each)
            if not self._is_told(each, each.value):
                self._tell(each, each.value)
                self._add(self._seen(row, function, "seen", each, before), call.of)

    def _is_told(self, found: Occurrence, value: object) -> bool:
        """Return whether a value of an attribute was told, of this object or, if it has no number, of one like it."""
        told = [self._told[key] for key in (_key(found), _class_key(found)) if key in self._told]
        return any(value is each or (each is not MISSING and may_be_equal(each, value)) for each in told)

    def _last_of(self, found: Occurrence) -> object:
        """Return the last value of the same object; MISSING if that is not known to be the same."""
        has_number = found.owner is not None and found.owner.number is not None
        return self._told.get(_key(found), MISSING) if has_number else MISSING

    def _tell(self, found: Occurrence, value: object) -> None:
        self._told[_key(found)] = value
        if found.owner is not None and found.owner.number is None:
            self._told[_class_key(found)] = value

    def _seen(self, row: NamedCall, function: Key, kind: str, found: Occurrence, before: object) -> Event:
        return Event(
            row.started_ns,
            row.call_id,
            function,
            kind,
            path=found.path,
            owner=found.owner,
            before=before,
            after=found.value,
        )

    def _started(self, row: NamedLine) -> None:
        mention = self.mentions.get(((row.process_id, row.function_id), row.line))
        if mention is not None and mention.use == READS:
            call = self._call(row.call_id, row.args)
            owner = self._owner_at(call, mention)
            # The interpreter comes back to the lines of a statement on several lines.
            again = self._last == (row.call_id, mention, row.position - 1)
            self._last = (row.call_id, mention, row.position)
            if not again:
                self._add(self._of_line(row, "read", row.at_ns, mention, owner=owner), call.of)

    def _owner_at(self, call: _Call, mention: Mention) -> Identity | None:
        """Return the object whose attribute a line reads, where only one can be meant."""
        if not self.wanted.of_self and not self.wanted.owner:
            return None
        found = {each.owner for each in occurrences(call.known, self.wanted) if each.owner is not None}
        return next(iter(found)) if len(found) == 1 else None

    def _ended(self, row: NamedLine) -> None:
        mention = self.mentions.get(((row.process_id, row.function_id), row.line))
        call = self._call(row.call_id, row.args)
        at_ns = max(row.ended_ns or 0, row.at_ns)
        after = parsed_object(row.changes)
        before = {name: call.known[name] for name in after if name in call.known}
        call.known |= after
        found = self._changes(row, before, after, mention)
        for event in found:
            self._add(event, call.of)
        if mention is None or mention.use == READS or found:
            return
        held = next((each for each in occurrences(call.known, self.wanted) if not is_deleted(each.value)), None)
        is_known = row.changes is not None and held is not None
        is_inside = row.next_line is not None and mention.first <= row.next_line <= mention.last
        if mention.use == BINDS and (mention.is_loop or (is_inside and mention.first < mention.last)):
            return  # the loop ended, or the statement goes on in its next line
        if row.raised and row.next_line is None and mention.use == BINDS:
            value = held.value if held is not None else MISSING
            event = self._of_line(row, "raised", at_ns, mention, path=held.path if held else "", after=value)
        elif is_known and held is not None and mention.use == BINDS:
            event = self._of_line(row, "same", at_ns, mention, path=held.path, owner=held.owner, after=held.value)
        elif is_known:
            event = self._of_line(row, "read", at_ns, mention)  # add() of what is in the set already
        else:
            event = self._of_line(row, "unknown", at_ns, mention)
        self._add(event, call.of)

    def _changes(
        self, row: NamedLine, before: Mapping[str, object], after: Mapping[str, object], mention: Mention | None
    ) -> list[Event]:
        old = {each.path: each for each in occurrences(before, self.wanted)}
        new = {each.path: each for each in occurrences(after, self.wanted)}
        found: list[Event] = []
        told_here: set[object] = set()
        for path in dict.fromkeys((*old, *new)):
            each = new.get(path) or old[path]
            was = old[path].value if path in old else MISSING
            now = new[path].value if path in new else MISSING
            if now is MISSING and not each.is_variable and _is_replaced(path, before, after):
                continue  # another object is there now
            if was is not MISSING and now is not MISSING and may_be_equal(was, now):
                continue
            key = (row.call_id, path) if each.is_variable else _key(each)
            if key in told_here:
                continue  # the same object, reached in two ways
            told_here.add(key)
            if (mention is None or mention.use == READS) and not each.is_variable and self._is_told(each, now):
                continue  # the call that changed it has told it
            if was is MISSING and not each.is_variable:
                was = self._last_of(each)
            self._tell(each, now)
            at_ns = max(row.ended_ns or 0, row.at_ns)
            found.append(
                self._of_line(row, "changed", at_ns, mention, path=path, owner=each.owner, before=was, after=now)
            )
        return found

    def _of_line(
        self,
        row: NamedLine,
        kind: str,
        at_ns: int,
        mention: Mention | None,
        *,
        path: str = "",
        owner: Identity | None = None,
        before: object = MISSING,
        after: object = MISSING,
    ) -> Event:
        return Event(
            at_ns,
            row.call_id,
            (row.process_id, row.function_id),
            kind,
            row.line,
            row.position,
            path,
            owner,
            before,
            after,
            mention,
        )

    def variables_of(self, event: Event, changed: Mapping[tuple[int, int, str], str]) -> dict[str, object]:
        """Return the variables that the line of an event read, as far as they are known.

        Args:
            event: One of those of `variables_read`.
            changed: The last changes of variables before lines, as JSON objects.
        """
        found: dict[str, object] = {}
        call = self._calls.get(event.call_id)
        for name in _read_names(event):
            later = parsed_object(changed.get((event.call_id, event.position, name)))
            for values in (later, call.arguments if call is not None else {}):
                if name in values and not is_deleted(values[name]):
                    found[name] = values[name]
                    break
        return found


def _key(found: Occurrence) -> object:
    """Return what identifies the place of a value: its object if that has a number, else how it is reached."""
    if found.owner is not None and found.owner.number is not None:
        return (found.owner, found.path.rpartition(".")[2])
    return (found.owner, found.path)


def _class_key(found: Occurrence) -> object:
    return ("class", found.owner.type_name if found.owner is not None else found.path, found.path.rpartition(".")[2])


def _is_replaced(path: str, before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    """Return whether the variable of a path is another object now, so that nothing of the old one was deleted."""
    root = path.split(".", 1)[0].split("[", 1)[0]
    if root not in before or root not in after or is_deleted(after[root]):
        return True
    return Identity.of(before[root]) != Identity.of(after[root])


def variables_read(events: Iterable[Event]) -> list[tuple[int, int, str]]:
    """Return (call, position, variable) of what lines read whose effect is not, or not wholly, recorded."""
    return [
        (event.call_id, event.position, name)
        for event in events
        if event.kind == "unknown" or is_cut(event.before) or is_cut(event.after)
        for name in _read_names(event)
    ]


def is_cut(value: object) -> bool:
    """Return whether only a part of a container is recorded."""
    if is_array(value):
        items, size = recorded_items(value)
        return size != len(items)
    if is_object(value):
        entries, size = recorded_entries(value)
        return size != len(entries) or any(is_array(each) and is_cut(each) for each in entries.values())
    return False


def _read_names(event: Event) -> list[str]:
    names = event.mention.names if event.mention is not None and event.line is not None else ()
    return [each for each in names if each not in ("self", "cls")]
