"""Define what the three histories share: the question, and the page that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.find.owners import Owner, find_owner
from breadcrumb_server.answers.find.trace_text import TraceText
from breadcrumb_server.answers.lines.source import SourceText
from breadcrumb_storage.queries.find.functions import Failure, TracedFunction, first_failure, traced_functions
from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass
class Question:
    """What is asked about a trace, with what every history reads.

    Attributes:
        reader: The trace.
        source: The text of its files.
        of: What the history is narrowed to; None for nothing.
        start: Where the page begins; None for the first answer, which may choose what it shows.
        limit: Maximum lines.
        chars: Maximum characters of the text, and of the notes.
    """

    reader: TraceReader
    source: SourceText
    of: str | None
    start: int | None
    limit: int
    chars: int

    @cached_property
    def functions(self) -> list[TracedFunction]:
        """Return all functions of the trace."""
        return traced_functions(self.reader)

    @cached_property
    def places(self) -> Places:
        """Return what shortens paths."""
        return Places.of(self.reader.trace)

    @cached_property
    def text(self) -> TraceText:
        """Return what writes places and source."""
        return TraceText(self.functions, self.source, self.places)

    @cached_property
    def failure(self) -> Failure | None:
        """Return the failure of the trace; None if it has none."""
        return first_failure(self.reader)

    def owner(self, *, has_objects: bool) -> tuple[Owner | None, list[str]]:
        """Return what `of` means, and notes on it; see `owners.find_owner`."""
        return find_owner(self.of, self.functions, self.places, has_objects=has_objects)

    def failure_text(self) -> str:
        """Write the failure: ``TypeError at shop/pricing.py:31``; "" if there is none."""
        failure = self.failure
        return f"{failure.type} at {self.places.path(failure.file)}:{failure.line or '?'}" if failure else ""


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to a question.

    Attributes:
        text: The text.
        next_at: Where the next page begins; None if there is none.
        notes: What was cut, and what a name also means.
        without_lines: Functions whose lines would tell more, as ``module:function``.
    """

    text: str
    next_at: int | None = None
    notes: Sequence[str] = field(default_factory=list[str])
    without_lines: Sequence[str] = ()
