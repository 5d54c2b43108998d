"""Distribute characters over values: short ones in full first, long ones field by field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from breadcrumb_server.answers.common.budget import shares
from breadcrumb_server.answers.common.text import cut
from breadcrumb_server.answers.rendering.notation import Node, ValueTree, named_values, read_value

# Below this no value says anything.
MIN_SHARE_CHARS = 12
# What the mark of a cut takes.
_MARK_CHARS = 16
# To read such a value whole tells more than to read a bit more of a long one.
_SHORT_VALUE_CHARS = 60
# a=1, takes less than this, and hardly any name.
_MIN_PART_CHARS = 6
# Of a value that is only to be recognised.
RECOGNISED_CHARS = 40


def value_text(stored: str | None, chars: int) -> str:
    """Write a captured value; "" where none was."""
    return "" if stored is None else cut_value(read_value(stored), chars)


def cut_value(value: ValueTree, chars: int, cut: Callable[[str, int], str] = cut) -> str:
    """Write a value in at most ``chars`` characters.

    The long fields of an object or a dict give way, so that all are named. Any other value is cut at its end, and so
    is one of too many fields.
    """
    text = str(value)
    if len(text) <= chars:
        return text
    if not isinstance(value, Node) or not value.parts or len(value.parts) - 1 > chars // _MIN_PART_CHARS:
        return cut(text, chars)
    names = sum(len(name) + len(", ") for name, _ in value.parts)
    room = chars - len(value.opening) - len(value.closing) - names
    if room < sum(min(len(part), _MARK_CHARS) for _, part in value.parts):
        return cut(text, chars)
    granted = _shares([len(part) for _, part in value.parts], room)
    shown = [name + cut_value(part, share, cut) for (name, part), share in zip(value.parts, granted, strict=True)]
    return cut(value.opening + ", ".join(shown) + value.closing, chars)


def arguments_text(stored: str | None, chars: int) -> str:
    """Write captured arguments as ``a=1, b=None``; the long ones give way so that all are named."""
    return pairs_text(named_values(stored), chars)


def pairs_text(pairs: Sequence[tuple[str, ValueTree]], chars: int, giving_way: Collection[str] = ()) -> str:
    """Write ``a=1, b=None``; the long values give way so that all are named.

    Args:
        giving_way: names of values that say little; they get no more room than they need to be recognised.
    """
    names = sum(len(name) + len("=, ") for name, _ in pairs)
    wanted = [min(len(value), RECOGNISED_CHARS) if name in giving_way else len(value) for name, value in pairs]
    granted = _shares(wanted, chars - names)
    values = zip(pairs, granted, strict=True)
    return cut(", ".join(f"{name}={cut_value(value, share)}" for (name, value), share in values), chars)


def _shares(lengths: Sequence[int], room: int) -> list[int]:
    return shares(lengths, room, least=MIN_SHARE_CHARS, short=_SHORT_VALUE_CHARS, mark=_MARK_CHARS)
