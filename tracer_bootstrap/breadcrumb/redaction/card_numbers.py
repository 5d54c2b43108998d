"""Numbers that are secret by their shape: payment cards and US social security numbers."""

from __future__ import annotations

from ..value_format import REDACTED
from .regex import compiled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Match

# 13 to 19 digits, in groups of four or as American Express and Diners Club print them, or in none.
_NUMBERS = (
    r"(?:(?<![\d%-])|(?<=%[0-9A-Fa-f]{2}))(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"
    r"|(?:(?<![\d.%])|(?<=%[0-9A-Fa-f]{2}))"  # (what a percent escape ends with is no digit of the number)
    r"(?P<card>\d{13,19}|\d{4}(?P<gap>[ +-])(?:\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}|\d{6}(?P=gap)\d{4,5}))(?!\d)"
)

# The smallest and the largest number of a card.
_LOWEST, _BEYOND = 10**12, 10**19

# Seconds since 1970 of 2015 and 2035: a clock in milli-, micro- or nanoseconds is no card.
_CLOCK_FROM, _CLOCK_TO = "1420070400", "2051222400"
_CLOCK_DIGITS = (13, 16, 19)

# What the numbers of cards begin with (ISO/IEC 7812). Sixteen digits are taken for one whatever they begin with.
_FIRST_DIGITS = "23456"

# Digits within so many hexadecimal ones are a piece of a hash.
_MIN_HASH_CHARS = 24
_HEXADECIMAL = "0123456789abcdefABCDEF"


def redact_numbers(text: str) -> str:
    """The text with the mark in the place of each card number and social security number."""
    pattern = compiled(_NUMBERS)
    return REDACTED if pattern is None else str(pattern.sub(_mark_number, text))


def is_card_number(number: int) -> bool:
    """Whether an integer is the number of a payment card."""
    return _LOWEST <= number < _BEYOND and _is_card("%d" % number)


def _is_card(digits: str) -> bool:
    if len(digits) in _CLOCK_DIGITS and _CLOCK_FROM <= digits[:10] < _CLOCK_TO:
        return False
    if len(digits) != 16 and digits[0] not in _FIRST_DIGITS:
        return False
    return len(set(digits)) > 1 and _luhn(digits)


def _luhn(digits: str) -> bool:
    """The check sum of payment cards (ISO/IEC 7812-1)."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        digit = int(char)
        if position % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def _mark_number(match: Match[str]) -> str:
    card = match.group("card")
    if card is not None and (not _is_card("".join(c for c in card if c.isdigit())) or _is_in_hash(match)):
        return card
    return REDACTED


def _is_in_hash(match: Match[str]) -> bool:
    """Whether the digits are a part of a longer hexadecimal number."""
    text, start, end = match.string, match.start(), match.end()
    while start > 0 and text[start - 1] in _HEXADECIMAL:
        start -= 1
    while end < len(text) and text[end] in _HEXADECIMAL:
        end += 1
    return end - start >= _MIN_HASH_CHARS and not text[start:end].isdigit()
