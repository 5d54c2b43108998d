"""Say which lines of a call an answer shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from breadcrumb_server.answers.conditions.where import KEYS, refused


@dataclass(frozen=True, slots=True)
class LineSelection:
    """A choice of lines to show; by default all, with their loops folded."""

    none: bool = False
    from_step: int | None = None  # show each step from this position on
    variable: str | None = None  # show the steps that changed this variable

    @property
    def folded(self) -> bool:
        """Return whether whole calls are shown, with their loops folded."""
        return self.from_step is None and self.variable is None


def parse_lines(where: Mapping[str, Any] | None) -> LineSelection:
    """Parse ``where["lines"]`` of get_calls.

    Raises:
        BreadcrumbError: It is no step, no variable, and no bool.
    """
    value = (where or {}).get("lines", True)
    if isinstance(value, bool):
        return LineSelection(none=not value)
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
        if int(value) >= 0:
            return LineSelection(from_step=int(value))
    elif isinstance(value, str) and value.strip():
        return LineSelection(variable=value.strip())
    raise refused("lines", value, KEYS["lines"])
