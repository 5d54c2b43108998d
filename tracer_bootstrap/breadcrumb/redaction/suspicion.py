"""Check cheaply which kinds of secrets a text can hold, known by their shape or by a name before them.

Most texts can hold none and cost no more than this check. The search, and ``re`` with it, is imported for the first
text that can.
"""

from __future__ import annotations

from .secret_names import SecretNames

# Every text with one of the SHAPES of ``secret_shapes`` contains one of these.
SHAPE_HINTS = (
    "PRIVATE KEY", "PuTTY", "://", "hooks.", "webhooks", "AccountKey=", "SharedAccess", "sig=", "ignature=", "earer",
    "asic", "oken", "EARER", "ASIC", "$", "assword", "ASSWORD", "dentified ", "DENTIFIED ",
    "ecret ", "I key ", "i key ",
)  # fmt: skip

# Every notation of a named value contains one of these, or begins with a dash.
_MARKS = ("=", ":", " -", "--", "</", "('", '("', "(b'", '(b"')

# Minimum run of letters, digits, dashes and underscores in a token; in base64, of slashes and pluses too.
MIN_RUN_CHARS = 12
MIN_HEX_CHARS = 16
ALPHANUMERIC = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_HEX_DIGITS = b"0123456789abcdefABCDEF"


def _table(chars: bytes) -> bytes:
    """Return a translation table: x for these characters, a space for all others."""
    return bytes(120 if char in chars else 32 for char in range(256))


_AS_TOKENS = _table(ALPHANUMERIC + b"_-")
_AS_BASE64 = _table(ALPHANUMERIC + b"_-+/")
_AS_HEX = _table(_HEX_DIGITS)
_RUN = b"x" * MIN_RUN_CHARS
_HEX_RUN = b"x" * MIN_HEX_CHARS

# Layouts of payment cards and social security numbers, with a d for each digit.
_MIN_DIGITS = 9
_DIGITS = b"0123456789"
_AS_LAYOUT = bytes(100 if char in _DIGITS else 32 if char in b" +" else 45 if char == 45 else 46 for char in range(256))
_LAYOUTS = (b"d" * 13, b"dddd dddd dddd ", b"dddd-dddd-dddd-", b"dddd dddddd ", b"dddd-dddddd-", b"ddd-dd-dddd")

# Kinds of secrets, as flags.
SHAPES, TOKENS, NUMBERS, NAMED, ENCODED = 1, 2, 4, 8, 16


def possible_kinds(text: str, names: SecretNames) -> int:
    """Return the flags of the kinds of secrets that can be in a text; 0 for none."""
    found = 0
    for hint in SHAPE_HINTS:
        if hint in text:
            found = SHAPES
            break
    raw = text.encode("utf-8", "replace")
    if _RUN in raw.translate(_AS_TOKENS):
        found |= TOKENS
    if len(raw) - len(raw.translate(None, _DIGITS)) >= _MIN_DIGITS and _has_layout(raw.translate(_AS_LAYOUT)):
        found |= NUMBERS
    for mark in _MARKS:
        if mark in text:
            if names.may_be_in(text):
                found |= NAMED
            break
    else:
        if text[:1] == "-" and names.may_be_in(text):
            found |= NAMED
    if "%" in text or "\0" in text or has_base64(raw) or has_hex(raw):
        found |= ENCODED
    return found


def has_base64(raw: bytes) -> bool:
    """Return whether a text, given as UTF-8, can hold base64, which has capital letters."""
    return raw.lower() != raw and _RUN in raw.translate(_AS_BASE64)


def has_hex(raw: bytes) -> bool:
    """Return whether a text, given as UTF-8, can hold encoded hexadecimal digits."""
    return _HEX_RUN in raw.translate(_AS_HEX)


def _has_layout(layout: bytes) -> bool:
    for digits in _LAYOUTS:
        if digits in layout:
            return True
    return False
