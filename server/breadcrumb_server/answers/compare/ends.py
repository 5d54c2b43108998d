"""What came of two calls that are held against each other: what they yielded, and how they ended."""

from __future__ import annotations

from breadcrumb_server.answers.common.text import counted
from breadcrumb_server.answers.compare.noise import Difference, same_text, same_value, value_differences
from breadcrumb_server.answers.rendering.calls import result_text
from breadcrumb_storage.queries.calls.records import CallRow
from breadcrumb_storage.queries.calls.yields import Yielded

_NOTHING = Yielded((), (), 0)


def same_end(base: CallRow, this: CallRow) -> bool:
    """Whether two calls yielded the same and came to the same end, but for noise."""
    return first_other_yield(base, this) is None and _same_return(base, this)


def first_other_yield(base: CallRow, this: CallRow) -> int | None:
    """Which value, counted from 0, is the first that two generators yielded differently, or only one of them did.

    None: there is none among those that are recorded, and they yielded equally many.
    """
    one, other = base.yielded or _NOTHING, this.yielded or _NOTHING
    for position, (before, after) in enumerate(zip(one.values, other.values, strict=False)):
        if not same_value(before, after):
            return position
    return None if one.count == other.count else min(len(one.values), len(other.values))


def end_differences(base: CallRow, this: CallRow, chars: int) -> list[Difference]:
    """The differing parts of what came of them; texts of at most so many characters where they are told whole."""
    found: list[Difference] = []
    position = first_other_yield(base, this)
    if position is not None:
        found += _of_yields(base.yielded or _NOTHING, this.yielded or _NOTHING, position)
    if _same_return(base, this):
        return found
    if base.outcome == this.outcome == "returned":
        return found + value_differences("result", base.return_value, this.return_value)
    return [*found, Difference("end", _ended(base, chars), _ended(this, chars))]


def _of_yields(base: Yielded, this: Yielded, position: int) -> list[Difference]:
    found: list[Difference] = []
    if position < min(len(base.values), len(this.values)):
        found += value_differences(f"yielded[{position}]", base.values[position], this.values[position])
    if base.count != this.count:
        found.append(Difference("yielded", counted(base.count, "value"), counted(this.count, "value")))
    return found


def _same_return(base: CallRow, this: CallRow) -> bool:
    if base.outcome != this.outcome:
        return False
    if base.outcome == "returned":
        return same_value(base.return_value, this.return_value)
    return base.exception_type == this.exception_type and same_text(
        base.exception_message or "", this.exception_message or ""
    )


def _ended(call: CallRow, chars: int) -> str:
    if call.outcome == "unfinished":
        return "not ended"
    return f"{call.outcome} {result_text(call, chars)}"
