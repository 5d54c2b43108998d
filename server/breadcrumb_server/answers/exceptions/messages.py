"""Summarise different messages of one kind of exception in a line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from breadcrumb_server.answers.common.text import clean, cut

# Characters that the messages must share for the summary to show them as one text with the differing part in braces.
_MIN_SHARED_CHARS = 6
# Differing parts, or messages, that a summary shows.
_MAX_EXAMPLES = 3


def summarize_messages(messages: Sequence[str], chars: int, *, at_least: bool = False) -> str:
    """Return the message, or a summary such as ``200 different: order {1, 2, 3, …} not found``.

    Args:
        messages: The different messages.
        chars: Maximum characters.
        at_least: Whether there may have been more.
    """
    texts = [" ".join(clean(message).split()) for message in messages]
    texts = sorted(dict.fromkeys(texts), key=lambda text: (len(text), text))
    if len(messages) < 2:
        return cut(texts[0] if texts else "", chars)
    count = f"{'>=' if at_least else ''}{len(messages):,} different: "
    before, after = _shared(texts)
    if len(before) + len(after) < _MIN_SHARED_CHARS:
        return cut(count + ", ".join([*texts[:_MAX_EXAMPLES], *_more(texts)]), chars)
    differing = [text[len(before) : len(text) - len(after)] for text in texts]
    shown = ", ".join([*(cut(part, 30) for part in differing[:_MAX_EXAMPLES]), *_more(texts)])
    return cut(f"{count}{before}{{{shown}}}{after}", chars)


def _more(texts: Sequence[str]) -> list[str]:
    return ["…"] if len(texts) > _MAX_EXAMPLES else []


def _shared(texts: Sequence[str]) -> tuple[str, str]:
    """Return what all texts begin with and what they end with, without parts of words."""
    before = _common_start(texts)
    while before and _is_part_of_word(before[-1]):
        before = before[:-1]
    rests = [text[len(before) :][::-1] for text in texts]
    after = _common_start(rests)
    while after and _is_part_of_word(after[-1]):
        after = after[:-1]
    return before, after[::-1]


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)  # all others begin with what these two share
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))


def _is_part_of_word(char: str) -> bool:
    return char.isalnum() or char in "_.-"
