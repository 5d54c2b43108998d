"""Reduce a new value of a variable to what differs from the old one, such as one more item in a list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.value_format import DELETED_KEY, KEY_MARK, OBJECT_KEY, REPR_KEY, STATE_KEY, TYPE_KEY, VALUE_FIELD
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.text import cut
from breadcrumb_server.answers.lines.bindings import LineBindings
from breadcrumb_server.answers.rendering.notation import ValueTree, key_text, value_tree
from breadcrumb_server.answers.rendering.recorded_cuts import may_be_equal, recorded_entries, recorded_items

NO_BINDINGS = LineBindings()

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
# Subclasses of dict: their entries are shown by key, not by name, even if all keys are strings.
_DICTS = frozenset({"defaultdict", "OrderedDict", "Counter"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the changes of a variable."""

    parts: int = 3
    """Parts that may differ; with more, the whole value is clearer."""
    depth: int = 3
    """Levels of containers and objects that are compared, as in self.cart.lines[3]."""
    key_chars: int = 60
    """Characters of a key in a path."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Change:
    """A variable, or a part of one, with its new value."""

    path: str  # subtotal, self.items[3], prices['tea']
    value: object  # parsed JSON as the tracer writes it
    deleted: bool = False
    unrecorded: bool = False  # it lies beyond the recorded part of its container

    @property
    def shown(self) -> ValueTree:
        """Render the new value."""
        if self.unrecorded:
            return "…(beyond what is recorded)"
        return "<deleted>" if self.deleted else value_tree(self.value)


def differences(
    before: Mapping[str, object], after: Mapping[str, object], bound: LineBindings = NO_BINDINGS
) -> tuple[Change, ...]:
    """Find the changes of variables, each as the part that differs if that is shorter than the whole value.

    Args:
        before: Variables with their values before, as far as they are known.
        after: Variables that changed, with their values as recorded.
        bound: Names that the executed line binds. Their new values are shown whole.
    """
    changes: list[Change] = []
    for name, value in after.items():
        whole = _change(name, value)
        parts = None
        if name in before and name not in bound.paths:
            parts = _parts(name, before[name], value, LIMITS.depth, bound)
        if parts == []:  # no difference in what was recorded
            inside = sorted(path.replace("[]", "[…]") for path in bound.paths if _is_part_of(path, name))
            parts = [Change(path, None, unrecorded=True) for path in inside]
        if parts and sum(len(each.path) + len(each.shown) for each in parts) < len(name) + len(whole.shown):
            changes += parts
        else:
            changes.append(whole)
    return tuple(changes)


def concerns(change: Change, variable: str) -> bool:
    """Return whether a change is one of this variable, of a part of it, or of its container."""
    return _is_part_of(change.path, variable) or _is_part_of(variable, change.path)


def _is_part_of(part: str, whole: str) -> bool:
    return part == whole or part.startswith((f"{whole}.", f"{whole}["))


def _change(path: str, value: object) -> Change:
    return Change(path, None, deleted=True) if value == {DELETED_KEY: True} else Change(path, value)


def _parts(path: str, before: object, after: object, depth: int, bound: LineBindings) -> list[Change] | None:
    """Find the differing parts of two values; None if their types differ, or too many parts do."""
    if depth == 0:
        return None
    parts: list[Change] | None = None
    if is_object(before) and is_object(after):
        items_before, items_after = _contained_items(before, bound), _contained_items(after, bound)
        if items_before is not None and items_after is not None and before[TYPE_KEY] == after[TYPE_KEY]:
            parts = _items(path, items_before, items_after, depth, bound)
        else:
            parts = _fields(path, before, after, depth, bound)
    elif is_array(before) and is_array(after):
        parts = _items(path, before, after, depth, bound)
    return parts if parts is not None and len(parts) <= LIMITS.parts else None


def _contained_items(value: Mapping[str, object], bound: LineBindings) -> list[object] | None:
    """Return the items of a deque, an array or a subclass of list; None for any other value."""
    items = value.get("items")
    only_items = set(value) == {TYPE_KEY, "items"} and is_array(items)
    is_field = bound.items_is_field and value.get(TYPE_KEY) not in ("deque", "array")
    return items if only_items and not is_field and is_array(items) else None


def _fields(
    path: str, before: Mapping[str, object], after: Mapping[str, object], depth: int, bound: LineBindings
) -> list[Change] | None:
    kind = after.get(TYPE_KEY)
    if any(before.get(key) != after.get(key) for key in (TYPE_KEY, OBJECT_KEY, STATE_KEY)):
        return None  # another object, or another state of it
    if {*before, *after} <= {TYPE_KEY, VALUE_FIELD, REPR_KEY}:
        return None  # a Decimal, a date, a member of an enumeration
    if kind is None and any(key.startswith("$") and not key.startswith(KEY_MARK) for key in (*before, *after)):
        return None  # a tuple, a set, bytes
    shown_before, size_before = recorded_entries(before)
    shown_after, size_after = recorded_entries(after)
    new = shown_after.keys() - shown_before.keys()
    # If the old value was cut, a key that was not recorded may have existed nevertheless.
    surely_new = size_before == len(shown_before) or size_after - size_before == len(new)
    has_keys = kind is None or kind in _DICTS or any(key.startswith(KEY_MARK) for key in (*before, *after))
    found: list[Change] = []
    for key in dict.fromkeys((*shown_before, *shown_after)):
        attribute = not has_keys and _IDENTIFIER.fullmatch(key)
        inner = f"{path}.{key}" if attribute else f"{path}[{cut(key_text(key), LIMITS.key_chars)}]"
        if key not in shown_after:
            if size_after == len(shown_after):
                found.append(Change(inner, None, deleted=True))
        elif key in new:
            if surely_new or bound.binds(inner, path):
                found.append(Change(inner, shown_after[key]))
        else:
            found += _part(path, inner, shown_before[key], shown_after[key], depth, bound)
    return found


def _items(
    path: str, before: Sequence[object], after: Sequence[object], depth: int, bound: LineBindings
) -> list[Change] | None:
    shown_before, size_before = recorded_items(before)
    shown_after, size_after = recorded_items(after)
    if size_before != size_after:
        if shown_after[: len(shown_before)] != shown_before[: len(shown_after)]:
            return None
        grown = shown_after[len(shown_before) :]
        if len(shown_after) < size_after or size_after < size_before:
            # The items that came were not recorded, or items at the end went.
            return [Change(f"len({path})", size_after)]
        place = str(size_before) if len(grown) == 1 else f"{size_before}:"
        return [Change(f"{path}[{place}]", grown[0] if len(grown) == 1 else grown)]
    found: list[Change] = []
    for index, (old, new) in enumerate(zip(shown_before, shown_after, strict=False)):
        found += _part(path, f"{path}[{index}]", old, new, depth, bound)
    return found


def _part(path: str, inner: str, old: object, new: object, depth: int, bound: LineBindings) -> list[Change]:
    if may_be_equal(old, new):
        return []
    parts = None if bound.binds(inner, path) else _parts(inner, old, new, depth - 1, bound)
    return parts or [Change(inner, new)]
