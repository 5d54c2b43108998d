"""What to ask after a flow: for what stands out in it."""

from __future__ import annotations

from collections.abc import Sequence

from breadcrumb_server.answers.common.next_calls import NextCalls
from breadcrumb_server.answers.flow.caught import CaughtExceptions
from breadcrumb_server.answers.flow.lines import FlowLines
from breadcrumb_server.answers.flow.outliers import MIN_CALLS, USUAL_SHARE
from breadcrumb_server.answers.flow.outline import Row
from breadcrumb_server.answers.flow.tree import Group


def flow_follow_ups(
    next_calls: NextCalls, rows: Sequence[Row], lines: FlowLines, root_call_id: int | None
) -> list[str | None]:
    """The calls to make next, the most telling first.

    Args:
        rows: those that are shown.
        root_call_id: the call that is shown already.
    """
    shown = [(row, row.group) for row in rows if row.group is not None]

    def calls_of(group: Group, **where: int) -> str:
        return next_calls.get_calls(group.name, where or None)

    def below(call_id: int | None) -> str | None:
        if call_id is None or call_id == root_call_id:
            return None
        return next_calls.call("get_flow", root_call_id=call_id)

    outermost = min((row.indent for row, _ in shown), default=0)
    focus = next((group for _, group in shown if group.focus), None)
    raised = next((group for _, group in shown[::-1] if group.raised), None)
    odd_argument = next((group for _, group in shown if group.calls > 1 and group.first_call_id in lines.odd), None)
    deeper = max(
        (group for row, group in shown if row.deeper and not group.is_import),
        key=lambda group: group.total_ns,
        default=None,
    )
    odd = max((group for _, group in shown if _has_usual_result(group)), key=_usual_share, default=None)
    at_odds = odd if odd is not None and odd.calls >= MIN_CALLS and _usual_share(odd) >= USUAL_SHARE else None
    several = [group for _, group in shown if group.calls > 1]
    # What always has the same result, as an initializer, seldom is what went wrong.
    several = [group for group in several if len(group.results) != 1] or several
    several.sort(key=lambda group: -group.total_ns)  # helpers come last
    return [
        calls_of(focus, call_id=focus.first_call_id) if focus else None,
        calls_of(raised, call_id=_telling(raised)) if raised and not focus else None,
        below(_rarest_caught(rows, lines.caught)),
        calls_of(odd_argument, call_id=lines.odd[odd_argument.first_call_id].odd_call_id) if odd_argument else None,
        calls_of(at_odds, call_id=_telling(at_odds)) if at_odds else None,
        below(deeper.first_call_id) if deeper else None,
        calls_of(odd, call_id=_telling(odd)) if odd else None,
        *(calls_of(group) for group in several[:2]),
        next(
            (calls_of(group, call_id=_telling(group)) for row, group in shown[::-1] if row.indent <= outermost + 1),
            None,
        ),
    ]


def _telling(group: Group) -> int:
    """The call with the rarest result, or the first."""
    return group.results[-1][0] if len(group.results) > 1 else group.first_call_id


def _has_usual_result(group: Group) -> bool:
    return len(group.results) > 1 and group.results[0][1] > group.results[-1][1]


def _usual_share(group: Group) -> float:
    """How many of the calls had the most frequent result."""
    return group.results[0][1] / group.calls


def _rarest_caught(rows: Sequence[Row], caught: CaughtExceptions) -> int | None:
    """The call that caught what hardly any other did; None where there is none, or what it called can be seen."""
    seen = {
        row.parent.first_call_id
        for row in rows
        if row.parent and row.parent.calls == 1 and row.group and row.group.raised
    }
    return next((each.call_id for each in caught.rare() if each.call_id not in seen), None)
