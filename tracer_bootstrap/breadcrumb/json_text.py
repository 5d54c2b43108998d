"""Texts and numbers as JSON, and JSON as bytes."""

from __future__ import annotations

from .value_format import DELETED_KEY

try:
    from _json import encode_basestring as quote
    from _json import encode_basestring_ascii as quote_ascii
except ImportError:  # no C accelerator
    from json.encoder import py_encode_basestring as quote  # type: ignore[no-redef, unused-ignore]
    from json.encoder import py_encode_basestring_ascii as quote_ascii  # type: ignore[no-redef, unused-ignore]

__all__ = ["DELETED", "float_text", "quote", "quote_ascii", "utf8"]

# Stands for the value of a variable that is gone.
DELETED = b'{"%b": true}' % DELETED_KEY.encode()


def utf8(text: str) -> bytes:
    # A lone surrogate becomes \udc80: inside a JSON string that is its escape.
    return text.encode("utf-8", "backslashreplace")


def float_text(value: float) -> str:
    """A float; those that JSON has no number for as objects, so that they are told from texts."""
    text = float.__repr__(value)
    return text if text[-1] not in "nf" else '{"$float": "%s"}' % text  # nan, inf, -inf
