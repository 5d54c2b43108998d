"""Separate recorded values from the marks of their cuts, and compare values that were cut."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from breadcrumb.value_format import CHARS_CUT_PATTERN, CUT_MARK, ENTRIES_CUT_PATTERN, ITEMS_CUT_PATTERN, OBJECT_KEY
from breadcrumb_server.answers.common.parsed_json import is_array, is_object

_ITEMS = re.compile(ITEMS_CUT_PATTERN)
_ENTRIES = re.compile(ENTRIES_CUT_PATTERN)
# What stands for a container or an object that lies too deep, with the number of the object.
_PLACEHOLDER = re.compile(r"<[^<>#]*(?:#(?P<number>\d+))?[^<>#]*>")
_CHARS = re.compile(rf"(.*){CHARS_CUT_PATTERN}", re.DOTALL)


def recorded_items(value: Sequence[object]) -> tuple[list[object], int]:
    """Separate the items of a list from the mark of a cut.

    Args:
        value: A list as recorded.

    Returns:
        The recorded items, and the number of items before the cut.
    """
    last = value[-1] if value else None
    if isinstance(last, str) and (cut := _ITEMS.fullmatch(last)):
        return list(value[:-1]), len(value) - 1 + int(cut[1])
    return list(value), len(value)


def recorded_entries(value: Mapping[str, object]) -> tuple[dict[str, object], int]:
    """Separate the entries of a dict, or the fields of an object, from the mark of a cut.

    Args:
        value: A dict or an object as recorded.

    Returns:
        The recorded entries, and the number of entries before the cut.
    """
    rest = value.get(CUT_MARK)
    if isinstance(rest, str) and (cut := _ENTRIES.fullmatch(rest)):
        return {key: item for key, item in value.items() if key != CUT_MARK}, len(value) - 1 + int(cut[1])
    return dict(value), len(value)


def may_be_equal(old: object, new: object) -> bool:
    """Return whether two values may be equal: they differ only in what was cut off.

    Args:
        old: Parsed JSON, as recorded.
        new: The other value.
    """
    if is_object(old) and is_object(new):
        before, size_before = recorded_entries(old)
        after, size_after = recorded_entries(new)
        if size_before != size_after or (before.keys() != after.keys() and size_before == len(before) == len(after)):
            return False
        return all(may_be_equal(before[key], after[key]) for key in before.keys() & after.keys())
    if is_array(old) and is_array(new):
        items_before, size_before = recorded_items(old)
        items_after, size_after = recorded_items(new)
        pairs = zip(items_before, items_after, strict=False)
        return size_before == size_after and all(may_be_equal(*pair) for pair in pairs)
    for text, other in ((old, new), (new, old)):
        if isinstance(text, str) and (is_object(other) or is_array(other)) and (deep := _PLACEHOLDER.fullmatch(text)):
            number = other.get(OBJECT_KEY) if is_object(other) else None
            return deep["number"] is None or number is None or int(deep["number"]) == number
    if isinstance(old, str) and isinstance(new, str) and old != new:
        (text_before, length_before), (text_after, length_after) = _recorded_text(old), _recorded_text(new)
        shared = min(len(text_before), len(text_after))
        return length_before == length_after and text_before[:shared] == text_after[:shared]
    return old == new and type(old) is type(new)  # in Python, 1 == 1.0 == True


def _recorded_text(value: str) -> tuple[str, int]:
    """Return the recorded part of a text, and the length of the text before the cut."""
    cut = _CHARS.fullmatch(value)
    return (cut[1], len(cut[1]) + int(cut[2])) if cut else (value, len(value))
