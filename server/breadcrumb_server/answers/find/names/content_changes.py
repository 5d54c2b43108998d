"""Say what changed in a value: of a container what came, went and became another, not the whole of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from breadcrumb.value_format import (
    FROZENSET_KEY,
    KEY_MARK,
    OBJECT_KEY,
    REPR_KEY,
    SET_KEY,
    TUPLE_KEY,
    TYPE_KEY,
    VALUE_FIELD,
)
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.text import cut
from breadcrumb_server.answers.find.names.occurrences import is_deleted
from breadcrumb_server.answers.rendering.layout import cut_value
from breadcrumb_server.answers.rendering.notation import key_text, notation, value_tree
from breadcrumb_server.answers.rendering.recorded_cuts import may_be_equal, recorded_entries, recorded_items

# Levels of containers within which a change is told.
_DEPTH = 3
# Parts of a container that are told one by one.
_MAX_PARTS = 4
_KEY_CHARS = 60
MISSING = object()  # there was no value


def change_text(path: str, before: object, after: object, chars: int) -> str:
    """Render a change: ``amount: 126 -> 114``, or of a container ``prices: +'tea': 4, -'milk'``.

    Args:
        path: What changed.
        before: Its value before; MISSING if there was none, or none is known.
        after: Its value after, or MISSING.
        chars: Maximum characters of each value.
    """
    if after is MISSING or is_deleted(after):
        return f"{path} deleted" if before is MISSING else f"{path} deleted (was {_value(before, chars)})"
    if before is MISSING or is_deleted(before):
        return f"{path}={_value(after, chars)}"
    parts = _parts(before, after, chars, _DEPTH)
    whole = f"{_value(before, chars)} -> {_value(after, chars)}"
    if parts is not None and (len(parts) <= _MAX_PARTS or sum(map(len, parts)) < len(whole)):
        if parts:
            shown = parts[: 3 * _MAX_PARTS]
            more = f", … {len(parts) - len(shown)} more" if len(parts) > len(shown) else ""
            return f"{path}: {', '.join(shown)}{more}"
        return f"{path} changed beyond what is recorded ({_sizes(before, after)})"
    return f"{path}: {whole}"


def is_part_text(text: str) -> bool:
    """Return whether a change without its path tells parts of a container, and not whole values."""
    return re.match(r": (?:[+.\[]|-[^\d]|len |size )", text) is not None


def _value(value: object, chars: int) -> str:
    return cut_value(value_tree(value), chars)


def _parts(before: object, after: object, chars: int, depth: int) -> list[str] | None:
    """Return what differs in two containers of one kind; None if the values say more."""
    if depth == 0:
        return None
    if is_array(before) and is_array(after):
        return _items(before, after, chars, depth)
    if not is_object(before) or not is_object(after):
        return None
    for mark in (SET_KEY, FROZENSET_KEY):
        if mark in before and mark in after:
            return _members(before[mark], after[mark], chars)
    if TUPLE_KEY in before or TUPLE_KEY in after or before.get(TYPE_KEY) != after.get(TYPE_KEY):
        return None
    if {*before, *after} <= {TYPE_KEY, VALUE_FIELD, REPR_KEY}:
        return None  # a Decimal, a date
    if before.get(OBJECT_KEY) != after.get(OBJECT_KEY):
        return None  # another object
    if set(after) - {OBJECT_KEY} == {TYPE_KEY, "items"} and is_array(after["items"]) and is_array(before.get("items")):
        return _items(before["items"], after["items"], chars, depth)  # a deque, a subclass of list
    return _entries(before, after, chars, depth)


def _members(before: Sequence[object], after: Sequence[object], chars: int) -> list[str]:
    shown_before, size_before = recorded_items(before)
    shown_after, size_after = recorded_items(after)
    old, new = {notation(each) for each in shown_before}, {notation(each) for each in shown_after}
    # Of a set that was cut, what is not among the recorded ones may be in it nevertheless.
    came = [each for each in map(notation, shown_after) if each not in old] if size_before == len(shown_before) else []
    went = [each for each in map(notation, shown_before) if each not in new] if size_after == len(shown_after) else []
    texts = [f"+{cut(each, chars)}" for each in came] + [f"-{cut(each, chars)}" for each in went]
    return texts if texts or size_before == size_after else [f"size {size_before} -> {size_after}"]


def _items(before: Sequence[object], after: Sequence[object], chars: int, depth: int) -> list[str] | None:
    shown_before, size_before = recorded_items(before)
    shown_after, size_after = recorded_items(after)
    if size_before == size_after:
        found: list[str] = []
        for index, (old, new) in enumerate(zip(shown_before, shown_after, strict=False)):
            found += _part(f"[{index}]", old, new, chars, depth)
        return found
    if shown_after[: len(shown_before)] == shown_before[: len(shown_after)]:
        grown = shown_after[len(shown_before) :]
        if size_after < size_before:
            return [f"-{_value(each, chars)}" for each in shown_before[len(shown_after) :]] or [
                f"len {size_before} -> {size_after}"
            ]
        if len(shown_after) < size_after or size_before > len(shown_before):
            return [f"len {size_before} -> {size_after}"]
        return [f"[{size_before + number}] +{_value(each, chars)}" for number, each in enumerate(grown)]
    if size_before != len(shown_before) or size_after != len(shown_after):
        return None
    old, new = Counter(map(notation, shown_before)), Counter(map(notation, shown_after))
    return [f"-{cut(each, chars)}" for each in (old - new).elements()] + [
        f"+{cut(each, chars)}" for each in (new - old).elements()
    ]


def _entries(before: Mapping[str, object], after: Mapping[str, object], chars: int, depth: int) -> list[str]:
    shown_before, size_before = recorded_entries(before)
    shown_after, size_after = recorded_entries(after)
    is_dict = TYPE_KEY not in after or any(key.startswith(KEY_MARK) for key in (*before, *after))
    new = shown_after.keys() - shown_before.keys()
    surely_new = size_before == len(shown_before) or size_after - size_before == len(new)
    found: list[str] = []
    for key in dict.fromkeys((*shown_before, *shown_after)):
        if key in (TYPE_KEY, OBJECT_KEY):
            continue
        # An attribute; or what an object of a kind tells of itself, as $state.
        name = cut(key_text(key), _KEY_CHARS) if is_dict else key[1:] if key.startswith("$") else f".{key}"
        if key not in shown_after:
            if size_after == len(shown_after):
                found.append(f"-{name}")
        elif key in new:
            if surely_new:
                found.append(f"+{name}: {_value(shown_after[key], chars)}")
        else:
            found += _part(f"[{name}]" if is_dict else name, shown_before[key], shown_after[key], chars, depth)
    return found if found or size_before == size_after else [f"len {size_before} -> {size_after}"]


def _part(name: str, old: object, new: object, chars: int, depth: int) -> list[str]:
    if may_be_equal(old, new):
        return []
    inner = _parts(old, new, chars, depth - 1)
    if inner and len(inner) <= _MAX_PARTS:
        return [f"{name}{each}" if each.startswith((".", "[")) else f"{name} {each}" for each in inner]
    return [f"{name} {_value(old, chars)} -> {_value(new, chars)}"]


def _sizes(before: object, after: object) -> str:
    sizes = [
        recorded_items(each)[1] if is_array(each) else recorded_entries(each)[1] if is_object(each) else 0
        for each in (before, after)
    ]
    return f"{sizes[0]} -> {sizes[1]} entries" if sizes[0] != sizes[1] else f"{sizes[0]} entries"
