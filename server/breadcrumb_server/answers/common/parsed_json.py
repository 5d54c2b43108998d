"""Narrow the types of parsed JSON."""

from __future__ import annotations

import json
from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a parsed JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Return whether a parsed JSON value is an array."""
    return isinstance(value, list)


def parsed_value(text: str | None) -> object:
    """Parse JSON; None if there is none, and the text itself if it is no JSON."""
    try:
        parsed: object = json.loads(text or "null")
    except (ValueError, RecursionError):
        return text
    return parsed


def parsed_object(text: str | None) -> dict[str, object]:
    """Parse a JSON object; empty if there is no text, or it is no object."""
    try:
        parsed: object = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return dict(parsed) if is_object(parsed) else {}
