"""Say once what several exceptions of an answer have in common: the calls of their chains, and local variables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from breadcrumb_server.answers.common.text import counted
from breadcrumb_server.answers.exceptions.details import ExceptionDetail

# Calls that two chains have in common, from which on it is shorter to refer to the first of them.
_MIN_COMMON = 2


def without_repeats(details: Sequence[ExceptionDetail]) -> list[ExceptionDetail]:
    """Return exceptions without what an earlier one, or the line of the call beside it, has shown already."""
    shown: list[ExceptionDetail] = []
    for at, detail in enumerate(details):
        found = {"calls": _other_calls(detail, details[:at]), "locals": _other_locals(detail, details[:at])}
        shown.append(detail.model_copy(update=found))
    return shown


def _other_calls(detail: ExceptionDetail, before: Sequence[ExceptionDetail]) -> list[str]:
    """Return the calls of a chain from where it leaves the one that it shares most with."""
    common = [_common(detail.calls, other.calls) for other in before]
    most = max(common, default=0)
    if most < _MIN_COMMON:
        return detail.calls
    return [f"… {counted(most, 'line')} as in exceptions[{common.index(most)}]", *detail.calls[most:]]


def _common(calls: Sequence[str], others: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(calls, others, strict=False)))


def _other_locals(detail: ExceptionDetail, before: Sequence[ExceptionDetail]) -> list[str]:
    """Return the local variables that neither the arguments show nor an earlier exception of the same call."""
    same_call = {line for other in before if other.call_id == detail.call_id for line in other.locals}
    innermost = detail.calls[-1] if detail.calls else ""
    return [line for line in detail.locals if line not in same_call and not _is_argument(line, innermost)]


def _is_argument(local: str, call: str) -> bool:
    """Return whether a call (``shop.py:12 total(n=1, rate=None)``) has a local (``n = 1``) as argument, uncut."""
    name, _, value = local.partition(" = ")
    argument = f"{name}={value}"
    return any(f"{begin}{argument}{end}" in call for begin in ("(", ", ") for end in (", ", ")"))
