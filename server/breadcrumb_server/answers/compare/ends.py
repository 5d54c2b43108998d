"""Compare how two calls ended: what they yielded, returned or raised."""

from __future__ import annotations

from breadcrumb_server.answers.common.text import counted
from breadcrumb_server.answers.compare.noise import ValueDifference, same_text, same_value, value_differences
from breadcrumb_server.answers.rendering.calls import result_text
from breadcrumb_storage.queries.calls.records import CallRow
from breadcrumb_storage.queries.calls.yields import Yielded

_NOTHING = Yielded((), (), 0)


def same_end(base: CallRow, this: CallRow, *, cut: bool = False) -> bool:
    """Return whether two calls yielded the same values and ended the same way, without noise.

    Args:
        base: the call of the base.
        this: the call of this trace.
        cut: the values of one of them may have been cut shorter.
    """
    return first_other_yield(base, this, cut=cut) is None and _same_return(base, this, cut=cut)


def first_other_yield(base: CallRow, this: CallRow, *, cut: bool = False) -> int | None:
    """Find the first value, counted from 0, that two generators yielded differently, or that only one yielded.

    Returns:
        Its position; None if all recorded values are equal, and both yielded the same number of values.
    """
    one, other = base.yielded or _NOTHING, this.yielded or _NOTHING
    for position, (before, after) in enumerate(zip(one.values, other.values, strict=False)):
        if not same_value(before, after, cut=cut):
            return position
    return None if one.count == other.count else min(len(one.values), len(other.values))


def end_differences(base: CallRow, this: CallRow, chars: int) -> list[ValueDifference]:
    """Find the parts in which the yields and ends of two calls differ.

    Args:
        base: the call of the base.
        this: the call of this trace.
        chars: characters of each end, if the calls ended in different ways.
    """
    found: list[ValueDifference] = []
    position = first_other_yield(base, this)
    if position is not None:
        found += _yield_differences(base.yielded or _NOTHING, this.yielded or _NOTHING, position)
    if _same_return(base, this):
        return found
    if base.outcome == this.outcome == "returned":
        return found + value_differences("result", base.return_value, this.return_value)
    return [*found, ValueDifference("end", _end_text(base, chars), _end_text(this, chars))]


def _yield_differences(base: Yielded, this: Yielded, position: int) -> list[ValueDifference]:
    found: list[ValueDifference] = []
    if position < min(len(base.values), len(this.values)):
        found += value_differences(f"yielded[{position}]", base.values[position], this.values[position])
    if base.count != this.count:
        found.append(ValueDifference("yielded", counted(base.count, "value"), counted(this.count, "value")))
    return found


def _same_return(base: CallRow, this: CallRow, *, cut: bool = False) -> bool:
    if base.outcome != this.outcome:
        return False
    if base.outcome == "returned":
        return same_value(base.return_value, this.return_value, cut=cut)
    return base.exception_type == this.exception_type and same_text(
        base.exception_message or "", this.exception_message or ""
    )


def _end_text(call: CallRow, chars: int) -> str:
    if call.outcome == "unfinished":
        return "not ended"
    return f"{call.outcome} {result_text(call, chars)}"
