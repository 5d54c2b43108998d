"""Write texts and numbers as JSON, and JSON as bytes."""

from __future__ import annotations

from .value_format import DELETED_KEY

try:
    from _json import encode_basestring as quote
    from _json import encode_basestring_ascii as quote_ascii
except ImportError:  # no C accelerator
    from json.encoder import py_encode_basestring as quote  # type: ignore[no-redef, unused-ignore]
    from json.encoder import py_encode_basestring_ascii as quote_ascii  # type: ignore[no-redef, unused-ignore]

__all__ = ["DELETED", "float_text", "quote", "quote_ascii", "utf8"]

# The value of a variable that was deleted.
DELETED = b'{"%b": true}' % DELETED_KEY.encode()


def utf8(text: str) -> bytes:
    """Encode JSON text; a lone surrogate becomes an escape, which is valid inside a JSON string."""
    return text.encode("utf-8", "backslashreplace")


def float_text(value: float) -> str:
    """Write a float; NaN and infinities as ``{"$float": "nan"}``, since JSON has no numbers for them."""
    text = float.__repr__(value)
    return text if text[-1] not in "nf" else '{"$float": "%s"}' % text  # nan, inf, -inf
