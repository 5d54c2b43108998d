"""Find a text in recorded values: the forms that it has there, and the part of a value around it."""

from __future__ import annotations

import ast
import json
import re
from contextlib import suppress

from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.answers.common.text import cut
from breadcrumb_server.answers.rendering.notation import notation
from breadcrumb_server.answers.rendering.reverse_notation import recorded_form
from breadcrumb_storage.queries.calls.object_names import ObjectName
from breadcrumb_storage.queries.calls.records import spellings_in_json


def spellings(text: str) -> list[str]:
    """Return the forms of a text in stored JSON: as it is, escaped, and as the Python value that it denotes."""
    found = spellings_in_json(text)
    if ObjectName.parse(text) is not None:
        return found
    with suppress(ValueError):
        form = recorded_form(text)
        if is_object(form):  # Decimal('1.20'), Color.RED
            found += [json.dumps(form), json.dumps(form, ensure_ascii=False), notation(form)]
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return found
    if value is None or isinstance(value, (bool, str, list, dict)):
        try:
            found += [json.dumps(value), json.dumps(value, ensure_ascii=False)]
        except (TypeError, ValueError, RecursionError):
            return found
    return [*dict.fromkeys(found)]


def excerpt(value: str, pattern: re.Pattern[str], chars: int) -> str:
    """Cut a value to the text that a pattern finds in it, and its surroundings.

    Args:
        value: The rendered value.
        pattern: Finds the text.
        chars: Maximum characters; the marks of cuts come on top.
    """
    if len(value) <= chars:
        return value
    match = pattern.search(value)
    at, end = match.span() if match else (0, 0)
    room = max(chars - (end - at), 0) // 2
    begin, end = max(at - room, 0), min(end + room, len(value))
    before = "…" if begin > 0 else ""
    after = "…" if end < len(value) else ""
    return before + cut(value[begin:end], chars) + after
