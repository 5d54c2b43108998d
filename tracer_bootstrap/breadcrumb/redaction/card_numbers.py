"""Redact payment card numbers and US social security numbers, which are known by their shape."""

from __future__ import annotations

from ..value_format import REDACTED
from .regex import compiled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Match

# Social security numbers, and cards: 13 to 19 digits, ungrouped, in groups of four, or grouped as American Express and
# Diners Club print them.
_NUMBERS = (
    r"(?:(?<![\d%-])|(?<=%[0-9A-Fa-f]{2}))(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"
    r"|(?:(?<![\d.%])|(?<=%[0-9A-Fa-f]{2}))"  # the digits of a percent escape do not belong to the number
    r"(?P<card>\d{13,19}|\d{4}(?P<gap>[ +-])(?:\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}|\d{6}(?P=gap)\d{4,5}))(?!\d)"
)

# Card numbers have 13 to 19 digits.
_MIN_CARD, _CARD_LIMIT = 10**12, 10**19

# 2015 and 2035 in seconds since the epoch. A number that begins between them and has as many digits as a time in
# milli-, micro- or nanoseconds is a time and no card.
_EPOCH_2015, _EPOCH_2035 = "1420070400", "2051222400"
_TIME_DIGITS = (13, 16, 19)

# Integers of these ranges are no cards: their digits need not be looked at. Addresses have 15 digits, the first a 1.
_NO_CARDS = (
    (10**12, 2 * 10**12), (10**13, 2 * 10**13), (10**14, 2 * 10**14),
    *((int(_EPOCH_2015) * unit, int(_EPOCH_2035) * unit) for unit in (10**3, 10**6, 10**9)),
)  # fmt: skip

# First digits of card numbers (ISO/IEC 7812). Not required of sixteen digits, the usual length.
_FIRST_DIGITS = "23456"

# Each digit with the sum of the digits of its double.
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

# Digits in a run of at least this many hexadecimal characters are part of a hash.
_MIN_HASH_CHARS = 24
_HEXADECIMAL = "0123456789abcdefABCDEF"


def redact_numbers(text: str) -> str:
    """Redact the card numbers and social security numbers in a text."""
    pattern = compiled(_NUMBERS)
    return REDACTED if pattern is None else str(pattern.sub(_mark_number, text))


def is_card_number(number: int) -> bool:
    """Return whether an integer is a payment card number."""
    if not _MIN_CARD <= number < _CARD_LIMIT:
        return False
    for least, limit in _NO_CARDS:
        if least <= number < limit:
            return False
    return _is_card("%d" % number)


def _is_card(digits: str) -> bool:
    if len(digits) in _TIME_DIGITS and _EPOCH_2015 <= digits[:10] < _EPOCH_2035:
        return False
    if len(digits) != 16 and digits[0] not in _FIRST_DIGITS:
        return False
    return digits.count(digits[0]) < len(digits) and _luhn(digits)


def _luhn(digits: str) -> bool:
    """Verify the check digit of a payment card number (ISO/IEC 7812-1)."""
    raw = digits.encode()
    return (sum(raw[-1::-2]) + sum(raw[-2::-2].translate(_DOUBLED)) - len(raw) * ord("0")) % 10 == 0


def _mark_number(match: Match[str]) -> str:
    card = match.group("card")
    if card is not None and (not _is_card("".join([str(int(c)) for c in card if c.isdigit()])) or _is_in_hash(match)):
        return card
    return REDACTED


def _is_in_hash(match: Match[str]) -> bool:
    """Return whether the digits are part of a longer hexadecimal number."""
    text, start, end = match.string, match.start(), match.end()
    while start > 0 and text[start - 1] in _HEXADECIMAL:
        start -= 1
    while end < len(text) and text[end] in _HEXADECIMAL:
        end += 1
    return end - start >= _MIN_HASH_CHARS and not text[start:end].isdigit()
