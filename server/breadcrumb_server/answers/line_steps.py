"""The recorded lines of a call as steps: what each line itself has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from breadcrumb_server.answers.value_changes import Change, differences
from breadcrumb_server.answers.values import is_object
from breadcrumb_storage.queries.lines import LineRow


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


@dataclass(frozen=True, slots=True)
class Steps:
    """All that is known of one call's way through its lines."""

    steps: tuple[Step, ...]
    around: tuple[Change, ...]  # variables from outside the function, as they were at its first line
    ended: bool  # False: the last step is where the call stood when the recording ended, or stands
    at_end: tuple[Change, ...]  # changed since the last look, where the last steps were not looked at

    @classmethod
    def of(cls, rows: Iterable[LineRow], args: str | None) -> Steps:
        """The steps of a call.

        Args:
            rows: its records, in order.
            args: its arguments, as stored: what its variables were at the beginning.
        """
        known = _parsed(args)
        steps: list[Step] = []
        around: tuple[Change, ...] = ()
        pending: tuple[int, int] | None = None  # position and line of the step whose changes the next look shows
        last_look = -1
        missing = 0  # in front of the pending step
        meanwhile: tuple[Change, ...] = ()
        ended = False
        at_end: tuple[Change, ...] = ()
        for row in rows:
            changed: tuple[Change, ...] | None = None
            if row.changes is not None:
                after = _parsed(row.changes)
                changed = differences(known, after)
                known |= after
            looked_at_both = last_look == row.position - 1
            if pending is not None:
                steps.append(Step(*pending, changed if looked_at_both else None, missing, meanwhile))
            elif changed:
                around = changed
            unexplained = () if looked_at_both or pending is None else changed or ()
            if row.line is None:
                ended, at_end, pending = True, unexplained, None
                break
            missing = row.position - (pending[0] + 1) if pending is not None else row.position
            meanwhile = unexplained
            pending = (row.position, row.line)
            if row.changes is not None:
                last_look = row.position
        if pending is not None:
            steps.append(Step(*pending, None, missing, meanwhile))
        return cls(tuple(steps), around, ended, at_end)


def _parsed(text: str | None) -> dict[str, object]:
    try:
        parsed: object = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return dict(parsed) if is_object(parsed) else {}
