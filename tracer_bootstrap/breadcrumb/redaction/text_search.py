"""Redact secrets that are known by their shape or by the name before them, plain or encoded."""

from __future__ import annotations

from .card_numbers import redact_numbers
from .encoded_texts import redact_encoded
from .named_values import redact_named
from .secret_names import SecretNames
from .secret_shapes import redact_shapes, redact_tokens
from .suspicion import ENCODED, NAMED, NUMBERS, SHAPES, TOKENS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


def redact_kinds(
    text: str,
    kinds: int,
    names: SecretNames,
    learn: Callable[[str, str], None],
    redact_decoded: Callable[[str], str],
) -> str:
    """Redact the secrets of these kinds.

    Args:
        text: The text to search.
        kinds: Flags from ``suspicion.possible_kinds``.
        names: The rules for secret names.
        learn: Called with each secret and the name before it, empty if there is none.
        redact_decoded: Takes the secrets out of a text that was encoded in this one.
    """
    if kinds & SHAPES:
        text = redact_shapes(text, lambda secret: learn(secret, ""))
    if kinds & TOKENS:
        text = redact_tokens(text, lambda secret: learn(secret, ""))
    if kinds & NUMBERS:
        text = redact_numbers(text)
    if kinds & NAMED:
        text = redact_named(text, names, learn)
    if kinds & ENCODED:
        text = redact_encoded(text, redact_decoded)
    return text
