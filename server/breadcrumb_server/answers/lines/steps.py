"""Convert the recorded lines of a call to steps, each with the changes that its own line made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from breadcrumb_server.answers.common.parsed_json import parsed_object
from breadcrumb_server.answers.lines.bindings import Bindings
from breadcrumb_server.answers.lines.changes import NO_BINDINGS, Change, differences
from breadcrumb_server.answers.lines.raises import RaisedCalls
from breadcrumb_storage.queries.lines import LineRow

NO_RAISED_CALLS = RaisedCalls()


@dataclass(frozen=True, slots=True)
class Step:
    """One executed line of a call."""

    position: int  # counted from 0; lines that were not recorded are counted as well
    line: int
    changes: tuple[Change, ...] | None  # None: the variables were not compared
    missing_before: int = 0  # lines between this step and the one before that were not recorded
    before: tuple[Change, ...] = ()  # changes since the last comparison, if that was not right before this step
    raised: str = ""  # the exception that the line received from a call it made


@dataclass(frozen=True, slots=True)
class Steps:
    """The executed lines of one call."""

    steps: tuple[Step, ...]
    outer: tuple[Change, ...] = ()  # variables from outside the function, with their values at its first line
    at_end: tuple[Change, ...] = ()  # changes since the last comparison, if that was not right before the last step

    @classmethod
    def of(
        cls,
        rows: Iterable[LineRow],
        args: str | None,
        bindings: Bindings | None = None,
        raises: RaisedCalls = NO_RAISED_CALLS,
    ) -> Steps:
        """Convert the records of a call to steps.

        Args:
            rows: Records of its lines, in order.
            args: Its arguments as a JSON object: the first values of its variables.
            bindings: Names that its lines bind; None if they are not known.
            raises: Calls it made that raised.
        """
        known = parsed_object(args)
        steps: list[Step] = []
        outer: tuple[Change, ...] = ()
        last: Step | None = None  # added when the next row, which has its changes, is read
        last_compared = -1  # position of the last row whose variables were compared
        started_ns: int | None = None  # of the last step
        for row in rows:
            after = parsed_object(row.changes)
            since: tuple[Change, ...] = ()
            if last is not None and row.position == last.position + 1:
                last = replace(last, raised=raises.during(started_ns, row.at_ns, last=row.line is None))
            started_ns = row.at_ns
            if last is None:
                outer = differences(known, after)
            elif row.changes is not None and last_compared == row.position - 1:
                bound = bindings.at(last.line) if bindings is not None and after else NO_BINDINGS
                steps.append(replace(last, changes=differences(known, after, bound)))
            else:
                steps.append(last)
                since = differences(known, after)
            known |= after
            if row.line is None:
                return cls(tuple(steps), outer, since)
            missing = row.position - (last.position + 1 if last is not None else 0)
            last = Step(row.position, row.line, None, missing, since)
            if row.changes is not None:
                last_compared = row.position
        if last is None:
            return cls((), outer)
        return cls((*steps, replace(last, raised=raises.during(started_ns, None, last=True))), outer)
