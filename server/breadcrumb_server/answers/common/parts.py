"""Make the parts of an answer one by one, so that one that fails takes out itself and no more.

A row may be odd, a block of the database damaged, and our own code has defects. A reader needs the other parts then,
and has to know which is missing and why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.common.text import one_line
from breadcrumb_server.failures import traceback_text
from breadcrumb_storage.errors import first_line, is_interrupt

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class WithNotes(Protocol):
    """An answer."""

    @property
    def notes(self) -> list[str]:
        """What a reader has to know of it."""
        ...


N = TypeVar("N", bound=WithNotes)

# Characters of a reason, and reasons that are told: a defect in one place gives the same one for many parts.
MAX_REASON_CHARS = 160
MAX_REASONS = 3


class Parts:
    """The parts of one answer, with notes on those that could not be made."""

    def __init__(self) -> None:
        self._missing: dict[str, dict[str, None]] = {}  # by reason: names of parts, in their order
        self._failed: set[str] = set()

    def make(self, name: str, build: Callable[[], T], instead: R) -> T | R:
        """Return a part, or what stands for it if it cannot be made.

        Args:
            name: The name of the part for a note: that of its field in the answer.
            build: Makes the part.
            instead: Returned if ``build`` raises. What depends on this part has to accept it.
        """
        try:
            return build()
        except Exception as error:
            self._note(name, name, error)
            return instead

    def optional(self, name: str, build: Callable[[], T]) -> T | None:
        """Return a part, or None if it cannot be made; otherwise like ``make``."""
        return self.make(name, build, None)

    def rows(self, name: str, build: Callable[[], list[T]]) -> list[T]:
        """Return the rows of a part, or none if they cannot be made; otherwise like ``make``."""
        return self.make(name, build, list[T]())

    def text(self, name: str, build: Callable[[], str]) -> str:
        """Return a text, empty if it cannot be made; otherwise like ``make``."""
        return self.make(name, build, "")

    def each(self, name: str, items: Iterable[T], build: Callable[[T], R]) -> list[R]:
        """Return what ``build`` makes of each item, without those of which it cannot.

        Args:
            name: The name of the part for a note.
            items: What the rows of the part are made of.
            build: Makes one row.
        """
        made: list[R] = []
        for position, item in enumerate(items):
            try:
                made.append(build(item))
            except Exception as error:
                self._note(f"row {position} of {name}", f"a part of {name}", error)
        return made

    def told(self, answer: N) -> N:
        """Add the notes on missing parts to an answer, and return it."""
        answer.notes.extend(self.notes)
        return answer

    @property
    def notes(self) -> list[str]:
        """Return a note for each reason why parts are missing."""
        notes = [f"missing here: {', '.join(names)} ({reason})" for reason, names in self._missing.items()]
        left = len(notes) - MAX_REASONS
        return notes[:MAX_REASONS] + ([f"{left} more parts are missing for other reasons"] if left > 0 else [])

    def _note(self, key: str, name: str, error: Exception) -> None:
        if is_interrupt(error):  # the call was cancelled
            raise error
        reason = one_line(Redactor().redact_text(first_line(error)), MAX_REASON_CHARS)
        if key not in self._failed and logger.isEnabledFor(logging.ERROR):  # answers are built at several levels
            self._failed.add(key)
            logger.error("%s could not be made:\n%s", key, traceback_text(error))
        self._missing.setdefault(reason, {})[name] = None
