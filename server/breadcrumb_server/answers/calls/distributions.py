"""Summarize the values of many calls in a few lines, those with an odd one out first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from breadcrumb_server.answers.common.budget import items_that_fit
from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.answers.common.text import clean, cut, rounded
from breadcrumb_server.answers.rendering.notation import Node, notation, value_tree
from breadcrumb_storage.queries.calls.distributions import (
    RESULT,
    KindCount,
    ValueCount,
    ValueDistributions,
    value_distributions,
)

if TYPE_CHECKING:
    from breadcrumb_storage.queries.calls.records import CallFilter
    from breadcrumb_storage.queries.functions import FunctionName
    from breadcrumb_storage.queries.trace_reader import TraceReader

_INNER = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>", "<lambda>"})
# Largest share of the calls with a value that is odd.
ODD_SHARE = 0.25
# Fewest times as many calls with the most frequent value as with an odd one.
ODD_TIMES = 4
# Largest share of the calls with a number or length that is far off the others.
FAR_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the distribution in an answer."""

    min_calls: int = 4
    """Calls that are worth a summary; fewer are read at a glance."""
    functions: int = 3
    """Functions summarized together, such as the overrides of a method; more have different parameters."""
    chars: int = 600
    """Characters of all lines, so that the rows keep most of the answer."""
    line_chars: int = 160
    """Characters of a line."""
    values: int = 5
    """Different values that are listed; more are summarized."""
    named: int = 3
    """Different values, too long to be listed, that are named by what differs in them."""
    value_chars: int = 40
    """Characters of a value that is listed."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class _Summary:
    """The values of one parameter, or the results."""

    key: str  # as in ``where`` of get_calls
    text: str
    odd_calls: int | None  # number of calls that stand out; None: none does
    odd: dict[str, Any] | None  # the condition of get_calls that selects them


@dataclass(frozen=True, slots=True)
class Distribution:
    """The values of many calls as lines, those with an odd one out first."""

    lines: Sequence[str] = ()
    odd: dict[str, Any] | None = None  # the condition of get_calls that selects the rarest odd calls
    note: str = ""  # says that only some of the calls were counted


def read_distribution(
    reader: TraceReader, wanted: CallFilter, functions: Sequence[FunctionName], total: int
) -> Distribution:
    """Read and render the distribution of each parameter and of the result.

    Args:
        reader: The trace.
        wanted: The filter of the calls.
        functions: Functions that the filter's pattern matches.
        total: Number of calls that the filter selects.
    """
    selected, note = _select_functions(functions, wanted.function or "")
    if total < LIMITS.min_calls or not selected:
        return Distribution()
    recorded = sum(each.recorded for each in selected)
    wanted = replace(wanted, full_names=tuple(_full_name(each) for each in selected))
    found = value_distributions(reader, wanted, calls=min(total, recorded), recorded=recorded)
    lines = [line for key, kinds in found.kinds.items() if (line := _summarize(key, kinds)) is not None]
    lines.sort(key=lambda line: (line.odd_calls is None, line.odd_calls))
    return Distribution(_fit_lines(lines), lines[0].odd if lines else None, _note(found) or note)


def _select_functions(functions: Sequence[FunctionName], pattern: str) -> tuple[list[FunctionName], str]:
    """Select the functions that a pattern most likely means; none if they are too many to be summarized together.

    Also returns a note if some were dropped.
    """
    recorded = [each for each in functions if each.recorded]
    # A pattern for a function also matches its comprehensions, which have other parameters.
    selected = [each for each in recorded if each.name.rpartition(".")[2] not in _INNER] or recorded
    if len(selected) <= LIMITS.functions:
        return selected, ""
    exact = [each for each in selected if f".{each.name}".endswith(f".{pattern}")]  # total, but not subtotal
    if not 0 < len(exact) <= LIMITS.functions:
        return [], ""
    return exact, f"distribution: of the calls of {', '.join(map(_full_name, exact))} only"


def _full_name(function: FunctionName) -> str:
    return f"{function.module}:{function.name}"


def _note(found: ValueDistributions) -> str:
    """Render a note if only a share of the calls was read."""
    if found.read >= found.calls:
        return ""
    return f"distribution: of an even sample of {found.read:,} of the {found.calls:,} calls; fewer are all read"


def _fit_lines(lines: Sequence[_Summary]) -> list[str]:
    """Render the first lines that fit, and name the parameters of the others."""
    texts = [cut(clean(f"{_label(line.key)}: {line.text}"), LIMITS.line_chars) for line in lines]
    shown = items_that_fit(texts, LIMITS.chars, size=len)
    if len(shown) < len(lines):
        names = ", ".join(_label(line.key) for line in lines[len(shown) :])
        shown.append(cut(f"… not shown: {names}", LIMITS.line_chars))
    return shown


def _label(key: str) -> str:
    """Return the name of a parameter; its whole key if it is called like the result."""
    name = key.removeprefix("args.")
    return key if name == RESULT else name


def _summarize(key: str, kinds: Sequence[KindCount]) -> _Summary | None:
    """Summarize the values of a parameter or the result; None if they say nothing, such as those of self."""
    if len(kinds) == 1 and (key in ("args.self", "args.cls") or (key == RESULT and kinds[0].kind == "None")):
        return None
    calls = sum(kind.calls for kind in kinds)
    values = sorted((value for kind in kinds for value in kind.common), key=lambda value: -value.calls)
    few = sum(kind.distinct for kind in kinds) <= LIMITS.values
    if few and len(values) == sum(kind.distinct for kind in kinds) and all(map(_is_short, values)):
        text = ", ".join(map(_counted, values))
        least = values[-1]
        if _is_odd(least.calls, values[0].calls, calls):
            return _Summary(key, text, least.calls, _value_condition(key, least))
        return _Summary(key, text, None, None)
    text = ", ".join(map(_kind_text, kinds))
    least_kind = kinds[-1]
    if _is_odd(least_kind.calls, kinds[0].calls, calls):
        return _Summary(key, text, least_kind.calls, _kind_condition(key, least_kind))
    far = next((kind for kind in kinds if 0 < kind.outlier_calls <= FAR_SHARE * kind.calls), None)
    if far is not None:
        return _Summary(key, text, far.outlier_calls, _far_condition(key, far))
    return _Summary(key, text, None, None)


def _is_odd(fewest: int, most: int, calls: int) -> bool:
    return fewest <= ODD_SHARE * calls and ODD_TIMES * fewest <= most


def _kind_text(kind: KindCount) -> str:
    """Render the values of one type as ``1..50 x95 (40 distinct; far off: 50 x1)``."""
    if kind.distinct == len(kind.common) <= 2 and all(map(_is_short, kind.common)):
        return ", ".join(map(_counted, kind.common))
    least, most = _number(kind.least), _number(kind.most)
    details = [_variety(kind)]
    head = kind.kind
    if kind.kind == "number":
        head = least if least == most else f"{least}..{most}"
    elif kind.least is not None:
        details.append(f"len {least}" if least == most else f"len {least}..{most}")
    named = _named(kind)
    if named:
        details[0] += f": {', '.join(named)}"
    elif kind.common and 2 * kind.common[0].calls >= kind.calls and _is_short(kind.common[0]):
        details.append(_counted(kind.common[0]))
    text = ", ".join(details)
    if kind.outliers and kind.outlier_calls <= FAR_SHARE * kind.calls:
        text += "; far off: " + ", ".join(_far_text(kind, value) for value in kind.outliers)
    return f"{head} x{kind.calls:,} ({text})"


def _named(kind: KindCount) -> list[str]:
    """Name the few distinct values of a type by what differs in them, if they are too long to be listed whole."""
    if not 1 < kind.distinct <= LIMITS.named or any(value.text is None for value in kind.common):
        return []
    shown = [value_tree(json.loads(value.text or "null")) for value in kind.common]
    nodes = [each for each in shown if isinstance(each, Node)]
    if len(nodes) < len(shown) or len(shown) < kind.distinct:
        return []
    parts = [{name: str(part) for name, part in each.parts} for each in nodes]
    names = [
        name
        for name in dict.fromkeys(name for each in parts for name in each)
        if len({each.get(name) for each in parts}) > 1
    ]
    texts = [", ".join(name + each[name] for name in names if name in each) for each in parts]
    return [f"{cut(text, LIMITS.value_chars)} x{value.calls:,}" for text, value in zip(texts, kind.common, strict=True)]


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
    return value.text is not None and len(_value_text(value)) <= LIMITS.value_chars


def _number(number: float | None) -> str:
    if number is None or not isfinite(number):  # too large for a float
        return "?"
    return f"{int(number) if number.is_integer() else rounded(number):,}"


def _value_condition(key: str, value: ValueCount) -> dict[str, Any] | None:
    if value.text is None:
        return None
    parsed: object = json.loads(value.text)
    if is_object(parsed):
        outcome = next(iter(parsed), "")
        if outcome in ("$raised", "$cancelled", "$unfinished"):
            return {"outcome": outcome.removeprefix("$")}
        return {key: {"==": parsed}}
    return {key: parsed}


def _kind_condition(key: str, kind: KindCount) -> dict[str, Any] | None:
    if kind.common and (kind.distinct == 1 or kind.kind in ("raised", "cancelled", "unfinished")):
        return _value_condition(key, kind.common[0])
    return None if kind.kind == "number" else {key: {"type": kind.kind}}


def _far_condition(key: str, kind: KindCount) -> dict[str, Any] | None:
    if not kind.outliers or kind.outliers[0].measure is None:
        return None
    outlier = kind.outliers[0]
    return _value_condition(key, outlier) if kind.kind == "number" else {key: {"len": int(kind.outliers[0].measure)}}
