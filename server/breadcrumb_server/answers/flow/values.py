"""Shorten the values in the lines of a flow, and cut values side by side so that their difference stays visible."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from breadcrumb_server.answers.common.budget import shares
from breadcrumb_server.answers.common.text import clean
from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.rendering.identities import cut_names
from breadcrumb_server.answers.rendering.layout import MIN_SHARE_CHARS, cut_value
from breadcrumb_server.answers.rendering.notation import Node, ValueTree

# Their type says enough, so the other arguments get the room.
_OWNERS = ("self", "cls")

_SPACE = re.compile(r"\s+")

Pairs = Sequence[tuple[str, ValueTree]]


def on_one_line(text: str) -> str:
    """Replace all white space by single spaces. The other functions expect texts like that."""
    return " ".join(clean(text).split())


def value_on_one_line(value: ValueTree) -> ValueTree:
    """Replace all white space in a value by single spaces."""
    if not isinstance(value, Node):
        return on_one_line(value)
    if on_one_line(value.text) == value.text:
        return value
    parts = [(_SPACE.sub(" ", name).lstrip(), value_on_one_line(part)) for name, part in value.parts]
    return Node.of(_SPACE.sub(" ", value.opening), parts, _SPACE.sub(" ", value.closing))


def short(line: str, chars: int) -> str:
    """Cut a text without counting what is missing. A line has many values, and get_calls shows each in full."""
    return line if len(line) <= chars else line[: max(chars - 1, 0)] + "…"


def side_by_side(lines: Sequence[str], chars: int) -> list[str]:
    """Cut each text to ``chars`` characters.

    Texts that this would make equal lose their common beginning instead.
    """
    cut = [short(cut_names(line, chars), chars) for line in lines]
    shown: list[str] = []
    for line, text in zip(lines, cut, strict=True):
        alike = [other for other, its in zip(lines, cut, strict=True) if its == text and other != line]
        nearest = max(alike, key=lambda other: _common_length(line, other), default=None)
        shown.append(text if nearest is None else _around_difference(line, nearest, chars))
    return shown


def arguments(pairs: Pairs, chars: int) -> str:
    """Render ``a=1, b=None``. If not all fit, the long ones come last and are cut, ``self`` first."""
    whole = _joined(pairs)
    if len(whole) <= chars:
        return whole
    pairs = sorted(pairs, key=lambda pair: (pair[0] in _OWNERS, len(pair[1]) > LIMITS.short_value_chars))
    *others, last = pairs
    if others and last[0] in _OWNERS:
        left = chars - len(_joined(others)) - len(last[0]) - 3
        room = max(left, int(chars * LIMITS.owner_share), LIMITS.min_value_chars)
        pairs = [*others, (last[0], short(str(last[1]), room))]
        whole = _joined(pairs)
        if len(whole) <= chars:
            return whole
    names = sum(len(name) + 3 for name, _ in pairs)
    granted = shares([len(value) for _, value in pairs], chars - names, least=MIN_SHARE_CHARS, even=True)
    shown = [f"{name}={cut_value(value, share, short)}" for (name, value), share in zip(pairs, granted, strict=True)]
    return short(", ".join(shown), chars)


def both_arguments(first: Pairs, other: Pairs, chars: int) -> tuple[str, str]:
    """Render the arguments of two calls of a group, each in ``chars`` characters.

    If not all fit, arguments that differ come first, and equal ones may be missing.
    """
    whole = _joined(first), _joined(other)
    if max(map(len, whole)) <= chars:
        return whole
    mine, theirs = ({name: str(value) for name, value in pairs} for pairs in (first, other))
    names = [*dict.fromkeys([*mine, *theirs])]
    names.sort(key=lambda name: name in _OWNERS)
    differing = [name for name in names if mine.get(name) != theirs.get(name)]
    if not differing:
        same = arguments(first, 2 * chars)
        return same, same
    while len(differing) > 1 and _room(differing, chars) < LIMITS.min_value_chars * len(differing):
        differing.pop()
    shown = _cut_both(mine, theirs, differing, chars)
    for name in names:
        piece = f"{name}={mine.get(name, '')}"
        if mine.get(name) == theirs.get(name) and max(map(_length, shown)) + len(piece) + 2 <= chars - len(", …"):
            for pieces in shown:
                pieces.append(piece)
    if any(len(pieces) < len(pairs) for pieces, pairs in zip(shown, (first, other), strict=True)):
        for pieces in shown:
            pieces.append("…")
    return short(", ".join(shown[0]), chars), short(", ".join(shown[1]), chars)


def _cut_both(
    mine: Mapping[str, str], theirs: Mapping[str, str], names: Sequence[str], chars: int
) -> tuple[list[str], list[str]]:
    """Render ``name=value`` of both calls for these parameters, in ``chars`` characters for each call."""
    lengths = [max(len(mine.get(name, "")), len(theirs.get(name, ""))) for name in names]
    granted = shares(lengths, _room(names, chars), least=MIN_SHARE_CHARS, even=True)
    shown: tuple[list[str], list[str]] = [], []
    for name, share in zip(names, granted, strict=True):
        having = [(pieces, call[name]) for pieces, call in zip(shown, (mine, theirs), strict=True) if name in call]
        texts = side_by_side([value for _, value in having], share)
        for (pieces, _), text in zip(having, texts, strict=True):
            pieces.append(f"{name}={text}")
    return shown


def _room(names: Sequence[str], chars: int) -> int:
    """Return the characters left for values, beside the names and the mark of missing arguments."""
    return chars - sum(len(name) + 3 for name in names) - len("…")


def _common_length(line: str, other: str) -> int:
    """Return the length of the common beginning."""
    pairs = enumerate(zip(line, other, strict=False))
    return next((at for at, (one, another) in pairs if one != another), min(len(line), len(other)))


def _around_difference(line: str, other: str, chars: int) -> str:
    """Return the part of a line in which it differs from the other one: its end, or what surrounds the difference."""
    common, room = _common_length(line, other), chars - 1
    last = max(len(line), len(other)) - room
    begin = last if last <= common else common - min(chars // 4, common)
    return "…" + short(line[begin:], room)


def _joined(pairs: Pairs) -> str:
    return ", ".join(f"{name}={value}" for name, value in pairs)


def _length(pieces: Sequence[str]) -> int:
    return sum(len(piece) + 2 for piece in pieces) - 2
