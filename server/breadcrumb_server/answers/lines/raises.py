"""Which lines of a call an exception came to, from what they called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.text import one_line
from breadcrumb_storage.queries.lines import RaisedCall

MAX_EXCEPTION_CHARS = 120


@dataclass(frozen=True, slots=True)
class Raises:
    """The calls that one call made and that raised, in the order of their ends.

    A line and what it calls are in one thread and have one clock, so that the times tell which line it was, also in a
    loop, and also of a generator that was started by another line.
    """

    calls: Sequence[RaisedCall] = ()
    leaves_by: int | None = None  # the exception that the call itself ended with

    def during(self, start_ns: int | None, end_ns: int | None, *, last: bool = False) -> str:
        """What was raised between the start of a line and that of the next, as text; "" if nothing or not known.

        Args:
            end_ns: None: the line did not end.
            last: whether it is the last line. What leaves the call there, its end tells.
        """
        if start_ns is None:
            return ""
        found = [
            each
            for each in self.calls
            if start_ns <= each.ended_ns
            and (end_ns is None or each.ended_ns <= end_ns)
            and not (last and each.exception_id == self.leaves_by)
        ]
        if not found:
            return ""
        exception = one_line(f"{found[-1].exception_type}: {found[-1].message}".rstrip(": "), MAX_EXCEPTION_CHARS)
        return f"{exception} (the last of {len(found):,})" if len(found) > 1 else exception
