"""How the values of many calls are distributed, in a few lines: what an agent looks for is the odd one out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from breadcrumb_server.answers.common.budget import items_that_fit
from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.answers.common.text import clean, cut, rounded
from breadcrumb_server.answers.rendering.notation import notation
from breadcrumb_storage.queries.calls.distributions import (
    RESULT,
    Distributions,
    KindCount,
    ValueCount,
    value_distributions,
)

if TYPE_CHECKING:
    from breadcrumb_storage.queries.calls.calls import CallFilter
    from breadcrumb_storage.queries.functions import FunctionName
    from breadcrumb_storage.queries.trace_reader import TraceReader

# Fewer calls are seen at a glance.
MIN_CALLS = 4
# Functions that are alike, such as the overrides of a method; the parameters of more have nothing in common.
MAX_FUNCTIONS = 3
_INNER = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>", "<lambda>"})
# A few hundred characters beside the rows.
MAX_CHARS = 600
MAX_LINE_CHARS = 160
# Different values that are listed instead of summed up, and how long one may be.
MAX_NAMED = 5
MAX_VALUE_CHARS = 40
# What at most this share of the calls has is odd, and only beside what many times as many have.
ODD_SHARE = 0.25
ODD_TIMES = 4
FAR_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Line:
    """What is told of one parameter, or of the result."""

    key: str  # as where of get_calls has it
    text: str
    odd_calls: int | None  # how many calls stand out; None: none does
    odd: dict[str, Any] | None  # the condition of get_calls that they fit


@dataclass(frozen=True, slots=True)
class Distribution:
    """The lines, those with an odd one out first, and where to look for the oddest."""

    lines: Sequence[str] = ()
    odd: dict[str, Any] | None = None
    note: str = ""


def read_distribution(
    reader: TraceReader, wanted: CallFilter, functions: Sequence[FunctionName], total: int
) -> Distribution:
    """The distribution of the parameters and of the result of the ``total`` calls that fit, of these functions."""
    meant, note = _meant(functions, wanted.function or "")
    if total < MIN_CALLS or not meant:
        return Distribution()
    recorded = sum(each.recorded for each in meant)
    wanted = replace(wanted, full_names=tuple(_full_name(each) for each in meant))
    found = value_distributions(reader, wanted, calls=min(total, recorded), recorded=recorded)
    lines = [line for key, kinds in found.kinds.items() if (line := _line(key, kinds)) is not None]
    lines.sort(key=lambda line: (line.odd_calls is None, line.odd_calls))
    return Distribution(_within(lines), lines[0].odd if lines else None, _note(found) or note)


def _meant(functions: Sequence[FunctionName], pattern: str) -> tuple[list[FunctionName], str]:
    """Of the functions that a pattern names those that it means, none where these are many; a note if not all."""
    recorded = [each for each in functions if each.recorded]
    # A comprehension's name holds that of its function; its calls would blur the function's own.
    meant = [each for each in recorded if each.name.rpartition(".")[2] not in _INNER] or recorded
    if len(meant) <= MAX_FUNCTIONS:
        return meant, ""
    exact = [each for each in meant if f".{each.name}".endswith(f".{pattern}")]  # not subtotal where total is asked for
    if not 0 < len(exact) <= MAX_FUNCTIONS:
        return [], ""
    return exact, f"distribution: of the calls of {', '.join(map(_full_name, exact))} only"


def _full_name(function: FunctionName) -> str:
    return f"{function.module}:{function.name}"


def _note(found: Distributions) -> str:
    if found.read >= found.calls:
        return ""
    return f"distribution: of an even share of {found.read:,} of the {found.calls:,} calls; fewer are read whole"


def _within(lines: Sequence[_Line]) -> list[str]:
    """Write the first lines that fit, and the names of the others."""
    texts = [cut(clean(f"{_name(line.key)}: {line.text}"), MAX_LINE_CHARS) for line in lines]
    shown = items_that_fit(texts, MAX_CHARS, size=len)
    if len(shown) < len(lines):
        names = ", ".join(_name(line.key) for line in lines[len(shown) :])
        shown.append(cut(f"… not shown: {names}", MAX_LINE_CHARS))
    return shown


def _name(key: str) -> str:
    """The parameter's name, unless it is the one that the result has here."""
    name = key.removeprefix("args.")
    return key if name == RESULT else name


