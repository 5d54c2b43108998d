"""Count the calls in what a tool has written, by the name of the function."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

# "  /shop/orders.py:4     call      => total(self=...)"
_HUNTER_CALL = re.compile(r"\s*\S+:\d+\s+call\s+=>\s(\w+)\(")


def last_part(name: str) -> str:
    """Return the name of a function without those of its module, class and outer function."""
    return name.rpartition(".")[2]


def viztracer_calls(document: Mapping[str, Any]) -> Counter[str]:
    """Count the complete calls ("X") of Python functions ("fee") in the JSON of a trace."""
    return Counter(
        last_part(event["name"].split(" (", 1)[0])
        for event in document["traceEvents"]
        if event["ph"] == "X" and event.get("cat") == "fee"
    )


def hunter_calls(lines: Iterable[str]) -> Counter[str]:
    """Count the lines of the printer of calls that begin one; values in them have no line of their own."""
    return Counter(found[1] for found in map(_HUNTER_CALL.match, lines) if found)


def recorded(made: Mapping[str, int], counted: Mapping[str, int]) -> int:
    """Return how many of the calls that a program made are there; what is there twice counts once.

    Args:
        made: By function, the calls that the program made.
        counted: By function, those that a tool has written, of other functions as well.
    """
    return sum(min(count, counted.get(name, 0)) for name, count in made.items())
