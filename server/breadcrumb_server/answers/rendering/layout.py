"""Fit values into a number of characters: short ones in full first, long ones field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence

from breadcrumb_server.answers.common.budget import shares
from breadcrumb_server.answers.common.parsed_json import parsed_object
from breadcrumb_server.answers.common.text import cut
from breadcrumb_server.answers.rendering.identities import cut_names
from breadcrumb_server.answers.rendering.mentions import Mentions
from breadcrumb_server.answers.rendering.notation import Node, ValueTree, named_values, read_value

# Characters below which a cut value says nothing.
MIN_SHARE_CHARS = 12
# Characters that the mark of a cut takes, and those below which what it counts would take most of them.
_MARK_CHARS = 16
_LEAST_COUNTED_CHARS = 24
# Characters of a value that is worth more in full than a longer part of another one.
_SHORT_VALUE_CHARS = 60
# Fewest characters that a field takes, with its name.
_MIN_PART_CHARS = 6
# Ends an object that is shown by some of its fields.
_FIELDS_MARK = "…(+N fields)"
# What an object's text begins with, and what stands for all of its fields.
_NAME_OF_OBJECT = re.compile(r"[\w.<>]+(?:#\d+)?\(")
_NO_FIELDS = "…)"
_FIRST = (False, False, False)  # the rank of a plain field that differs
_NOTHING: Mapping[str, Collection[str]] = {}
# Characters by which a value of low priority is recognised.
LOW_PRIORITY_CHARS = 40


def value_text(stored: str | None, chars: int) -> str:
    """Render a recorded value in at most ``chars`` characters.

    Args:
        stored: The value as JSON; None, which renders as "", if none was recorded.
        chars: Maximum characters.
    """
    return "" if stored is None else cut_value(read_value(stored), chars)


def cut_value(value: ValueTree, chars: int, cut_text: Callable[[str, int], str] = cut) -> str:
    """Render a value in at most ``chars`` characters.

    The long fields of an object or a dict are cut, so that all fields are named. Any other value is cut at its end,
    after the dotted names in it at their beginnings, and so is one with too many fields.

    Args:
        value: The value.
        chars: Maximum characters.
        cut_text: Cuts a text to a number of characters.
    """
    text = str(value)
    if len(text) <= chars:
        return text
    named = _NAME_OF_OBJECT.fullmatch(value.opening) if isinstance(value, Node) else None
    if named and len(named[0]) + len(_NO_FIELDS) <= chars < max(_LEAST_COUNTED_CHARS, len(named[0]) + _MARK_CHARS):
        return named[0] + _NO_FIELDS  # the beginning of its first field says nothing
    if chars < _LEAST_COUNTED_CHARS:
        return cut_names(text, chars)[: max(chars - 1, 0)] + "…"
    if not isinstance(value, Node):
        return cut_text(cut_names(text, chars), chars)
    if not value.parts or len(value.parts) - 1 > chars // _MIN_PART_CHARS:
        return cut_text(text, chars)
    names = sum(len(name) + len(", ") for name, _ in value.parts)
    room = chars - len(value.opening) - len(value.closing) - names
    if room < sum(min(len(part), _MARK_CHARS) for _, part in value.parts):
        return cut_text(text, chars)
    granted = _shares([len(part) for _, part in value.parts], room)
    shown = [name + cut_value(part, share, cut_text) for (name, part), share in zip(value.parts, granted, strict=True)]
    return cut_text(value.opening + ", ".join(shown) + value.closing, chars)


def arguments_text(stored: str | None, chars: int, mentions: Mentions | None = None) -> str:
    """Render recorded arguments as ``a=1, b=None``; long ones are cut so that all are named.

    Args:
        stored: The arguments as a JSON object; None if none were recorded.
        chars: Maximum characters.
        mentions: The objects that the text has shown before, if it is longer.
    """
    if mentions is None:
        return pairs_text(named_values(stored), chars)
    text = pairs_text(mentions.pairs(stored), chars)
    mentions.shown(text)
    return text


def without_self(args: str | None) -> str | None:
    """Drop the object of a method from recorded arguments."""
    parsed = parsed_object(args)
    return json.dumps({name: value for name, value in parsed.items() if name != "self"}) if "self" in parsed else args


def without_equal(args: str | None, others: Mapping[str, object]) -> str | None:
    """Drop the recorded arguments that are equal to others of the same names, such as their defaults.

    Args:
        args: The arguments as a JSON object; None if none were recorded.
        others: Parsed values by name.
    """
    parsed = parsed_object(args)
    kept = {name: value for name, value in parsed.items() if not (name in others and _is_equal(value, others[name]))}
    return args if len(kept) == len(parsed) else json.dumps(kept)


def _is_equal(value: object, other: object) -> bool:
    return type(value) is type(other) and value == other


def pairs_text(
    pairs: Sequence[tuple[str, ValueTree]],
    chars: int,
    low_priority: Collection[str] = (),
    differing: Mapping[str, Collection[str]] = _NOTHING,
) -> str:
    """Render pairs as ``a=1, b=None``; long values are cut so that all are named.

    Args:
        pairs: Names and values.
        chars: Maximum characters.
        low_priority: Names of values that say little; each gets no more than LOW_PRIORITY_CHARS.
        differing: By the name of a value, the names of its fields that are shown first where not all are.
    """
    names = sum(len(name) + len("=, ") for name, _ in pairs)
    wanted = [min(len(value), LOW_PRIORITY_CHARS) if name in low_priority else len(value) for name, value in pairs]
    granted = _shares(wanted, chars - names)
    shown = [
        f"{name}={first_fields(value, share, differing.get(name, ()))}"
        for (name, value), share in zip(pairs, granted, strict=True)
    ]
    return cut(", ".join(shown), chars)


def first_fields(value: ValueTree, chars: int, differing: Collection[str] = ()) -> str:
    """Render a value in at most ``chars`` characters, an object by the fields that say most where not all fit.

    These are the fields that differ, then plain ones such as an id or a name, then objects and private ones.

    Args:
        value: The value.
        chars: Maximum characters.
        differing: Names of the fields that come first.
    """
    text = cut_value(value, chars)
    if not isinstance(value, Node) or len(value) <= chars or len(value.parts) < 2:
        return text
    room = chars - len(value.opening) - len(value.closing) - len(_FIELDS_MARK)
    taken: list[int] = []
    for index in sorted(range(len(value.parts)), key=lambda each: _rank(value.parts[each], differing)):
        name, part = value.parts[index]
        needed = len(name) + len(part) + len(", ")
        if name and needed <= room:
            taken.append(index)
            room -= needed
    # With more room, a part of each field says more, unless that leaves out what differs.
    differ = [value.parts[index] for index in taken if _rank(value.parts[index], differing) == _FIRST]
    if not taken or (chars > 2 * LOW_PRIORITY_CHARS and all(name + str(part) in text for name, part in differ)):
        return text
    shown = [name + str(part) for name, part in (value.parts[index] for index in sorted(taken))]
    left = len(value.parts) - len(taken)
    return cut(f"{value.opening}{', '.join(shown)}, {_FIELDS_MARK.replace('N', str(left))}{value.closing}", chars)


def _rank(part: tuple[str, ValueTree], differing: Collection[str]) -> tuple[bool, bool, bool]:
    name, value = part
    return name.rstrip("=: ") not in differing, name.startswith("_"), isinstance(value, Node)


def _shares(lengths: Sequence[int], room: int) -> list[int]:
    return shares(lengths, room, least=MIN_SHARE_CHARS, short=_SHORT_VALUE_CHARS, mark=_MARK_CHARS)
