"""Render a difference between two runs: the call, the chain of its callers, and the parts that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from breadcrumb_server.answers.common.budget import first_texts
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.model import Section
from breadcrumb_server.answers.common.text import cut, one_line
from breadcrumb_server.answers.compare.divergences import CallPair, Divergence
from breadcrumb_server.answers.compare.ends import end_differences, first_other_yield
from breadcrumb_server.answers.compare.limits import LIMITS
from breadcrumb_server.answers.compare.noise import ValueDifference, argument_differences
from breadcrumb_server.answers.rendering.calls import Chain, result_text
from breadcrumb_server.answers.rendering.layout import arguments_text
from breadcrumb_storage.queries.calls.records import CallRow


class FirstDifference(Section):
    """The first call that differs, as it was in both runs."""

    what: str = Field(description="how the calls differ, and where to look")
    function: str
    base_call_id: int | None = Field(default=None, description="for get_calls and get_flow with the base's trace_id")
    call_id: int | None = Field(default=None, description="for get_calls and get_flow with this trace's trace_id")
    differs: list[str] = Field(default_factory=list, description="base -> this trace; the rest is equal")
    base: str = Field(default="", description="the call in the base: arguments -> result")
    this: str = Field(default="", description="the call in this trace")
    chain: list[str] = Field(default_factory=list, description="the call chain, outermost first")


@dataclass(frozen=True, slots=True)
class CallDifference(CallPair):
    """A pair of calls that differ, with the lone calls made in it; or a lone call without a caller."""

    lone_calls: Sequence[Divergence] = ()

    @property
    def name(self) -> str:
        """The function, as module:name."""
        return f"{self.call.module}:{self.call.name}"

    @property
    def is_origin(self) -> bool:
        """Whether the call itself went wrong: its end differs, but neither its arguments nor its callees."""
        return self.end_differs and not self.args_differ and not self.lone_calls


def render_first_difference(
    difference: CallDifference, chain: Chain | None, places: Places, *, lines: int, chars: int, sampled: bool = False
) -> FirstDifference:
    """Render the first difference.

    Args:
        difference: the difference.
        chain: the chain of its callers, if known.
        places: the folders of its trace.
        lines: lines of the chain.
        chars: characters of a value.
        sampled: not every call was recorded.
    """
    name = one_line(difference.name, LIMITS.max_name_chars)
    return FirstDifference(
        what=_explanation(difference, sampled=sampled),
        function=name,
        base_call_id=difference.base.call_id if difference.base else None,
        call_id=difference.this.call_id if difference.this else None,
        differs=differing_parts(difference, chars),
        base=_call_text(difference.base, chars),
        this=_call_text(difference.this, chars),
        chain=chain.lines(places, lines=lines, chars=chars // 2) if chain else [],
    )


def _explanation(difference: CallDifference, *, sampled: bool) -> str:
    if difference.base is None or difference.this is None:
        side = "this trace" if difference.this else "the base"
        return f"only {side} made this call, and no traced function called it"
    if difference.args_differ:
        return "other arguments: they come from its caller, which had not differed before, or from untraced code"
    if difference.lone_calls:
        end = "and ended differently" if difference.end_differs else "though it ended the same"
        return f"same arguments, but it called other functions (see differs), {end}: it decided otherwise"
    if "unfinished" in (difference.base.outcome, difference.this.outcome):
        return "same arguments, and all that it called is equal, but only one of the two calls ended"
    came = "another result" if first_other_yield(difference.base, difference.this) is None else "other yields"
    if sampled:
        return (
            f"same arguments, but {came}: look into this function and what it called (the recorded calls are equal, "
            "but not every call was recorded)"
        )
    return f"same arguments, and all that it called is equal, but {came}: look into this function"


def _call_text(call: CallRow | None, chars: int) -> str:
    if call is None:
        return ""
    return f"{call.name.rpartition('.')[2]}({arguments_text(call.args, chars)}) {_end_text(call, chars)}"


def _end_text(call: CallRow, chars: int) -> str:
    if call.outcome == "unfinished":
        return "had not ended"
    word = {"returned": "->", "raised": "raised", "cancelled": "was cancelled:"}[call.outcome]
    return f"{word} {result_text(call, chars)}"


def differing_parts(difference: CallDifference, chars: int) -> list[str]:
    """Render lines such as ``args.rate: 0.2 -> None`` or ``called only in the base: ...``."""
    parts: list[str] = []
    if difference.base is not None and difference.this is not None:
        if difference.args_differ:
            parts += _part_lines("args.", argument_differences(difference.base.args, difference.this.args), chars)
        parts += [_lone_call_line(each) for each in difference.lone_calls[: LIMITS.max_parts]]
        if len(difference.lone_calls) > LIMITS.max_parts:
            parts.append(f"… {len(difference.lone_calls) - LIMITS.max_parts} more calls of one side only")
        if difference.end_differs:
            parts += _part_lines("", end_differences(difference.base, difference.this, chars), chars)
    return parts


def _lone_call_line(each: Divergence) -> str:
    side = "the base" if each.this is None else "this trace"
    name = one_line(f"{each.call.module}:{each.call.name}", LIMITS.max_name_chars)
    line = f" from line {each.call.call_line}" if each.call.call_line else ""
    return f"called only in {side}{line}: {name}({arguments_text(each.call.args, 120)}), call {each.call.call_id}"


def _part_lines(prefix: str, parts: Sequence[ValueDifference], chars: int) -> list[str]:
    def text(part: ValueDifference) -> str:
        name = one_line(prefix + part.path, LIMITS.max_name_chars)
        return f"{name}: {cut(part.base, chars)} -> {cut(part.this, chars)}"

    return first_texts(parts, LIMITS.max_parts, text=text)


def summary_line(difference: CallDifference, chars: int) -> str:
    """Render a difference in one line: its call ids and its first parts."""
    if difference.base is None or difference.this is None:
        side = "this trace" if difference.this else "the base"
        return f"only in {side}: {one_line(difference.name, LIMITS.max_name_chars)}, call {difference.call.call_id}"
    parts = differing_parts(difference, chars)[:3]
    if difference.is_origin:
        parts.append("(same arguments)")
    return _difference_line(difference.base, difference.this, parts, chars)


def lone_calls_line(differences: Sequence[CallDifference]) -> str:
    """Render several calls of one function that only one side made, in one line."""
    side = "this trace" if differences[0].this else "the base"
    ids = ", ".join(str(each.call.call_id) for each in differences[: LIMITS.max_parts])
    more = len(differences) - LIMITS.max_parts
    name = one_line(differences[0].name, LIMITS.max_name_chars)
    return f"only in {side}: {name} x{len(differences)}, calls {ids}{f' and {more} more' if more > 0 else ''}"


def ending_line(difference: CallDifference, chars: int) -> str:
    """Render in one line how the two calls of a difference ended."""
    if difference.base is None or difference.this is None or not difference.end_differs:
        return summary_line(difference, chars)
    parts = _part_lines("", end_differences(difference.base, difference.this, chars), chars)[:2]
    return _difference_line(difference.base, difference.this, parts, chars)


def _difference_line(base: CallRow, this: CallRow, parts: Sequence[str], chars: int) -> str:
    name = f"{this.module}:{this.name} calls {base.call_id} / {this.call_id}"
    return one_line(f"{name}: {'; '.join(parts)}", 3 * chars)
