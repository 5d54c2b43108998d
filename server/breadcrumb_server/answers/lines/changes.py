"""What differs between two values of a variable, so that one more item in a list is told as one more item."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from breadcrumb.value_format import DELETED_KEY, KEY_MARK, TYPE_KEY
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.text import cut
from breadcrumb_server.answers.lines.bindings import Bound
from breadcrumb_server.answers.rendering.notation import ValueTree, key_text, value_tree
from breadcrumb_server.answers.rendering.truncation import may_be_equal, recorded_entries, recorded_items

# Where more than this differs, the whole value says it better.
MAX_PARTS = 3
# Levels of containers and objects that are compared: self.cart.lines[3] is as deep as anybody reads.
MAX_DEPTH = 3
# Of a key in a path.
MAX_KEY_CHARS = 60
NOTHING_BOUND = Bound()

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
# Classes of dicts: what they hold has keys and no names, also where all of these are texts.
_DICTS = frozenset({"defaultdict", "OrderedDict", "Counter"})


@dataclass(frozen=True, slots=True)
class Change:
    """A variable, or a part of one, and what it is now."""

    path: str  # subtotal, self.items[3], prices['tea']
    value: object  # parsed JSON as the tracer writes it
    gone: bool = False
    beyond: bool = False  # it lies behind what is recorded of the value that it is in

    @property
    def shown(self) -> ValueTree:
        if self.beyond:
            return "…(beyond what is recorded)"
        return "<deleted>" if self.gone else value_tree(self.value)


def differences(
    before: Mapping[str, object], after: Mapping[str, object], bound: Bound = NOTHING_BOUND
) -> tuple[Change, ...]:
    """The changes of the variables in ``after``, each as small as it can be told.

    Args:
        before: the variables as far as they are known.
        after: those that have changed, as the tracer wrote them.
        bound: what the line binds that changed them. That is another value, and no change within the old one.
    """
    changes: list[Change] = []
    for name, value in after.items():
        whole = _change(name, value)
        parts = None
        if name in before and name not in bound.paths:
            parts = _parts(name, before[name], value, MAX_DEPTH, bound)
        if parts == []:  # alike as far as they are recorded
            inside = sorted(path.replace("[]", "[…]") for path in bound.paths if _is_in(path, name))
            parts = [Change(path, None, beyond=True) for path in inside]
        if parts and sum(len(each.path) + len(each.shown) for each in parts) < len(name) + len(whole.shown):
            changes += parts
        else:
            changes.append(whole)
    return tuple(changes)


def is_of(change: Change, variable: str) -> bool:
    """Whether it is a change of this variable, of something in it, or of what it is in."""
    return _is_in(change.path, variable) or _is_in(variable, change.path)


def _is_in(part: str, whole: str) -> bool:
    return part == whole or part.startswith((f"{whole}.", f"{whole}["))


def _change(path: str, value: object) -> Change:
    return Change(path, None, gone=True) if value == {DELETED_KEY: True} else Change(path, value)


def _parts(path: str, before: object, after: object, depth: int, bound: Bound) -> list[Change] | None:
    """The differing parts; None where the values are not of one kind, or differ in too many."""
    if depth == 0:
        return None
    parts: list[Change] | None = None
    if is_object(before) and is_object(after):
        items_before, items_after = _own_items(before, bound), _own_items(after, bound)
        if items_before is not None and items_after is not None and before[TYPE_KEY] == after[TYPE_KEY]:
            parts = _items(path, items_before, items_after, depth, bound)
        else:
            parts = _fields(path, before, after, depth, bound)
    elif is_array(before) and is_array(after):
        parts = _items(path, before, after, depth, bound)
    return parts if parts is not None and len(parts) <= MAX_PARTS else None


def _own_items(value: Mapping[str, object], bound: Bound) -> list[object] | None:
    """What a deque, an array, or an object of a class of lists holds."""
    items = value.get("items")
    only_items = set(value) == {TYPE_KEY, "items"} and is_array(items)
    is_field = bound.items_is_field and value.get(TYPE_KEY) not in ("deque", "array")
    return items if only_items and not is_field and is_array(items) else None


def _fields(
    path: str, before: Mapping[str, object], after: Mapping[str, object], depth: int, bound: Bound
) -> list[Change] | None:
    kind = after.get(TYPE_KEY)
    if before.get(TYPE_KEY) != kind:
        return None
    if kind is None and any(key.startswith("$") and not key.startswith(KEY_MARK) for key in (*before, *after)):
        return None  # a tuple, a set, bytes
    shown_before, size_before = recorded_entries(before)
    shown_after, size_after = recorded_entries(after)
    new = shown_after.keys() - shown_before.keys()
    # Where the old value was cut, one that was not seen before may still have been there.
    surely_new = size_before == len(shown_before) or size_after - size_before == len(new)
    has_keys = kind is None or kind in _DICTS or any(key.startswith(KEY_MARK) for key in (*before, *after))
    found: list[Change] = []
    for key in dict.fromkeys((*shown_before, *shown_after)):
        attribute = not has_keys and _IDENTIFIER.fullmatch(key)
        inner = f"{path}.{key}" if attribute else f"{path}[{cut(key_text(key), MAX_KEY_CHARS)}]"
        if key not in shown_after:
            if size_after == len(shown_after):
                found.append(Change(inner, None, gone=True))
        elif key in new:
            if surely_new or bound.binds(inner, path):
                found.append(Change(inner, shown_after[key]))
        else:
            found += _part(path, inner, shown_before[key], shown_after[key], depth, bound)
    return found


def _items(
    path: str, before: Sequence[object], after: Sequence[object], depth: int, bound: Bound
) -> list[Change] | None:
    shown_before, size_before = recorded_items(before)
    shown_after, size_after = recorded_items(after)
    if size_before != size_after:
        if shown_after[: len(shown_before)] != shown_before[: len(shown_after)]:
            return None
        grown = shown_after[len(shown_before) :]
        if len(shown_after) < size_after or size_after < size_before:
            # What came or went lies beyond what is recorded of a list, or behind what stays.
            return [Change(f"len({path})", size_after)]
        place = str(size_before) if len(grown) == 1 else f"{size_before}:"
        return [Change(f"{path}[{place}]", grown[0] if len(grown) == 1 else grown)]
    found: list[Change] = []
    for index, (old, new) in enumerate(zip(shown_before, shown_after, strict=False)):
        found += _part(path, f"{path}[{index}]", old, new, depth, bound)
    return found


def _part(path: str, inner: str, old: object, new: object, depth: int, bound: Bound) -> list[Change]:
    if may_be_equal(old, new):
        return []
    parts = None if bound.binds(inner, path) else _parts(inner, old, new, depth - 1, bound)
    return parts or [Change(inner, new)]
