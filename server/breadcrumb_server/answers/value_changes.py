"""What differs between two values of a variable, so that one more item in a list is told as one more item."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.values import is_array, is_object, notation

# Where more than this differs, the whole value says it better.
MAX_PARTS = 3
# Levels of containers and objects that are compared: self.cart.lines[3] is as deep as anybody reads.
MAX_DEPTH = 3

_CUT = re.compile(r"…\(\+(\d+) items\)")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Change:
    """A variable, or a part of one, and what it is now."""

    path: str  # subtotal, self.items[3], prices['tea']
    value: object  # parsed JSON as the tracer writes it
    gone: bool = False

    @property
    def text(self) -> str:
        return "<deleted>" if self.gone else notation(self.value)


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Change, ...]:
    """The changes of the variables in ``after``, each as small as it can be told.

    Args:
        before: the variables as far as they are known.
        after: those that have changed, as the tracer wrote them.
    """
    changes: list[Change] = []
    for name, value in after.items():
        whole = _change(name, value)
        parts = _parts(name, before[name], value, MAX_DEPTH) if name in before else None
        if parts and sum(len(each.path) + len(each.text) for each in parts) < len(name) + len(whole.text):
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
    return Change(path, None, gone=True) if value == {"$deleted": True} else Change(path, value)


def _parts(path: str, before: object, after: object, depth: int) -> list[Change] | None:
    """The differing parts; None where the values are not of one kind, or differ in too many."""
    if depth == 0:
        return None
    parts: list[Change] | None = None
    if is_object(before) and is_object(after):
        parts = _fields(path, before, after, depth)
    elif is_array(before) and is_array(after):
        parts = _items(path, before, after, depth)
    return parts if parts and len(parts) <= MAX_PARTS else None


def _fields(path: str, before: Mapping[str, object], after: Mapping[str, object], depth: int) -> list[Change] | None:
    kind = after.get("$type")
    if before.get("$type") != kind or any(key.startswith("…") for key in (*before, *after)):
        return None
    if kind is None and any(key.startswith("$") for key in (*before, *after)):
        return None  # a tuple, a set, bytes
    found: list[Change] = []
    for key in dict.fromkeys((*before, *after)):
        attribute = kind is not None and _IDENTIFIER.fullmatch(key)
        inner = f"{path}.{key}" if attribute else f"{path}[{key!r}]"
        if key not in after:
            found.append(Change(inner, None, gone=True))
        elif key not in before:
            found.append(Change(inner, after[key]))
        elif _differ(before[key], after[key]):
            found += _parts(inner, before[key], after[key], depth - 1) or [Change(inner, after[key])]
    return found


def _items(path: str, before: Sequence[object], after: Sequence[object], depth: int) -> list[Change] | None:
    shown_before, size_before = _without_cut(before)
    shown_after, size_after = _without_cut(after)
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
        if _differ(old, new):
            found += _parts(f"{path}[{index}]", old, new, depth - 1) or [Change(f"{path}[{index}]", new)]
    return found


def _differ(old: object, new: object) -> bool:
    return old != new or type(old) is not type(new)  # 1 equals 1.0 and True


def _without_cut(items: Sequence[object]) -> tuple[list[object], int]:
    """The recorded items of a list, and how many there were."""
    last = items[-1] if items else None
    if isinstance(last, str) and (cut := _CUT.fullmatch(last)):
        return list(items[:-1]), len(items) - 1 + int(cut[1])
    return list(items), len(items)
