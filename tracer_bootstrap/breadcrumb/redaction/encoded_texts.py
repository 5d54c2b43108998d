"""Redact secrets in encoded words: percent-encoding, base64, hexadecimal digits, UTF-16. Needs no ``re``."""

from __future__ import annotations

from ..value_format import REDACTED
from .suspicion import ALPHANUMERIC, MIN_HEX_CHARS, MIN_RUN_CHARS, has_base64, has_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator


def _only(chars: bytes) -> bytes:
    """Return a translation table that turns all other characters into spaces."""
    return bytes(char if char in chars else 32 for char in range(256))


_PERCENT_CHARS = _only(ALPHANUMERIC + b"_.~+!*'()/-%")  # the characters of a value in a query string
_BASE64_CHARS = _only(ALPHANUMERIC + b"_-+/")  # of both alphabets
_PLAIN_BASE64 = ALPHANUMERIC + b"+/=\r\n"
_HEX_CHARS = _only(b"0123456789abcdefABCDEF")

_WIDE_CODECS = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
# Four ASCII letters in each of these, as they look with NUL as 0 and any other byte as x. Few other data look so.
_AS_WIDE = b"0" + b"x" * 255
_WIDE_RUNS = (b"x0x0x0x0", b"0x0x0x0x", b"x000x000x000x000", b"000x000x000x000x")


def redact_encoded(text: str, redact: Callable[[str], str]) -> str:
    """Redact each encoded word that holds a secret.

    Args:
        text: The text with the encoded words.
        redact: Takes the secrets out of a decoded text.
    """
    raw = text.encode("utf-8", "replace")
    if "%" in text:
        for word in raw.translate(_PERCENT_CHARS).split():
            if b"%" in word and _holds_secret(_from_percent(word), redact):
                text = text.replace(word.decode(), REDACTED)
    if has_base64(raw):
        for word in raw.translate(_BASE64_CHARS).split():
            if len(word) >= MIN_RUN_CHARS and word.lower() != word and _holds_secret(_from_base64(word), redact):
                text = text.replace(word.decode(), REDACTED)
    if has_hex(raw):
        for word in raw.translate(_HEX_CHARS).split():
            if len(word) >= MIN_HEX_CHARS and _holds_secret(_from_hex(word), redact):
                text = text.replace(word.decode(), REDACTED)
    if "\0" in text:
        plain = text.replace("\0", "")
        if redact(plain) != plain:
            return REDACTED
    return text


def _holds_secret(decodings: Iterator[str], redact: Callable[[str], str]) -> bool:
    for plain in decodings:
        if redact(plain) != plain:
            return True
    return False


def holds_wide(data: bytes, redact: Callable[[str], str]) -> bool:
    """Return whether bytes hold a secret in UTF-16 or UTF-32.

    Args:
        data: The bytes, text or not.
        redact: Takes the secrets out of a decoded text.
    """
    layout = data.translate(_AS_WIDE)
    if not any([run in layout for run in _WIDE_RUNS]):
        return False
    for codec in _WIDE_CODECS:
        plain = data.decode(codec, "replace")
        if redact(plain) != plain:
            return True
    return False


def decode_base64(word: str) -> str:
    """Decode a word as base64; empty if the result is no printable text."""
    raw = word.encode("ascii", "replace")
    if raw.translate(None, _PLAIN_BASE64):  # spares interpreters with a token in their environment the import below
        return ""
    from binascii import Error, a2b_base64

    try:
        text = a2b_base64(raw).decode("utf-8", "replace")
    except Error:
        return ""
    return text if text.isprintable() and "\ufffd" not in text else ""


def _from_percent(word: bytes) -> Iterator[str]:
    first, *rest = word.split(b"%")
    plain = first
    for part in rest:
        number = part[:2]
        is_escape = len(number) == 2 and not number.strip(b"0123456789abcdefABCDEF")
        plain += bytes((int(number, 16),)) + part[2:] if is_escape else b"%" + part
    text = plain.decode("utf-8", "replace")
    yield text
    if "+" in text:
        yield text.replace("+", " ")


def _from_base64(word: bytes) -> Iterator[str]:
    from binascii import a2b_base64

    whole = len(word) - (len(word) % 4 == 1)
    return _texts_of(a2b_base64(word[:whole].replace(b"-", b"+").replace(b"_", b"/") + b"=="))


def _from_hex(word: bytes) -> Iterator[str]:
    from binascii import a2b_hex

    for start in (0, 1):  # a digit directly before the word may not belong to it
        yield from _texts_of(a2b_hex(word[start : start + (len(word) - start) // 2 * 2]))


def _texts_of(raw: bytes) -> Iterator[str]:
    plain = raw.decode("utf-8", "replace")
    yield plain
    if b"\0" in raw:
        yield plain.replace("\0", "")
