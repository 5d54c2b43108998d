"""Show an object with its fields once in a text, and later by its name: ``Cart#1(total=5)``, then ``Cart#1``.

Fields that have changed since the text last showed them follow the name again: ``Cart#1(total=7)``. An object with many
fields is shown by some of them, without those that are None, and ``…`` stands for the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from breadcrumb.value_format import CUT_MARK, OBJECT_KEY, STATE_KEY, TYPE_KEY
from breadcrumb_server.answers.common.parsed_json import is_array, is_object, parsed_object
from breadcrumb_server.answers.common.text import clean
from breadcrumb_server.answers.rendering.identities import described_identity, identity_of
from breadcrumb_server.answers.rendering.notation import ValueTree, named_values, read_value, value_tree
from breadcrumb_server.answers.rendering.recorded_cuts import may_be_equal

# Characters up to which an object is shown whole.
SMALL_OBJECT_CHARS = 80

_NAMES = re.compile(r"\w+#\d+")
_HEAD = (TYPE_KEY, OBJECT_KEY)
_HEAD_AND_STATE = {*_HEAD, STATE_KEY, CUT_MARK}
# Descriptions of empty containers below the depth that is recorded.
_EMPTY = re.compile(r"<\w+ of 0>")


class Mentions:
    """The objects that a text has shown, with the fields of each as it has shown them.

    Args:
        object_chars: Characters up to which an object is shown whole; None: always.
    """

    def __init__(self, object_chars: int | None = SMALL_OBJECT_CHARS) -> None:
        self._object_chars = object_chars
        self._known: dict[str, dict[str, Any]] = {}
        self._pending: dict[str, dict[str, Any]] = {}  # of values that were rendered since the last call of ``shown``

    def copy(self, object_chars: int | None = None) -> Mentions:
        """Return mentions that go on from here on their own, with other characters of an object if they are given."""
        other = Mentions(object_chars or self._object_chars)
        other._known = dict(self._known)
        return other

    def pairs(self, stored: str | None) -> list[tuple[str, ValueTree]]:
        """Parse recorded arguments or local variables as ``named_values`` does, reduced to what is new in the text."""
        found: dict[str, dict[str, Any]] = {}
        parsed = parsed_object(stored)
        if not parsed:
            return named_values(stored)
        return [(clean(name), value_tree(self._reduced(value, found))) for name, value in parsed.items()]

    def value(self, stored: str) -> ValueTree:
        """Parse a recorded value as ``read_value`` does, reduced to what is new in the text."""
        try:
            return self.tree(json.loads(stored))
        except (ValueError, RecursionError):
            return read_value(stored)

    def tree(self, parsed: object) -> ValueTree:
        """Render a parsed value, reduced to what is new in the text."""
        return value_tree(self._reduced(parsed, {}))

    def shown(self, text: str) -> None:
        """Take note of what was written: objects whose names are not in it, since values were cut, were not shown."""
        written = set(_NAMES.findall(text))
        for name, fields in self._pending.items():
            if name in written:
                self._known[name] = {**self._known.get(name, {}), **fields}
        self._pending.clear()

    def _reduced(self, value: object, found: dict[str, dict[str, Any]]) -> object:
        """Reduce the objects in a parsed value.

        Args:
            value: The value.
            found: The objects in what is rendered with it, by name.
        """
        if is_array(value):
            return [self._reduced(each, found) for each in value]
        if not is_object(value):
            return value
        name = identity_of(value)
        if not name:
            reduced = {key: self._reduced(item, found) for key, item in value.items()}
            return self._telling(reduced) if TYPE_KEY in value else reduced
        if name in found:
            return f"<{name}>"
        fields = {key: item for key, item in value.items() if key not in _HEAD}
        found[name] = self._pending[name] = fields
        known = self._known.get(name)
        if known is not None:
            changed = {key: item for key, item in fields.items() if key not in known or not _is_alike(known[key], item)}
            if not changed:
                return f"<{name}>"
            return self._with_fields(value, {key: self._reduced(item, found) for key, item in changed.items()})
        return self._small(value, {key: self._reduced(item, found) for key, item in fields.items()})

    def _telling(self, value: dict[str, Any]) -> dict[str, Any]:
        """Leave fields that say little, which are None, false or empty, out of a long object without a number."""
        if self._object_chars is None or len(value_tree(value)) <= self._object_chars:
            return value
        kept = {key: item for key, item in value.items() if key in _HEAD or not _says_little(item)}
        return value if len(kept) == len(value) or not kept.keys() - _HEAD_AND_STATE else {**kept, CUT_MARK: ""}

    def _small(self, value: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        """Leave out fields of an object that is long: those that are None, and then those that do not fit."""
        whole = self._with_fields(value, fields)
        if self._object_chars is None or len(value_tree(whole)) <= self._object_chars:
            return whole
        kept = {key: item for key, item in fields.items() if not _says_little(item) and key != CUT_MARK} or fields
        room = self._object_chars - len(value_tree(self._with_fields(value, {STATE_KEY: ""}))) - len(", …")
        taken: dict[str, Any] = {}
        for key, item in kept.items():
            needed = len(key) + len("=, ") + len(value_tree(item))
            if key == STATE_KEY or needed <= room:
                taken[key] = item
                room -= needed
        if not taken.keys() - {STATE_KEY}:
            taken = kept  # all are long: each is cut
        return self._with_fields(value, taken if len(taken) == len(fields) else {**taken, CUT_MARK: ""})

    @staticmethod
    def _with_fields(value: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
        return {TYPE_KEY: value[TYPE_KEY], OBJECT_KEY: value[OBJECT_KEY], **fields}


def _says_little(item: object) -> bool:
    """Return whether a field is what most objects of its class have: None, false or empty."""
    return item is None or item is False or item in ("", [], {}) or (isinstance(item, str) and bool(_EMPTY.match(item)))


def _is_alike(before: object, after: object) -> bool:
    """Return whether two values of a field are equal as far as they were recorded: what is deep in others is cut."""
    names = [_name_of(each) for each in (before, after)]
    if any(names):
        if names[0] != names[1]:
            return False
        if not is_object(before) or not is_object(after):
            return True
        return all(_is_alike(before[key], after[key]) for key in before.keys() & after.keys())
    if _is_description(before) or _is_description(after):
        return not (isinstance(before, str) and isinstance(after, str)) or before == after
    if is_array(before) and is_array(after):
        return len(before) == len(after) and all(map(_is_alike, before, after))
    if is_object(before) and is_object(after):
        return before.keys() == after.keys() and all(_is_alike(before[key], after[key]) for key in before)
    return may_be_equal(before, after)


def _name_of(value: object) -> str:
    if is_object(value):
        return identity_of(value)
    return described_identity(value) if isinstance(value, str) else ""


def _is_description(value: object) -> bool:
    return isinstance(value, str) and value.startswith("<") and value.endswith(">")
