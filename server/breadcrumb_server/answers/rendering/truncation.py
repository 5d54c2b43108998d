"""Recorded values that were cut: what of them is known, and whether two can be the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from breadcrumb.value_format import CHARS_CUT_PATTERN, CUT_MARK, ENTRIES_CUT_PATTERN, ITEMS_CUT_PATTERN
from breadcrumb_server.answers.common.parsed_json import is_array, is_object

_ITEMS = re.compile(ITEMS_CUT_PATTERN)
_ENTRIES = re.compile(ENTRIES_CUT_PATTERN)
_CHARS = re.compile(rf"(.*){CHARS_CUT_PATTERN}", re.DOTALL)


def items_of(value: Sequence[object]) -> tuple[list[object], int]:
    """The recorded items of a list, and how many there were."""
    last = value[-1] if value else None
    if isinstance(last, str) and (cut := _ITEMS.fullmatch(last)):
        return list(value[:-1]), len(value) - 1 + int(cut[1])
    return list(value), len(value)


def entries_of(value: Mapping[str, object]) -> tuple[dict[str, object], int]:
    """The recorded entries of a dict, or fields of an object, and how many there were."""
    rest = value.get(CUT_MARK)
    if isinstance(rest, str) and (cut := _ENTRIES.fullmatch(rest)):
        return {key: item for key, item in value.items() if key != CUT_MARK}, len(value) - 1 + int(cut[1])
    return dict(value), len(value)


def same_as_far_as_known(old: object, new: object) -> bool:
    """Whether two values differ in nothing but where they were cut."""
    if is_object(old) and is_object(new):
        before, size_before = entries_of(old)
        after, size_after = entries_of(new)
        if size_before != size_after or (before.keys() != after.keys() and size_before == len(before) == len(after)):
            return False
        return all(same_as_far_as_known(before[key], after[key]) for key in before.keys() & after.keys())
    if is_array(old) and is_array(new):
        items_before, size_before = items_of(old)
        items_after, size_after = items_of(new)
        pairs = zip(items_before, items_after, strict=False)
        return size_before == size_after and all(same_as_far_as_known(*pair) for pair in pairs)
    if isinstance(old, str) and isinstance(new, str) and old != new:
        (text_before, length_before), (text_after, length_after) = _text_of(old), _text_of(new)
        shared = min(len(text_before), len(text_after))
        return length_before == length_after and text_before[:shared] == text_after[:shared]
    return old == new and type(old) is type(new)  # 1 equals 1.0 and True


def _text_of(value: str) -> tuple[str, int]:
    """The recorded part of a text, and its whole length."""
    cut = _CHARS.fullmatch(value)
    return (cut[1], len(cut[1]) + int(cut[2])) if cut else (value, len(value))
