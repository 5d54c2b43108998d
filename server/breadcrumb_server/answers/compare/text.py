"""One difference between two runs as an agent reads it: which call, on which way, and what of it differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from breadcrumb_server.answers.common.budget import first_texts
from breadcrumb_server.answers.common.code_origin import Places
from breadcrumb_server.answers.common.model import Section
from breadcrumb_server.answers.common.text import cut, one_line
from breadcrumb_server.answers.compare.divergences import Divergence
from breadcrumb_server.answers.compare.ends import end_differences, first_other_yield
from breadcrumb_server.answers.compare.noise import Difference, argument_differences
from breadcrumb_server.answers.rendering.calls import Chain, result_text
from breadcrumb_server.answers.rendering.layout import arguments_text
from breadcrumb_storage.queries.calls.records import CallRow

# Differing parts of a call that are told one by one.
MAX_PARTS = 6
MAX_NAME_CHARS = 120


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
class Root:
    """A difference with what belongs to it: the calls that only one of the two made within it."""

    base: CallRow | None
    this: CallRow | None
    args: bool
    end: bool
    lone: Sequence[Divergence] = ()

    @property
    def call(self) -> CallRow:
        call = self.this or self.base
        assert call is not None
        return call

    @property
    def name(self) -> str:
        return f"{self.call.module}:{self.call.name}"

    @property
    def itself(self) -> bool:
        """Whether nothing that differs went into it: what it got is equal, and so is all that it called."""
        return self.end and not self.args and not self.lone


def tell(
    root: Root, chain: Chain | None, places: Places, *, lines: int, chars: int, sampled: bool = False
) -> FirstDifference:
    """The difference with at most so many lines of its chain, and characters a value.

    Args:
        sampled: there are calls that were not recorded.
    """
    name = one_line(root.name, MAX_NAME_CHARS)
    return FirstDifference(
        what=_what(root, sampled=sampled),
        function=name,
        base_call_id=root.base.call_id if root.base else None,
        call_id=root.this.call_id if root.this else None,
        differs=differing_parts(root, chars),
        base=_side(root.base, chars),
        this=_side(root.this, chars),
        chain=chain.lines(places, lines=lines, chars=chars // 2) if chain else [],
    )


def _what(root: Root, *, sampled: bool) -> str:
    if root.base is None or root.this is None:
        return f"only {'this trace' if root.this else 'the base'} made this call, and nothing that is traced called it"
    if root.args:
        return (
            "other arguments: its caller, which had not differed until then, made them differently, "
            "or what is not traced did"
        )
    if root.lone:
        end = "and came to another end" if root.end else "though it came to the same end"
        return f"same arguments, but it called other functions (see differs), {end}: it decided otherwise"
    if "unfinished" in (root.base.outcome, root.this.outcome):
        return "same arguments, and all that it called is equal, but only one of the two calls ended"
    came = "another result" if first_other_yield(root.base, root.this) is None else "it yielded otherwise"
    if sampled:
        return (
            f"same arguments, but {came}: look into this function, and into what it called (what was recorded of that "
            "is equal, but not every call was recorded)"
        )
    return f"same arguments, and all that it called is equal, but {came}: look into this function"


def _side(call: CallRow | None, chars: int) -> str:
    if call is None:
        return ""
    return f"{call.name.rpartition('.')[2]}({arguments_text(call.args, chars)}) {_end(call, chars)}"


def _end(call: CallRow, chars: int) -> str:
    if call.outcome == "unfinished":
        return "had not ended"
    word = {"returned": "->", "raised": "raised", "cancelled": "was cancelled:"}[call.outcome]
    return f"{word} {result_text(call, chars)}"


def differing_parts(root: Root, chars: int) -> list[str]:
    """``args.rate: 0.2 -> None``, ``result: 1.2 -> raised KeyError: 'rate'``, ``called only in the base: ...``."""
    told: list[str] = []
    if root.base is not None and root.this is not None:
        if root.args:
            told += _few("args.", argument_differences(root.base.args, root.this.args), chars)
        told += [_lone_line(each) for each in root.lone[:MAX_PARTS]]
        if len(root.lone) > MAX_PARTS:
            told.append(f"… {len(root.lone) - MAX_PARTS} more calls of one side only")
        if root.end:
            told += _few("", end_differences(root.base, root.this, chars), chars)
    return told


def _lone_line(each: Divergence) -> str:
    side = "the base" if each.this is None else "this trace"
    name = one_line(f"{each.call.module}:{each.call.name}", MAX_NAME_CHARS)
    line = f" from line {each.call.call_line}" if each.call.call_line else ""
    return f"called only in {side}{line}: {name}({arguments_text(each.call.args, 120)}), call {each.call.call_id}"


def _few(prefix: str, parts: Sequence[Difference], chars: int) -> list[str]:
    def text(part: Difference) -> str:
        return f"{one_line(prefix + part.path, MAX_NAME_CHARS)}: {cut(part.base, chars)} -> {cut(part.this, chars)}"

    return first_texts(parts, MAX_PARTS, text=text)


def summary(root: Root, chars: int) -> str:
    """A line about a difference: its call ids and the first parts of it."""
    if root.base is None or root.this is None:
        side = "this trace" if root.this else "the base"
        return f"only in {side}: {one_line(root.name, MAX_NAME_CHARS)}, call {root.call.call_id}"
    parts = differing_parts(root, chars)[:3] + ["(same arguments)"] * root.itself
    return _about(root.base, root.this, parts, chars)


def ending(root: Root, chars: int) -> str:
    """A line about how the two calls of a difference ended."""
    if root.base is None or root.this is None or not root.end:
        return summary(root, chars)
    return _about(root.base, root.this, _few("", end_differences(root.base, root.this, chars), chars)[:2], chars)


def _about(base: CallRow, this: CallRow, parts: Sequence[str], chars: int) -> str:
    name = f"{this.module}:{this.name} calls {base.call_id} / {this.call_id}"
    return one_line(f"{name}: {'; '.join(parts)}", 3 * chars)
