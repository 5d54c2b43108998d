"""The calls that answers propose in ``next``, taken word for word."""

from __future__ import annotations

import ast
from typing import Any


def call_of(text: str) -> tuple[str, dict[str, Any]]:
    """Return the tool and the arguments of a call that an answer proposes."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    return call.func.id, {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
