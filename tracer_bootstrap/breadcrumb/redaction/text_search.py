"""Takes out of a text what is secret in it by its shape or by the name before it, as it stands there or encoded."""

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


def search(
    text: str,
    kinds: int,
    names: SecretNames,
    learn: Callable[[str, str], None],
    redact_decoded: Callable[[str], str],
) -> str:
    """The text with the mark in the place of each secret.

    kinds: what to look for, as ``suspicion.look`` says; learn: called with each secret and the name that it stood
    behind, if any; redact_decoded: takes the secrets out of a text that was encoded in this one.
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
