"""Change one table of a TOML text and keep every other character.

The standard library reads TOML and cannot write it. A table is found by its header; whatever a change leads to is read
again and compared, so that no text is damaged which says the same in another form.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.clients.json_text import NotEditable, lookup

_HEADER = re.compile(r"^[ \t]*\[")


def parse(text: str) -> dict[str, Any]:
    """Return what a text says.

    Raises:
        NotEditable: It is not TOML.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise NotEditable(f"it is not TOML ({error})") from error


def with_member(text: str, path: Sequence[str], value: Mapping[str, Any]) -> str:
    """Return the text with a table, added at its end or in place of the old one.

    Args:
        text: A text that `parse` accepts.
        path: The keys of the table.
        value: Its content.

    Raises:
        NotEditable: The text has the table, or one on the way to it, in a form that cannot be edited safely.
    """
    expected = deepcopy(parse(text))
    is_there = lookup(expected, path) is not None
    table = expected
    for key in path[:-1]:
        table = table.setdefault(key, {})
    table[path[-1]] = dict(value)
    start, end = _find(text, path) if is_there else (None, 0)
    block = render(path, value)
    if start is None:
        block = ("" if not text.strip() else "\n" if text.endswith("\n") else "\n\n") + block
        start = end = len(text)
    if "\r\n" in text:
        block = block.replace("\n", "\r\n")
    return _checked(text[:start] + block + text[end:], expected)


def without_member(text: str, path: Sequence[str]) -> str:
    """Return the text without a table, which is there.

    Raises:
        NotEditable: The text has the table in a form that cannot be edited safely.
    """
    expected = deepcopy(parse(text))
    del lookup(expected, path[:-1])[path[-1]]
    start, end = _find(text, path)
    if start is None:
        raise NotEditable("it has the entry in a form that cannot be edited safely")
    before, after = text[:start], text[end:]
    rest = before.rstrip("\r\n")
    changed = rest + before[len(rest) :][: 2 if "\r\n" in text else 1] + (after if after.strip() else "")
    if lookup(expected, path[:-1]):
        return _checked(changed, expected)
    without = deepcopy(expected)
    del lookup(without, path[:-2])[path[-2]]  # a table without a header of its own goes with the last one in it
    return _checked(changed, expected, without)


def render(path: Sequence[str], value: Mapping[str, Any]) -> str:
    """Return a table as text: strings, numbers, booleans, lists and tables of these."""
    name = ".".join(_key(key) for key in path)
    lines = [f"[{name}]"]
    lines += [f"{_key(key)} = {_value(each)}" for key, each in value.items()]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if is_object(value):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if is_array(value):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings have the same escapes, numbers and booleans the same words


def _find(text: str, path: Sequence[str]) -> tuple[int | None, int]:
    """Return where a table begins and ends, with the tables in it; comments before the next header belong to that."""
    keys = r"\s*\.\s*".join(rf"""(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')""" for key in path)
    own = re.compile(rf"^[ \t]*\[\s*{keys}\s*(?:\.[^\]]*)?\][ \t]*(?:#.*)?$")
    start: int | None = None
    end = position = 0
    for line in text.splitlines(keepends=True):
        is_own = own.match(line.rstrip("\r\n")) is not None
        if is_own and start is None:
            start = position
        elif start is not None and not is_own and _HEADER.match(line):
            break
        position += len(line)
        if start is not None and line.strip() and not line.lstrip().startswith("#"):
            end = position
    return start, end


def _checked(text: str, *expected: Mapping[str, Any]) -> str:
    """Return a changed text if it says what is expected, or one of several things."""
    try:
        is_right = tomllib.loads(text) in expected
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise NotEditable("it has the entry, or the table that it goes into, in a form that cannot be edited safely")
    return text
