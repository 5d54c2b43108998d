"""Follow-up calls as text that can be made as it stands."""

from __future__ import annotations

import json

from breadcrumb_server.answers.common.parsed_json import is_array, is_object

# A longer call costs more to read than it saves.
MAX_CALL_CHARS = 400


def call(tool: str, **arguments: object) -> str:
    """``tool(project="shop", limit=5)``, as Python writes it; arguments that are None are left out."""
    given = (f"{name}={_literal(value)}" for name, value in arguments.items() if value is not None)
    return f"{tool}({', '.join(given)})"


def _literal(value: object) -> str:
    """Texts in double quotes, as in JSON, which tools are called with in the end."""
    if is_object(value):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if is_array(value):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def first_few(calls: list[str | None], count: int = 3) -> list[str]:
    """The first of these that are there, each once, without those that are too long to be of use."""
    usable = dict.fromkeys(text for text in calls if text and len(text) <= MAX_CALL_CHARS)
    return list(usable)[:count]
