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
    """Propose to look at what stands out, most likely to help first; nothing where nothing does.

    Args:
        next_calls: writes the calls.
        rows: the rows of this page.
        lines: the lines of all pages.
        root_call_id: the call at which this flow begins; it is not proposed again.
    """
    shown = [row.group for row in rows if row.group is not None]

    def show(group: Group, call_id: int) -> str:
        return next_calls.show(group.name, call_id)

    catch = _rarest_catch(rows, lines.caught)
    # The body of a program that ended with 0 raised nothing but its exit.
    exited = next_calls.trace.exit_code == 0
    raised = next(
        (group for group in shown[::-1] if group.raised and not (exited and group.name == "__main__:<module>")), None
    )
    outlier = next((group for group in shown if group.calls > 1 and group.first_call_id in lines.outliers), None)
    mixed = max((group for group in shown if _has_usual_result(group)), key=_usual_share, default=None)
    rare_result = (
        mixed
        if mixed is not None and mixed.calls >= LIMITS.min_calls and _usual_share(mixed) >= LIMITS.usual_share
        else None
    )
    if any(group.focus for group in shown):
        raised = None  # the call around which the flow is shown is no news
    return [
        show(raised, _rarest_result_call(raised)) if raised else None,
        next_calls.call("get_flow", root_call_id=catch) if catch is not None and catch != root_call_id else None,
        show(outlier, lines.outliers[outlier.first_call_id].rarest_call_id) if outlier else None,
        show(rare_result, _rarest_result_call(rare_result)) if rare_result else None,
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
