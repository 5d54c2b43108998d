"""Change one member of a JSON text and keep every other character.

The values are read by the standard library. Only the members of the objects on the way are stepped through, for their
positions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from breadcrumb_server.answers.common.parsed_json import is_object

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
DEFAULT_INDENT = "  "


class NotEditable(Exception):
    """The text is not what can be edited; its message says why."""


@dataclass(frozen=True)
class _Member:
    """A member of an object, by positions in the text."""

    key: str
    start: int  # of the key
    value_start: int
    end: int


@dataclass(frozen=True)
class _Object:
    """An object, by positions in the text."""

    start: int  # of the brace
    members: list[_Member]
    end: int  # behind the closing brace

    def find(self, key: str) -> _Member | None:
        return next((each for each in self.members if each.key == key), None)


def parse(text: str) -> dict[str, Any]:
    """Return the object that a text holds; an empty text is an empty object.

    Raises:
        NotEditable: It is not plain JSON, not an object, or a key stands twice in one of its objects.
    """
    try:
        value: object = json.loads(text, object_pairs_hook=_without_repeats) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise NotEditable(f"it is not plain JSON ({error})") from error
    if not is_object(value):
        raise NotEditable("it is JSON, but not an object")
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def lookup(document: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return the value at a path of keys, None if there is none.

    Raises:
        NotEditable: Something on the way is not an object.
    """
    value: Any = document
    for position, key in enumerate(path):
        if not is_object(value):
            raise NotEditable(f"its {'.'.join(path[:position])!r} is not an object")
        if key not in value:
            return None
        value = value[key]
    return value


def with_member(text: str, path: Sequence[str], value: Mapping[str, Any]) -> str:
    """Return the text with a value at a path of keys, added at the end of its object or in place of another.

    Args:
        text: A text that `parse` accepts.
        path: The keys, of which the last ones may be missing.
        value: An object.

    Raises:
        NotEditable: Something on the way is not an object.
    """
    lookup(parse(text), path)
    if not text.strip():
        text = "{}\n"
    found = _object_at(text, _skip(text, 0))
    unit = _indent(text, found) or DEFAULT_INDENT
    depth = 0
    for depth, key in enumerate(path):
        member = found.find(key)
        if member is None:
            break
        if depth == len(path) - 1:
            indent = _line_indent(text, member.start) if _spans_lines(text, found) else None
            return text[: member.value_start] + _shown(value, unit, indent, _newline(text)) + text[member.end :]
        found = _object_at(text, member.value_start)
    added: Any = value
    for key in reversed(path[depth + 1 :]):
        added = {key: added}
    return _append(text, found, path[depth], added, unit)


def without_member(text: str, path: Sequence[str]) -> str:
    """Return the text without the member at a path of keys, which is there."""
    found = _object_at(text, _skip(text, 0))
    for key in path[:-1]:
        member = found.find(key)
        assert member is not None
        found = _object_at(text, member.value_start)
    keys = [each.key for each in found.members]
    position = keys.index(path[-1])
    member = found.members[position]
    if len(keys) == 1:
        return text[: found.start] + "{}" + text[found.end :]
    if position == len(keys) - 1:
        return text[: found.members[position - 1].end] + text[member.end :]
    return text[: member.start] + text[found.members[position + 1].start :]


def render(value: Mapping[str, Any], unit: str = DEFAULT_INDENT) -> str:
    """Return an object as text of several lines."""
    return json.dumps(value, indent=unit, ensure_ascii=False)


def _append(text: str, found: _Object, key: str, value: Any, unit: str) -> str:
    name, newline = json.dumps(key, ensure_ascii=False), _newline(text)
    if found.members:
        last = found.members[-1]
        indent = _line_indent(text, found.members[0].start) if _spans_lines(text, found) else None
        between = " " if indent is None else newline + indent
        return f"{text[: last.end]},{between}{name}: {_shown(value, unit, indent, newline)}{text[last.end :]}"
    outer = _line_indent(text, found.start)
    indent = outer + unit
    body = f"{{{newline}{indent}{name}: {_shown(value, unit, indent, newline)}{newline}{outer}}}"
    return text[: found.start] + body + text[found.end :]


def _shown(value: Any, unit: str, indent: str | None, newline: str) -> str:
    """Return a value as text; without an indent, in one line."""
    if indent is None:
        return json.dumps(value, ensure_ascii=False)
    return render(value, unit).replace("\n", newline + indent)


def _object_at(text: str, start: int) -> _Object:
    members: list[_Member] = []
    position = _skip(text, start + 1)
    while text[position] != "}":
        key_start = position
        key, position = _DECODER.raw_decode(text, position)
        value_start = _skip(text, _skip(text, position) + 1)  # behind the colon
        _, end = _DECODER.raw_decode(text, value_start)
        members.append(_Member(key, key_start, value_start, end))
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return _Object(start, members, position + 1)


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None
    return found.end()


def _spans_lines(text: str, found: _Object) -> bool:
    """Return whether the members of an object stand on lines of their own."""
    return not found.members or "\n" in text[found.start : found.members[0].start]


def _line_indent(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _indent(text: str, root: _Object) -> str:
    """Return what a level is indented by, as the first member has it."""
    return _line_indent(text, root.members[0].start) if root.members and _spans_lines(text, root) else ""


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
