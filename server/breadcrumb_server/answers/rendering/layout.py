"""How much of each value is shown: short ones whole before long ones have room, and of a long one each field."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from breadcrumb_server.answers.common.text import cut
from breadcrumb_server.answers.rendering.notation import named_values, read_value

# Below this no value says anything.
_MIN_VALUE_CHARS = 12
# What the mark of a cut takes.
_MARK_CHARS = 16
# To read such a value whole tells more than to read a bit more of a long one.
_SHORT_VALUE_CHARS = 60
# a=1, takes less than this, and hardly any name.
_MIN_PART_CHARS = 6
# Of a value that is only to be recognised.
RECOGNISED_CHARS = 40
# A token of a value in Python's notation: a text, a bracket, or what stands between two items.
_TOKENS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\[({]|[\])}]|, """, re.DOTALL)
# What stands in front of the first item of an object or a dict, and in front of each value.
_OPENING = re.compile(r"[\w.<>]+\(|[\w.<>]*\(?\{")
_NAME = re.compile(r"""\w+=|(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\w.-]+): """, re.DOTALL)


def value_text(stored: str | None, chars: int) -> str:
    """A captured value; "" where none was."""
    return "" if stored is None else cut_value(read_value(stored), chars)


def cut_value(text: str, chars: int, cut: Callable[[str, int], str] = cut) -> str:
    """A value in the notation of Python within ``chars``: of an object or a dict the long values give way, so that all
    of them are named. What is not made of a few named values is cut at its end.
    """
    if len(text) <= chars:
        return text
    found = _named_parts(text, most=chars // _MIN_PART_CHARS)
    if found is None:
        return cut(text, chars)
    opening, parts, closing = found
    room = chars - len(opening) - len(closing) - sum(len(name) + 2 for name, _ in parts)
    if room < sum(min(len(value), _MARK_CHARS) for _, value in parts):
        return cut(text, chars)
    granted = shares([len(value) for _, value in parts], room)
    told = [name + cut_value(value, share, cut) for (name, value), share in zip(parts, granted, strict=True)]
    return cut(opening + ", ".join(told) + closing, chars)


def _named_parts(text: str, most: int) -> tuple[str, list[tuple[str, str]], str] | None:
    """``Cart(``, its fields as (``name=``, value), ``)``; None where it has no names, or more than so many values."""
    opening = _OPENING.match(text)
    if opening is None:
        return None
    parts: list[tuple[str, str]] = []
    for part in _parts(text, opening.end(), most):
        name = _NAME.match(part)
        if name is None and not part.startswith("…("):
            return None
        parts.append((name[0], part[name.end() :]) if name else ("", part))
    end = opening.end() + sum(len(name) + len(value) + 2 for name, value in parts) - 2
    closing = text[end:]
    return (opening[0], parts, closing) if parts and len(closing) <= 2 else None


def _parts(text: str, begin: int, most: int) -> list[str]:
    """What stands between the brackets, the first of which ends at ``begin``; nothing where it is too much."""
    parts: list[str] = []
    depth, at = 0, begin
    for token in _TOKENS.finditer(text, begin):
        kind = token[0]
        if kind in "[({":
            depth += 1
        elif kind in "])}":
            depth -= 1
            if depth < 0:
                parts.append(text[at : token.start()])
                break
        elif kind == ", " and not depth:
            parts.append(text[at : token.start()])
            at = token.end()
            if len(parts) > most:
                return []
    return parts


def arguments_text(stored: str | None, chars: int) -> str:
    """Captured arguments as ``a=1, b=None``; the long ones give way so that all of them are named."""
    return pairs_text(named_values(stored), chars)


def pairs_text(pairs: Sequence[tuple[str, str]], chars: int, giving_way: Collection[str] = ()) -> str:
    """``a=1, b=None``; the long values give way so that all are named.

    Args:
        giving_way: names of values that say little; they get no more room than they need to be recognised.
    """
    names = sum(len(name) + 3 for name, _ in pairs)
    wanted = [min(len(value), RECOGNISED_CHARS) if name in giving_way else len(value) for name, value in pairs]
    granted = shares(wanted, chars - names)
    values = zip(pairs, granted, strict=True)
    return cut(", ".join(f"{name}={cut_value(value, share)}" for (name, value), share in values), chars)


def shares(lengths: Sequence[int], chars: int) -> list[int]:
    """How much of each text to show so that all stay within ``chars``: short ones whole, before long ones have any."""
    room, left = chars, len(lengths)
    granted = [0] * left
    for index in sorted(range(left), key=lengths.__getitem__):
        length = lengths[index]
        whole = length * left <= room or (length <= _SHORT_VALUE_CHARS and length + (left - 1) * _MARK_CHARS <= room)
        granted[index] = length if whole else max(room // left, _MIN_VALUE_CHARS)
        room -= granted[index]
        left -= 1
    return granted


def fair_share(lengths: Sequence[int], chars: int) -> int:
    """The length to cut each text to so that all stay within ``chars``; short ones leave room to long ones."""
    room, left = chars, len(lengths)
    for length in sorted(lengths):
        if length * left > room:
            return max(room // left, _MIN_VALUE_CHARS)
        room -= length
        left -= 1
    return max(chars, _MIN_VALUE_CHARS)
