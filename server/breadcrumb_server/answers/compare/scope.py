"""Choose the calls of two traces that are aligned, and note what else makes the traces differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.compare.ends import same_end
from breadcrumb_server.answers.compare.limits import LIMITS
from breadcrumb_server.answers.compare.noise import same_value, without_noise
from breadcrumb_storage.ids import ID_SPACE
from breadcrumb_storage.queries.calls.records import calls_by_id
from breadcrumb_storage.queries.compare.alignment import Selection
from breadcrumb_storage.queries.compare.functions import FunctionPair, TestPair, unmatched_calls
from breadcrumb_storage.queries.tests import CallRange, test_ranges_by_id
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import TraceRow

Ranges = tuple[Sequence[CallRange], Sequence[CallRange]]


@dataclass(frozen=True, slots=True)
class Scope:
    """The calls to align, with notes about the choice."""

    selection: Selection
    notes: Sequence[str]
    trusts_lone_calls: Callable[[str], bool]  # whether lone calls of a function are differences, see find_divergences

    @property
    def is_part(self) -> bool:
        """Whether only ranges of both traces are aligned."""
        return self.selection.this_ranges is not None


def choose_scope(
    base: TraceReader,
    this: TraceReader,
    functions: Sequence[FunctionPair],
    tests: Sequence[TestPair],
) -> Scope:
    """Choose the calls to align.

    These are the calls under tests that ended differently, or else all calls, or in large traces the calls around the
    first other value.

    Args:
        base: the trace to compare with.
        this: the other trace.
        functions: the functions of both traces.
        tests: the tests that ended differently.
    """
    sampled = sampled_functions(functions)
    is_large = max(recorded_calls(functions)) > LIMITS.max_aligned
    traced_alike = all(base.trace.config.get(key) == this.trace.config.get(key) for key in ("include", "exclude"))
    # If not all calls of a function are recorded and aligned, counts are better evidence than a lone call.
    trusts_lone_calls = _trust_in_lone_calls(functions, by_counts=is_large or bool(sampled))
    selection = Selection(
        max_calls=LIMITS.max_aligned,
        common_only=not traced_alike,
        sampled=sampled,
        recorded_whole=min(_recorded_whole(base.trace), _recorded_whole(this.trace)),
    )
    if tests:
        chosen = [test.node_id for test in tests[: LIMITS.max_tests]]
        ranges: Ranges = test_ranges_by_id(base, chosen), test_ranges_by_id(this, chosen)
        named = ", ".join(one_line(node_id, 120) for node_id in chosen)
        note = f"only calls under tests that ended differently are compared: {named}"
        return Scope(_only_ranges(selection, ranges), [note], trusts_lone_calls)
    if is_large:
        focus = _first_other_value(base, this, functions)
        where = "around the first without an equal in the base" if focus else "the first ones"
        differing = [pair.full_name for pair in functions if pair.base and pair.this and not pair.same_values]
        max_calls = LIMITS.max_unfocused if differing and not focus else LIMITS.max_focused
        selection = replace(selection, max_calls=max_calls)
        named = ", ".join(differing[: LIMITS.max_named]) + (", …" if len(differing) > LIMITS.max_named else "")
        note = (
            f"large traces: {counted(selection.max_calls, 'call')} of each are compared one by one, {where}; over all "
            f"calls, arguments or results differ in {counted(len(differing), 'function')}: {named}"
        )
        return Scope(_only_ranges(selection, focus) if focus else selection, [one_line(note, 600)], trusts_lone_calls)
    return Scope(selection, (), trusts_lone_calls)


def whole_scope(scope: Scope) -> Scope:
    """Return the scope without ranges: all calls, as far as they are aligned."""
    selection = replace(scope.selection, base_ranges=None, this_ranges=None, max_calls=LIMITS.max_aligned)
    return replace(scope, selection=selection, notes=())


def sampled_functions(functions: Sequence[FunctionPair]) -> list[str]:
    """List the full names of functions of which at least one trace did not record every call."""
    return [pair.full_name for pair in functions if any(side.sampled for side in (pair.base, pair.this) if side)]


def _only_ranges(selection: Selection, ranges: Ranges) -> Selection:
    # The calls that were certainly recorded may come before the ranges.
    return replace(selection, base_ranges=ranges[0], this_ranges=ranges[1], recorded_whole=0)


def _recorded_whole(trace: TraceRow) -> int:
    """Return the number of first calls of each function that were certainly recorded."""
    capture = trace.config.get("capture")
    if not is_object(capture) or capture.get("sample_rate", 1.0) != 1.0:
        return 0
    return int(capture.get("calls_per_function", 0))


def recorded_calls(functions: Sequence[FunctionPair]) -> tuple[int, int]:
    """Count the recorded calls of the base and of this trace."""
    return (
        sum(pair.base.recorded for pair in functions if pair.base),
        sum(pair.this.recorded for pair in functions if pair.this),
    )


def _trust_in_lone_calls(functions: Sequence[FunctionPair], *, by_counts: bool) -> Callable[[str], bool]:
    known = {pair.full_name: pair for pair in functions}

    def trusts_lone_calls(name: str) -> bool:
        pair = known.get(name)
        if not by_counts or pair is None or pair.base is None or pair.this is None:
            return True
        return not pair.base.sampled and not pair.this.sampled and pair.base.started != pair.this.started

    return trusts_lone_calls


def _first_other_value(base: TraceReader, this: TraceReader, functions: Sequence[FunctionPair]) -> Ranges | None:
    """Return the calls around the first call of this trace that has no equal in the base; None if there is none."""
    differing = [(pair, pair.base.recorded + pair.this.recorded) for pair in functions if pair.base and pair.this]
    names: list[str] = []
    left = LIMITS.max_searched
    for pair, calls in sorted(differing, key=lambda each: each[1]):
        if not pair.same_values and calls <= left:
            names.append(pair.full_name)
            left -= calls
    unmatched = unmatched_calls(base, this, names, LIMITS.max_unmatched) if names else []
    these = calls_by_id(this, [each.this_id for each in unmatched])
    others = calls_by_id(base, [each.base_id for each in unmatched if each.base_id is not None])
    for each in unmatched:
        call, other = these[each.this_id], others.get(each.base_id or 0)
        if other is None or not (same_value(other.args, call.args) and same_end(other, call)):
            return [_range_around(each.base_id or each.this_id)], [_range_around(each.this_id)]
    return None


def _range_around(call_id: int) -> CallRange:
    process, half = call_id // ID_SPACE, LIMITS.max_focused // 2
    return CallRange(process, max(call_id - half, process * ID_SPACE), call_id + half)


def trace_notes(base: TraceRow, this: TraceRow, functions: Sequence[FunctionPair]) -> list[str]:
    """Note what makes two traces differ that has nothing to do with what the program did."""
    notes: list[str] = []
    for side, trace, calls in zip(("the base", "this trace"), (base, this), recorded_calls(functions), strict=True):
        if not calls:
            notes.append(f"{side} recorded no call: get_trace says why")
        if trace.status == "running":
            notes.append(f"{side} is still running: what it has not done yet shows as missing")
    if without_noise(base.command) != without_noise(this.command):
        notes.append("the commands differ (see runs)")
    for key in ("include", "exclude", "capture"):
        before, after = base.config.get(key), this.config.get(key)
        if before != after:
            notes.append(one_line(f"{key} differs: {_changed_settings(before, after)}", 300))
    if base.config.get("include") != this.config.get("include") or base.config.get("exclude") != this.config.get(
        "exclude"
    ):
        notes.append("functions that only one of them traced are skipped")
    sampled = sampled_functions(functions)
    if sampled:
        named = ", ".join(sampled[: LIMITS.max_named]) + (", …" if len(sampled) > LIMITS.max_named else "")
        notes.append(
            one_line(
                f"{counted(len(sampled), 'function')} recorded in part ({named}): of these only calls that both "
                "traces recorded are compared, and missing calls are found by counts alone; "
                'set={"capture.mode": "full"} of edit_config records all',
                400,
            )
        )
    return notes


def _changed_settings(before: object, after: object) -> str:
    if is_object(before) and is_object(after):
        keys = [key for key in (*before, *after) if before.get(key) != after.get(key)]
        return ", ".join(
            f"{key} {json.dumps(before.get(key))} -> {json.dumps(after.get(key))}" for key in dict.fromkeys(keys)
        )
    return f"{json.dumps(before)} -> {json.dumps(after)}"
