"""Follow-up calls as text that can be made as it stands."""

from __future__ import annotations

import json

# A longer call costs more to read than it saves.
MAX_CALL_CHARS = 400


def call(tool: str, **arguments: object) -> str:
    """``tool(project="shop", limit=5)``; arguments that are None are left out."""
    given = (
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items() if value is not None
    )
    return f"{tool}({', '.join(given)})"


def first_few(calls: list[str | None], count: int = 3) -> list[str]:
    """The first of these that are there, each once, without those that are too long to be of use."""
    usable = dict.fromkeys(text for text in calls if text and len(text) <= MAX_CALL_CHARS)
    return list(usable)[:count]
