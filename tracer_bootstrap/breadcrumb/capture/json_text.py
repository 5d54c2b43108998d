"""Texts as JSON strings, and JSON as bytes."""

from __future__ import annotations

try:
    from _json import encode_basestring as quote
except ImportError:  # no C accelerator
    from json.encoder import py_encode_basestring as quote  # type: ignore[no-redef, unused-ignore]

__all__ = ["quote", "utf8"]


def utf8(text: str) -> bytes:
    # A lone surrogate becomes \udc80: inside a JSON string that is its escape.
    return text.encode("utf-8", "backslashreplace")
