"""Translate encoded values from JSON to Python's notation, as in the message of an exception."""

from __future__ import annotations

try:
    from _json import scanstring
except ImportError:  # no C accelerator
    from json.decoder import py_scanstring as scanstring  # type: ignore[attr-defined, no-redef, unused-ignore]

from ..value_format import (
    BYTEARRAY_KEY,
    BYTES_KEY,
    CUT_MARK,
    FLOAT_KEY,
    FROZENSET_KEY,
    KEY_MARK,
    REDACTED,
    REPR_KEY,
    SET_KEY,
    TUPLE_KEY,
    TYPE_KEY,
    VALUE_FIELD,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

_CONSTANTS = {"null": "None", "true": "True", "false": "False"}
_BRACKETS = {TUPLE_KEY: ("(", ")"), SET_KEY: ("{", "}"), FROZENSET_KEY: ("frozenset({", "})")}


def python_text(json_text: str) -> str:
    """Translate a value's JSON text to Python's notation, keeping the marks of secrets and cuts.

    Args:
        json_text: A text from ``Encoder``.
    """
    return _Reader(json_text).value()


def python_fields(json_text: str) -> List[Tuple[str, str]]:
    """Return the names of an object's fields, and their values in Python's notation.

    Args:
        json_text: A text from ``Encoder.encode_fields``.
    """
    return _Reader(json_text).pairs()


def text_content(json_text: str) -> str:
    """Return the text that a value is made from, which ``str`` makes of a Decimal, a date, a path and the like.

    Args:
        json_text: A text from ``Encoder``: a type and its ``value``.
    """
    at = json_text.index('"%s": "' % VALUE_FIELD)
    text: str = scanstring(json_text, at + len('"%s": "' % VALUE_FIELD), False)[0]
    return text


class _Reader:
    """A reader of the encoder's JSON, which has one space after each comma and colon, and no others."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def value(self) -> str:
        first = self._text[self._at]
        if first == '"':
            return _quoted(self._string())
        if first == "[":
            return "[%s]" % ", ".join(self._items())
        if first == "{":
            return self._object()
        end = self._at
        while end < len(self._text) and self._text[end] not in ",]}":
            end += 1
        word, self._at = self._text[self._at : end], end
        return _CONSTANTS.get(word, word)

    def _items(self) -> List[str]:
        items: List[str] = []
        self._at += 1
        while self._text[self._at] != "]":
            items.append(self.value())
            self._skip(", ")
        self._at += 1
        return items

    def _object(self) -> str:
        pairs: List[Tuple[str, str]] = []
        self._at += 1
        while self._text[self._at] != "}":
            key = self._string()
            self._skip(": ")
            if key in _BRACKETS and not pairs:
                items = self._items()
                opening, closing = _BRACKETS[key]
                comma = "," if key == TUPLE_KEY and len(items) == 1 else ""
                self._at += 1
                return opening + ", ".join(items) + comma + closing
            pairs.append((key, self.value()))
            self._skip(", ")
        self._at += 1
        return _object_text(pairs)

    def pairs(self) -> List[Tuple[str, str]]:
        """Read an object of named values."""
        found: List[Tuple[str, str]] = []
        self._at += 1
        while self._text[self._at] != "}":
            name = self._string()
            self._skip(": ")
            found.append((name, self.value()))
            self._skip(", ")
        self._at += 1
        return found

    def _string(self) -> str:
        text, self._at = scanstring(self._text, self._at + 1, False)
        return text

    def _skip(self, separator: str) -> None:
        if self._text.startswith(separator, self._at):
            self._at += len(separator)


def _object_text(pairs: List[Tuple[str, str]]) -> str:
    kind = pairs[0][0] if pairs else ""
    if kind == TYPE_KEY:
        second = pairs[1][0] if len(pairs) == 2 else ""
        if second == REPR_KEY:
            return pairs[1][1][1:-1]
        if second == VALUE_FIELD:
            return "%s(%s)" % (pairs[0][1][1:-1], pairs[1][1])
        fields = ["%s=%s" % pair for pair in pairs[1:]]
        return "%s(%s)" % (pairs[0][1][1:-1], ", ".join(fields))
    if kind == FLOAT_KEY:
        return pairs[0][1][1:-1]
    if kind in (BYTES_KEY, BYTEARRAY_KEY):
        return "b" + pairs[0][1].replace("\\\\", "\\")  # its escapes are those of bytes already
    return "{%s}" % ", ".join("%s: %s" % (_key(key), item) for key, item in pairs)


def _key(key: str) -> str:
    """Translate the key of a dict; keys that are not str are marked, as JSON has no others."""
    return python_text(key[len(KEY_MARK) :]) if key.startswith(KEY_MARK) else _quoted(key)


def _quoted(text: str) -> str:
    return text if text == REDACTED or text.startswith(CUT_MARK) else repr(text)
