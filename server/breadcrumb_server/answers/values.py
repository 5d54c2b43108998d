"""Captured values, which are JSON, in the notation of Python: shorter, and without a quote to escape."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, TypeGuard

from breadcrumb_server.answers.text import clean, cut

# Below this no value says anything.
_MIN_VALUE_CHARS = 12
# What the mark of a cut takes.
_MARK_CHARS = 16
# To read such a value whole tells more than to read a bit more of a long one.
_SHORT_VALUE_CHARS = 60
# Of a value that is only to be recognised.
RECOGNISED_CHARS = 40
KEY_MARK = "$key:"
_BRACKETS = {"$tuple": ("(", ")"), "$set": ("{", "}"), "$frozenset": ("frozenset({", "})")}


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a parsed piece of JSON is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a parsed piece of JSON is an array."""
    return isinstance(value, list)


def value_text(stored: str | None, chars: int) -> str:
    """A captured value; "" where none was."""
    if stored is None:
        return ""
    try:
        text = notation(json.loads(stored))
    except (ValueError, RecursionError):  # not written by the tracer, or nested beyond reason: shown as it is
        text = stored
    return cut(clean(text), chars)


def named_values(stored: str | None) -> list[tuple[str, str]]:
    """The names and the values of captured arguments or local variables."""
    if not stored:
        return []
    try:
        parsed: object = json.loads(stored)
        if is_object(parsed):
            return [(clean(name), clean(notation(value))) for name, value in parsed.items()]
    except (ValueError, RecursionError):
        pass
    return [("?", clean(stored))]


def arguments_text(stored: str | None, chars: int) -> str:
    """Captured arguments as ``a=1, b=None``; the long ones give way so that all of them are named."""
    return pairs_text(named_values(stored), chars)


def pairs_text(pairs: Sequence[tuple[str, str]], chars: int, giving_way: Collection[str] = ()) -> str:
    """``a=1, b=None``; the long values give way so that all are named.

    Args:
        giving_way: names of values that say little; they get no more room than they need to be recognised.
    """
    names = sum(len(name) + 3 for name, _ in pairs)
    wanted = [min(len(value), RECOGNISED_CHARS) if name in giving_way else len(value) for name, value in pairs]
    granted = shares(wanted, chars - names)
    values = zip(pairs, granted, strict=True)
    return cut(", ".join(f"{name}={cut(value, share)}" for (name, value), share in values), chars)


def shares(lengths: Sequence[int], chars: int) -> list[int]:
    """How much of each text to show so that all stay within ``chars``: short ones whole, before long ones have any."""
    room, left = chars, len(lengths)
    granted = [0] * left
    for index in sorted(range(left), key=lengths.__getitem__):
        length = lengths[index]
        whole = length * left <= room or (length <= _SHORT_VALUE_CHARS and length + (left - 1) * _MARK_CHARS <= room)
        granted[index] = length if whole else max(room // left, _MIN_VALUE_CHARS)
        room -= granted[index]
        left -= 1
    return granted


def fair_share(lengths: Sequence[int], chars: int) -> int:
    """The length to cut each text to so that all stay within ``chars``; short ones leave room to long ones."""
    room, left = chars, len(lengths)
    for length in sorted(lengths):
        if length * left > room:
            return max(room // left, _MIN_VALUE_CHARS)
        room -= length
        left -= 1
    return max(chars, _MIN_VALUE_CHARS)


def notation(value: object) -> str:
    """A parsed value as Python would write it; the tracer's marks ($tuple, $type, cuts) as what they stand for."""
    if is_object(value):
        return _object(value)
    if is_array(value):
        return f"[{_items(value)}]"
    if isinstance(value, str) and (value == "[REDACTED]" or value.startswith("…(+")):
        return value
    return repr(value)


def _object(value: dict[str, Any]) -> str:
    first = next(iter(value), "")
    if first in _BRACKETS and is_array(value[first]):
        opening, closing = _BRACKETS[first]
        comma = "," if first == "$tuple" and len(value[first]) == 1 else ""
        return opening + _items(value[first]) + comma + closing
    if first == "$float":
        return str(value[first])
    if first in ("$bytes", "$bytearray"):
        size = f"…({value['size']:,} bytes in all)" if isinstance(value.get("size"), int) else ""
        return f"b{value[first]!r}{size}"
    if first != "$type":
        return _mapping(value)
    fields = {key: item for key, item in value.items() if key != "$type"}
    if any(key.startswith(KEY_MARK) for key in fields):  # a subclass of dict: no field has such a name
        return f"{value['$type']}({_mapping(fields)})"
    return f"{value['$type']}({_content(fields)})"


def _mapping(entries: dict[str, Any]) -> str:
    return "{" + ", ".join(_pair(key_text(key), ": ", item) for key, item in entries.items()) + "}"


def key_text(key: str) -> str:
    """The key of a dict: JSON has only texts, so the tracer marks any other."""
    if key.startswith(KEY_MARK):
        try:
            return notation(json.loads(key.removeprefix(KEY_MARK)))
        except ValueError:  # cut
            pass
    return repr(key)


def _content(fields: dict[str, Any]) -> str:
    if fields.keys() == {"value"}:
        return notation(fields["value"])
    if fields.keys() == {"items"} and is_array(fields["items"]):
        return f"[{_items(fields['items'])}]"
    if fields.keys() == {"args"} and is_array(fields["args"]):
        return _items(fields["args"])
    return ", ".join(_pair(key, "=", item) for key, item in fields.items())


def _pair(name: str, between: str, item: object) -> str:
    return f"…({item})" if name in ("…", "'…'") else f"{name}{between}{notation(item)}"


def _items(items: Sequence[object]) -> str:
    return ", ".join(map(notation, items))
