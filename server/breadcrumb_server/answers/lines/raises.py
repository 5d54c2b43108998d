"""Find the lines of a call that received an exception from a call they made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breadcrumb_server.answers.common.text import one_line
from breadcrumb_storage.queries.lines import RaisedCall

# Characters of an exception's type and message.
MAX_EXCEPTION_CHARS = 120


@dataclass(frozen=True, slots=True)
class RaisedCalls:
    """The calls that one call made and that raised, in the order of their ends.

    A line and its calls are in one thread and have one clock. So the times are enough to find the line of a call, also
    in a loop, and also of a generator that another line started.
    """

    calls: Sequence[RaisedCall] = ()
    leaves_by: int | None = None  # id of the exception that the call itself ended with

    def during(self, start_ns: int | None, end_ns: int | None, *, last: bool = False) -> str:
        """Render the last exception that a line received from a call it made; "" if there is none or it is not known.

        Args:
            start_ns: Time at which the line started; None if it is not known.
            end_ns: Time at which the next line started; None if there is none.
            last: Whether it is the call's last line. The exception that leaves the call there is shown as its end, and
                not here.
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
