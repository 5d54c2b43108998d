"""Say which lines of a call an answer shows."""

from __future__ import annotations

from dataclasses import dataclass


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
