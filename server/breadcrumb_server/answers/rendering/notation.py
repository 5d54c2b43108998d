"""Captured values, which are JSON, in the notation of Python: shorter, and without a quote to escape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from breadcrumb.value_format import (
    BYTEARRAY_KEY,
    BYTES_KEY,
    CUT_MARK,
    CUT_OPENING,
    FLOAT_KEY,
    FROZENSET_KEY,
    KEY_MARK,
    REDACTED,
    SET_KEY,
    TUPLE_KEY,
    TYPE_KEY,
)
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.text import clean

_BRACKETS = {TUPLE_KEY: ("(", ")"), SET_KEY: ("{", "}"), FROZENSET_KEY: ("frozenset({", "})")}
_REST_NAMES = (CUT_MARK, repr(CUT_MARK))


def read_value(stored: str) -> str:
    """A captured value, whole."""
    try:
        return clean(notation(json.loads(stored)))
    except (ValueError, RecursionError):  # not written by the tracer, or nested beyond reason: shown as it is
        return clean(stored)


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


def notation(value: object) -> str:
    """A parsed value as Python would write it; the tracer's marks ($tuple, $type, cuts) as what they stand for."""
    if is_object(value):
        return _object(value)
    if is_array(value):
        return f"[{_items(value)}]"
    if isinstance(value, str) and (value == REDACTED or value.startswith(CUT_OPENING)):
        return value
    return repr(value)


def _object(value: dict[str, Any]) -> str:
    first = next(iter(value), "")
    if first in _BRACKETS and is_array(value[first]):
        opening, closing = _BRACKETS[first]
        comma = "," if first == TUPLE_KEY and len(value[first]) == 1 else ""
        return opening + _items(value[first]) + comma + closing
    if first == FLOAT_KEY:
        return str(value[first])
    if first in (BYTES_KEY, BYTEARRAY_KEY):
        size = f"…({value['size']:,} bytes in all)" if isinstance(value.get("size"), int) else ""
        return f"b{value[first]!r}{size}"
    if first != TYPE_KEY:
        return _mapping(value)
    fields = {key: item for key, item in value.items() if key != TYPE_KEY}
    if any(key.startswith(KEY_MARK) for key in fields):  # a subclass of dict: no field has such a name
        return f"{value[TYPE_KEY]}({_mapping(fields)})"
    return f"{value[TYPE_KEY]}({_content(fields)})"


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
    return f"…({item})" if name in _REST_NAMES else f"{name}{between}{notation(item)}"


def _items(items: Sequence[object]) -> str:
    return ", ".join(map(notation, items))
