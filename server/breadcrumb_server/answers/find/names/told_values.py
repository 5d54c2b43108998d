"""Remember which values of attributes a history has told, so that each change is told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from breadcrumb_server.answers.find.names.content_changes import MISSING
from breadcrumb_server.answers.find.names.occurrences import Occurrence
from breadcrumb_server.answers.rendering.recorded_cuts import may_be_equal


@dataclass
class ToldValues:
    """The values that were told, by object, or of objects without numbers by class."""

    _last: dict[object, object] = field(default_factory=dict[object, object])
    _of_class: dict[object, list[object]] = field(default_factory=dict[object, list[object]])
    _several: set[object] = field(default_factory=set[object])  # classes of which several objects cannot be told apart

    def has(self, process_id: int, found: Occurrence, value: object) -> bool:
        """Return whether a value is the last one told of this object or, if it has no number, of one of its class."""
        keys = (place_of(process_id, found), _class_of(found))
        told = [self._last[key] for key in keys if key in self._last]
        if _class_of(found) in self._several:
            told += self._of_class.get(_class_of(found), [])
        return any(value is each or (each is not MISSING and may_be_equal(each, value)) for each in told)

    def last_of(self, process_id: int, found: Occurrence) -> object:
        """Return the last value of the same object; MISSING if it is not known to be the same."""
        has_number = found.owner is not None and found.owner.number is not None
        return self._last.get(place_of(process_id, found), MISSING) if has_number else MISSING

    def add(self, process_id: int, found: Occurrence, value: object) -> None:
        """Remember that a value was told; MISSING if it is gone."""
        self._last[place_of(process_id, found)] = value
        if found.owner is not None and found.owner.number is None:
            self._last[_class_of(found)] = value
            self._of_class.setdefault(_class_of(found), []).append(value)

    def note_several(self, found: Sequence[Occurrence]) -> None:
        """Note classes of which one call has several objects without numbers: each of their values is told once."""
        values: dict[object, object] = {}
        for each in found:
            if each.owner is not None and each.owner.number is None:
                first = values.setdefault(_class_of(each), each.value)
                if not may_be_equal(first, each.value):
                    self._several.add(_class_of(each))


def place_of(process_id: int, found: Occurrence) -> object:
    """Return what identifies the place of a value: its object if that has a number, else how it is reached."""
    if found.owner is not None and found.owner.number is not None:
        return (process_id, found.owner, found.within)  # numbers count within a process
    return (found.owner, found.path)


def _class_of(found: Occurrence) -> object:
    return ("class", found.owner, found.within)
