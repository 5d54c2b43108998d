"""Choose which lines of a call an answer shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinesWanted:
    """Which lines of a call are to be shown: folded, unless one of these says something else."""

    none: bool = False
    from_step: int | None = None
    variable: str | None = None

    @property
    def folded(self) -> bool:
        return self.from_step is None and self.variable is None
