"""Find where in recorded values a text is: the innermost parts that have it, with the way to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from breadcrumb.value_format import CUT_MARK, KEY_MARK
from breadcrumb_server.answers.common.parsed_json import is_array, is_object
from breadcrumb_server.answers.find.identity import Identity
from breadcrumb_server.answers.rendering.notation import key_text, notation

# Parts of one variable that are told.
_MAX_PLACES = 3


@dataclass(frozen=True, slots=True)
class ValuePlace:
    """A part of a value that has the text.

    Attributes:
        path: The way to it: ``order['tea']``; "" if it is the value itself.
        within: The same from the innermost object on: ``Rates._cached['tea']``; "" if it is in no container.
        text: The part, rendered.
    """

    path: str
    within: str
    text: str


def places_of_variables(variables: Mapping[str, object], pattern: re.Pattern[str]) -> Iterator[ValuePlace]:
    """Find the text in variables by name, also in their names."""
    for name, value in variables.items():
        found = places_in(value, pattern, name)
        yield from found
        if not found and pattern.search(name):
            yield ValuePlace(name, "", notation(value))


def places_in(value: object, pattern: re.Pattern[str], path: str = "") -> list[ValuePlace]:
    """Find the text in a value, at the first places that have it."""
    return _places(value, pattern, path, "")[:_MAX_PLACES]


def parsed(stored: str | None) -> object:
    """Parse a recorded value; what is no JSON is a text."""
    with suppress(ValueError, RecursionError):
        return json.loads(stored or "null")
    return stored


def _places(value: object, pattern: re.Pattern[str], path: str, within: str) -> list[ValuePlace]:
    text = notation(value)
    if not pattern.search(text):
        return []
    found: list[ValuePlace] = []
    if is_array(value):
        for number, item in enumerate(value):
            found += _places(item, pattern, f"{path}[{number}]", f"{within}[]")
    elif is_object(value):
        identity = Identity.of(value)
        if identity is not None:
            within = str(identity)
        for key, item in value.items():
            if key == CUT_MARK:
                continue
            if key.startswith("$") and not key.startswith(KEY_MARK):
                found += _places(item, pattern, path, within) if is_array(item) else []
                continue
            step = f".{key}" if identity is not None else f"[{key_text(key)}]"
            inside = _places(item, pattern, path + step, within + step)
            if not inside and pattern.search(key_text(key)):
                inside = [ValuePlace(path + step, within + step, notation(item))]
            found += inside
    return found or [ValuePlace(path, within, text)]
