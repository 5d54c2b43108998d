"""Convert recorded values, which are JSON, to the notation of Python: shorter, and with fewer escaped quotes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from breadcrumb.value_format import (
    BYTEARRAY_KEY,
    BYTES_KEY,
    CUT_MARK,
    CUT_OPENING,
    FLOAT_KEY,
    FROZENSET_KEY,
    KEY_MARK,
    OBJECT_KEY,
    REDACTED,
    REPR_KEY,
    SET_KEY,
    STATE_KEY,
    TUPLE_KEY,
    TYPE_KEY,
    VALUE_FIELD,
)
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.common.text import clean
from breadcrumb_server.answers.rendering.identities import described_identity, identity_of, short_name

_BRACKETS = {TUPLE_KEY: ("(", ")"), SET_KEY: ("{", "}"), FROZENSET_KEY: ("frozenset({", "})")}
_EMPTY = {SET_KEY: "set()", FROZENSET_KEY: "frozenset()"}  # {} is an empty dict
_NOT_FIELDS = (TYPE_KEY, OBJECT_KEY, STATE_KEY)
_LABELS = ("name", "coro")  # facts beside a state that need no name: the function of a generator, the name of a thread
_REST_NAMES = (CUT_MARK, repr(CUT_MARK))  # keys whose value counts the omitted entries


@dataclass(frozen=True, slots=True)
class Node:
    """A dict or an object: named values between brackets. Nodes with the same text are equal."""

    text: str  # of the whole node
    opening: str = field(compare=False)  # such as "Cart("
    parts: tuple[Part, ...] = field(compare=False)
    closing: str = field(compare=False)

    @classmethod
    def of(cls, opening: str, parts: Iterable[Part], closing: str) -> Node:
        """Create a node from its brackets and its named parts."""
        parts = tuple(parts)
        inner = ", ".join([name + str(value) for name, value in parts])
        return cls(f"{opening}{inner}{closing}", opening, parts, closing)

    def __str__(self) -> str:
        return self.text

    def __len__(self) -> int:
        return len(self.text)


# A value without named parts is text.
ValueTree: TypeAlias = "str | Node"
# The text before a value, and the value: "rate=", "'rate': ", or "" before the count of omitted entries.
Part: TypeAlias = tuple[str, ValueTree]


def read_value(stored: str) -> ValueTree:
    """Parse a recorded value.

    Args:
        stored: The value as JSON. What is no valid JSON is returned as text.
    """
    try:
        return value_tree(json.loads(stored))
    except (ValueError, RecursionError):  # not written by the tracer, or nested too deeply to parse
        return clean(stored)


def named_values(stored: str | None) -> list[tuple[str, ValueTree]]:
    """Parse recorded arguments or local variables into pairs of name and value.

    Args:
        stored: A JSON object; None if none were recorded. What is no JSON object becomes the value of a pair named "?".
    """
    if not stored:
        return []
    try:
        parsed: object = json.loads(stored)
        if is_object(parsed):
            return [(clean(name), value_tree(value)) for name, value in parsed.items()]
    except (ValueError, RecursionError):
        pass
    return [("?", clean(stored))]


def notation(value: object) -> str:
    """Render a parsed value as Python would write it.

    Args:
        value: Parsed JSON. The tracer's marks ($tuple, $type, cuts) are rendered as what they stand for.
    """
    return str(value_tree(value))


def value_tree(value: object) -> ValueTree:
    """Convert parsed JSON to a tree of named values in Python's notation.

    Args:
        value: Parsed JSON, with the tracer's marks.
    """
    if isinstance(value, str):
        if value.startswith("<") and (identity := described_identity(value)):
            return identity
        return clean(value) if value == REDACTED or value.startswith(CUT_OPENING) else repr(value)
    if is_object(value):
        return _object(value)
    return f"[{_items(value)}]" if is_array(value) else repr(value)


def _object(value: dict[str, Any]) -> ValueTree:
    first = next(iter(value), "")
    if first in _BRACKETS and is_array(value[first]):
        opening, closing = _BRACKETS[first]
        if not value[first] and first in _EMPTY:
            return _EMPTY[first]
        comma = "," if first == TUPLE_KEY and len(value[first]) == 1 else ""
        return opening + _items(value[first]) + comma + closing
    if first == FLOAT_KEY:
        return clean(str(value[first]))
    if first in (BYTES_KEY, BYTEARRAY_KEY):
        size = f"…({value['size']:,} bytes in all)" if isinstance(value.get("size"), int) else ""
        return f"b{value[first]!r}{size}"
    if first != TYPE_KEY:
        return Node.of("{", _entries(value), "}")
    fields = {key: item for key, item in value.items() if key not in _NOT_FIELDS}
    kind = clean(str(value[TYPE_KEY]))
    if OBJECT_KEY in value or STATE_KEY in value:
        return _numbered(value, fields)
    if any(key.startswith(KEY_MARK) for key in fields):  # a subclass of dict, since no field has such a name
        return Node.of(f"{kind}({{", _entries(fields), "})")
    if fields.keys() == {REPR_KEY}:
        return clean(str(fields[REPR_KEY]))
    if fields.keys() == {VALUE_FIELD}:
        return f"{kind}({value_tree(fields[VALUE_FIELD])})"
    if fields.keys() == {"items"} and is_array(fields["items"]):
        return f"{kind}([{_items(fields['items'])}])"
    if fields.keys() == {"args"} and is_array(fields["args"]):
        return f"{kind}({_items(fields['args'])})"
    return Node.of(f"{kind}(", [_part(key, f"{clean(key)}=", item) for key, item in fields.items()], ")")


def _numbered(value: dict[str, Any], fields: dict[str, Any]) -> ValueTree:
    """Render an object that has a number or a state: ``Cart#1(total=5)``, ``Future#2<cancelled>``."""
    name = clean(identity_of(value) or short_name(str(value[TYPE_KEY])))
    has_state = STATE_KEY in value
    labels = [clean(str(fields.pop(key))) for key in _LABELS if has_state and isinstance(fields.get(key), str)]
    parts = [_part(key, f"{clean(key)}=", item) for key, item in fields.items()]
    if not has_state:
        return Node.of(f"{name}(", parts, ")") if parts else name
    state = ", ".join([*labels, clean(str(value[STATE_KEY]))])
    return Node.of(f"{name}<{state}, ", parts, ">") if parts else f"{name}<{state}>"


def _entries(entries: dict[str, Any]) -> list[Part]:
    return [_part(key, f"{key_text(key)}: ", item) for key, item in entries.items()]


def key_text(key: str) -> str:
    """Render the key of a dict.

    Args:
        key: As recorded. Keys of JSON are strings, so the tracer marks all others.
    """
    if key.startswith(KEY_MARK):
        try:
            return notation(json.loads(key.removeprefix(KEY_MARK)))
        except ValueError:  # cut
            pass
    return repr(key)


def _part(key: str, name: str, item: object) -> Part:
    if key in _REST_NAMES:
        return "", clean(f"…({item})") if item else CUT_MARK
    return name, value_tree(item)


def _items(items: Sequence[object]) -> str:
    return ", ".join(map(notation, items))
