"""Propose the next calls after a flow: those that look into what stands out."""

from __future__ import annotations

from collections.abc import Sequence

from breadcrumb_server.answers.common.next_calls import NextCalls
from breadcrumb_server.answers.flow.caught import CaughtExceptions
from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.answers.flow.lines import FlowLines
from breadcrumb_server.answers.flow.outline import Row
from breadcrumb_server.answers.flow.tree import Group


def flow_next_calls(
    next_calls: NextCalls, rows: Sequence[Row], lines: FlowLines, root_call_id: int | None
) -> list[str | None]:
    """Propose calls, the one most likely to help first.

    Args:
        next_calls: writes the calls.
        rows: the rows of this page.
        lines: the lines of all pages.
        root_call_id: the call at which this flow begins; it is not proposed again.
    """
    shown = [(row, row.group) for row in rows if row.group is not None]

    def calls_of(group: Group, **where: int) -> str:
        return next_calls.get_calls(group.name, where or None)

    def flow_of(call_id: int | None) -> str | None:
        if call_id is None or call_id == root_call_id:
            return None
        return next_calls.call("get_flow", root_call_id=call_id)

    outermost = min((row.indent for row, _ in shown), default=0)
    focus = next((group for _, group in shown if group.focus), None)
    # The body of a program that ended with 0 raised nothing but its exit.
    exited = next_calls.trace.exit_code == 0
    raised = next(
        (group for _, group in shown[::-1] if group.raised and not (exited and group.name == "__main__:<module>")), None
    )
    outlier = next((group for _, group in shown if group.calls > 1 and group.first_call_id in lines.outliers), None)
    deeper = max(
        (group for row, group in shown if row.deeper and not group.is_import),
        key=lambda group: group.total_ns,
        default=None,
    )
    mixed = max((group for _, group in shown if _has_usual_result(group)), key=_usual_share, default=None)
    rare_result = (
        mixed
        if mixed is not None and mixed.calls >= LIMITS.min_calls and _usual_share(mixed) >= LIMITS.usual_share
        else None
    )
    # Slow ones first, then callers before helpers. In whole milliseconds, since what is below them is chance, and two
    # runs of a program get the same proposals.
    by_time = sorted(shown, key=lambda each: (-(each[1].total_ns // 1_000_000), each[0].indent))
    several = [group for _, group in by_time if group.calls > 1]
    # A function that always returns the same, such as an initializer, is seldom the culprit.
    several = [group for group in several if len(group.results) != 1] or several
    return [
        calls_of(focus, call_id=focus.first_call_id) if focus else None,
        calls_of(raised, call_id=_rarest_result_call(raised)) if raised and not focus else None,
        flow_of(_rarest_catch(rows, lines.caught)),
        calls_of(outlier, call_id=lines.outliers[outlier.first_call_id].rarest_call_id) if outlier else None,
        calls_of(rare_result, call_id=_rarest_result_call(rare_result)) if rare_result else None,
        flow_of(deeper.first_call_id) if deeper else None,
        calls_of(mixed, call_id=_rarest_result_call(mixed)) if mixed else None,
        *(calls_of(group) for group in several[:2]),
        next(
            (
                calls_of(group, call_id=_rarest_result_call(group))
                for row, group in shown[::-1]
                if row.indent <= outermost + 1
            ),
            None,
        ),
    ]


def _rarest_result_call(group: Group) -> int:
    """Return the id of the call with the rarest result, or of the first call."""
    return group.results[-1][0] if len(group.results) > 1 else group.first_call_id


def _has_usual_result(group: Group) -> bool:
    return len(group.results) > 1 and group.results[0][1] > group.results[-1][1]


def _usual_share(group: Group) -> float:
    """Return the share of the calls that had the most frequent result."""
    return group.results[0][1] / group.calls


def _rarest_catch(rows: Sequence[Row], caught: CaughtExceptions) -> int | None:
    """Return the id of the call that caught the rarest exception; None if there is none.

    Calls are passed over if a row shows which callee raised.
    """
    seen = {
        row.parent.first_call_id
        for row in rows
        if row.parent and row.parent.calls == 1 and row.group and row.group.raised
    }
    return next((each.call_id for each in caught.rare() if each.call_id not in seen), None)