def _line(key: str, kinds: Sequence[KindCount]) -> _Line | None:
    if len(kinds) == 1 and (key in ("args.self", "args.cls") or (key == RESULT and kinds[0].kind == "None")):
        return None
    calls = sum(kind.calls for kind in kinds)
    values = sorted((value for kind in kinds for value in kind.common), key=lambda value: -value.calls)
    few = sum(kind.distinct for kind in kinds) <= MAX_NAMED
    if few and len(values) == sum(kind.distinct for kind in kinds) and all(map(_is_short, values)):
        text = ", ".join(map(_counted, values))
        least = values[-1]
        if _is_odd(least.calls, values[0].calls, calls):
            return _Line(key, text, least.calls, _equals(key, least))
        return _Line(key, text, None, None)
    text = ", ".join(map(_kind_text, kinds))
    least_kind = kinds[-1]
    if _is_odd(least_kind.calls, kinds[0].calls, calls):
        return _Line(key, text, least_kind.calls, _is_of(key, least_kind))
    far = next((kind for kind in kinds if 0 < kind.far_calls <= FAR_SHARE * kind.calls), None)
    if far is not None:
        return _Line(key, text, far.far_calls, _is_far(key, far))
    return _Line(key, text, None, None)


def _is_odd(fewest: int, most: int, calls: int) -> bool:
    return fewest <= ODD_SHARE * calls and ODD_TIMES * fewest <= most


def _kind_text(kind: KindCount) -> str:
    """``1..50 x95 (40 distinct; far off: 50 x1)``."""
    if kind.distinct == len(kind.common) <= 2 and all(map(_is_short, kind.common)):
        return ", ".join(map(_counted, kind.common))
    least, most = _number(kind.least), _number(kind.most)
    details = [_variety(kind)]
    head = kind.kind
    if kind.kind == "number":
        head = least if least == most else f"{least}..{most}"
    elif kind.least is not None:
        details.append(f"len {least}" if least == most else f"len {least}..{most}")
    if kind.common and 2 * kind.common[0].calls >= kind.calls and _is_short(kind.common[0]):
        details.append(_counted(kind.common[0]))
    text = ", ".join(details)
    if kind.far and kind.far_calls <= FAR_SHARE * kind.calls:
        text += "; far off: " + ", ".join(_far_text(kind, value) for value in kind.far)
    return f"{head} x{kind.calls:,} ({text})"


def _variety(kind: KindCount) -> str:
    if kind.distinct == 1:
        return "always the same"
    return "all different" if kind.distinct == kind.calls else f"{kind.distinct:,} distinct"


def _far_text(kind: KindCount, value: ValueCount) -> str:
    if kind.kind == "number" or _is_short(value):
        return _counted(value)
    return f"len {_number(value.measure)} x{value.calls:,}"


def _counted(value: ValueCount) -> str:
    return f"{_value_text(value)} x{value.calls:,}"


def _value_text(value: ValueCount) -> str:
    parsed: object = json.loads(value.text or "null")
    if is_object(parsed) and len(parsed) == 1:
        outcome, content = next(iter(parsed.items()))
        if outcome == "$raised":
            return f"raised {content or 'an exception'}"
        if outcome in ("$cancelled", "$unfinished"):
            return outcome.removeprefix("$")
    return notation(parsed)


def _is_short(value: ValueCount) -> bool:
    return value.text is not None and len(_value_text(value)) <= MAX_VALUE_CHARS


def _number(number: float | None) -> str:
    if number is None or not isfinite(number):  # beyond what a float holds
        return "?"
    return f"{int(number) if number.is_integer() else rounded(number):,}"


def _equals(key: str, value: ValueCount) -> dict[str, Any] | None:
    if value.text is None:
        return None
    parsed: object = json.loads(value.text)
    if is_object(parsed):
        outcome = next(iter(parsed), "")
        if outcome in ("$raised", "$cancelled", "$unfinished"):
            return {"outcome": outcome.removeprefix("$")}
        return {key: {"==": parsed}}
    return {key: parsed}


def _is_of(key: str, kind: KindCount) -> dict[str, Any] | None:
    if kind.common and (kind.distinct == 1 or kind.kind in ("raised", "cancelled", "unfinished")):
        return _equals(key, kind.common[0])
    return None if kind.kind == "number" else {key: {"type": kind.kind}}


def _is_far(key: str, kind: KindCount) -> dict[str, Any] | None:
    if not kind.far or kind.far[0].measure is None:
        return None
    return _equals(key, kind.far[0]) if kind.kind == "number" else {key: {"len": int(kind.far[0].measure)}}
