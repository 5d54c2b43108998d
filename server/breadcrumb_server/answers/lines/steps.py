"""The recorded lines of a call as steps: what each line itself has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.answers.lines.bindings import Bindings
from breadcrumb_server.answers.lines.changes import NOTHING_BOUND, Change, differences
from breadcrumb_server.answers.lines.raises import Raises
from breadcrumb_storage.queries.lines import LineRow

NO_RAISES = Raises()


@dataclass(frozen=True, slots=True)
class Step:
    """One executed line.

    ``changes`` is None where nobody looked; ``before`` is what lies between it and the step that was recorded before
    it: how many lines are missing, and what changed meanwhile.
    """

    position: int
    line: int
    changes: tuple[Change, ...] | None
    missing_before: int = 0
    before: tuple[Change, ...] = ()
    raised: str = ""  # the exception that came to it from what it called


@dataclass(frozen=True, slots=True)
class Steps:
    """All that is known of one call's way through its lines."""

    steps: tuple[Step, ...]
    around: tuple[Change, ...] = ()  # variables from outside the function, as they were at its first line
    at_end: tuple[Change, ...] = ()  # changed since the last look, where the last steps were not looked at

    @classmethod
    def of(
        cls, rows: Iterable[LineRow], args: str | None, bindings: Bindings | None = None, raises: Raises = NO_RAISES
    ) -> Steps:
        """The steps of a call.

        Args:
            rows: its records, in order.
            args: its arguments, as stored: what its variables were at the beginning.
            bindings: what its lines bind.
            raises: what raised of that which it called.
        """
        known = _parsed(args)
        steps: list[Step] = []
        around: tuple[Change, ...] = ()
        last: Step | None = None  # what it changed, the next row tells
        last_look = -1
        started_ns: int | None = None  # when the last step did
        for row in rows:
            after = _parsed(row.changes)
            since: tuple[Change, ...] = ()
            if last is not None and row.position == last.position + 1:
                last = replace(last, raised=raises.during(started_ns, row.at_ns, last=row.line is None))
            started_ns = row.at_ns
            if last is None:
                around = differences(known, after)
            elif row.changes is not None and last_look == row.position - 1:
                bound = bindings.at(last.line) if bindings is not None and after else NOTHING_BOUND
                steps.append(replace(last, changes=differences(known, after, bound)))
            else:
                steps.append(last)
                since = differences(known, after)
            known |= after
            if row.line is None:
                return cls(tuple(steps), around, since)
            missing = row.position - (last.position + 1 if last is not None else 0)
            last = Step(row.position, row.line, None, missing, since)
            if row.changes is not None:
                last_look = row.position
        if last is None:
            return cls((), around)
        return cls((*steps, replace(last, raised=raises.during(started_ns, None, last=True))), around)


def _parsed(text: str | None) -> dict[str, object]:
    try:
        parsed: object = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return dict(parsed) if is_object(parsed) else {}
