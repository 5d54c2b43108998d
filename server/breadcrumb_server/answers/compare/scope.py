"""Which calls of two traces are held against each other, and what a reader must know of the traces first."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.compare.ends import same_end
from breadcrumb_server.answers.compare.noise import same_value, without_noise
from breadcrumb_storage.ids import ID_SPACE
from breadcrumb_storage.queries.calls.records import calls_by_id
from breadcrumb_storage.queries.compare.alignment import Selection
from breadcrumb_storage.queries.compare.functions import FunctionPair, TestPair, unmatched_calls
from breadcrumb_storage.queries.tests import CallRange, test_ranges_by_id
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import TraceRow

Ranges = tuple[Sequence[CallRange], Sequence[CallRange]]

# Calls of each trace that are aligned: enough for what a person would compare, and numbered, joined and held against
# each other within the time of an answer.
MAX_ALIGNED = 20_000
# Tests whose calls are compared; with more, those of the first ones say enough.
MAX_TESTS = 5
# In large traces: calls of functions with other values that are searched for the place where they begin, and how many
# of what is found are read.
MAX_SEARCHED = 300_000
MAX_READ = 300
# Calls of each that are aligned around that place: fewer than where nothing says where to look. So many as well where
# all values are the same, and only the order of calls may not be.
MAX_FOCUSED = 6_000
# The same of large traces in which values differ, but at no place that is known.
MAX_FIRST = 12_000
# Functions that are named in a note.
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """The calls that are aligned, and what is to be said about that."""

    selection: Selection
    notes: Sequence[str]
    is_counted: Callable[[str], bool]  # of a function: a call without a partner was not made in the other run

    @property
    def is_part(self) -> bool:
        return self.selection.this_ranges is not None


def choose_scope(
    base: TraceReader,
    this: TraceReader,
    functions: Sequence[FunctionPair],
    tests: Sequence[TestPair],
) -> Scope:
    """What to align: the tests that ended differently, or all, or in large traces where values begin to differ."""
    sampled = sampled_functions(functions)
    is_large = max(recorded_calls(functions)) > MAX_ALIGNED
    traced_alike = all(base.trace.config.get(key) == this.trace.config.get(key) for key in ("include", "exclude"))
    # Of functions that are only partly recorded, or only partly looked at, the counts tell better what was not called.
    is_counted = _is_counted(functions, strictly=is_large or bool(sampled))
    selection = Selection(
        max_calls=MAX_ALIGNED,
        common_only=not traced_alike,
        sampled=sampled,
        recorded_whole=min(_recorded_whole(base.trace), _recorded_whole(this.trace)),
    )
    if tests:
        chosen = [test.node_id for test in tests[:MAX_TESTS]]
        ranges: Ranges = test_ranges_by_id(base, chosen), test_ranges_by_id(this, chosen)
        named = ", ".join(one_line(node_id, 120) for node_id in chosen)
        note = f"compared are the calls under the tests that ended differently: {named}"
        return Scope(_part(selection, ranges), [note], is_counted)
    if is_large:
        focus = _first_other_value(base, this, functions)
        where = "around the first that has no equal in the base" if focus else "the first ones"
        differing = [pair.full_name for pair in functions if pair.base and pair.this and not pair.same_values]
        selection = replace(selection, max_calls=MAX_FIRST if differing and not focus else MAX_FOCUSED)
        named = ", ".join(differing[:MAX_NAMED]) + (", …" if len(differing) > MAX_NAMED else "")
        note = (
            f"large traces: one by one, {counted(selection.max_calls, 'call')} of each are compared, {where}; of all "
            f"calls together, arguments or results differ in {counted(len(differing), 'function')}: {named}"
        )
        return Scope(_part(selection, focus) if focus else selection, [one_line(note, 600)], is_counted)
    return Scope(selection, (), is_counted)


def whole(scope: Scope) -> Scope:
    """The same traces, as much of them as is compared where nothing says where to look."""
    selection = replace(scope.selection, base_ranges=None, this_ranges=None, max_calls=MAX_ALIGNED)
    return replace(scope, selection=selection, notes=())


def sampled_functions(functions: Sequence[FunctionPair]) -> list[str]:
    """Those of which at least one of the traces has not recorded every call."""
    return [pair.full_name for pair in functions if any(side.sampled for side in (pair.base, pair.this) if side)]


def _part(selection: Selection, ranges: Ranges) -> Selection:
    # What of a sampled function was recorded before the ranges is not counted.
    return replace(selection, base_ranges=ranges[0], this_ranges=ranges[1], recorded_whole=0)


def _recorded_whole(trace: TraceRow) -> int:
    """How many calls of each function were certainly recorded before the first that may not have been."""
    capture = trace.config.get("capture")
    if not is_object(capture) or capture.get("sample_rate", 1.0) != 1.0:
        return 0
    return int(capture.get("calls_per_function", 0))


def recorded_calls(functions: Sequence[FunctionPair]) -> tuple[int, int]:
    """The recorded calls of the base and of this trace."""
    return (
        sum(pair.base.recorded for pair in functions if pair.base),
        sum(pair.this.recorded for pair in functions if pair.this),
    )


def _is_counted(functions: Sequence[FunctionPair], *, strictly: bool) -> Callable[[str], bool]:
    known = {pair.full_name: pair for pair in functions}

    def is_counted(name: str) -> bool:
        pair = known.get(name)
        if not strictly or pair is None or pair.base is None or pair.this is None:
            return True
        return not pair.base.sampled and not pair.this.sampled and pair.base.started != pair.this.started

    return is_counted


def _first_other_value(base: TraceReader, this: TraceReader, functions: Sequence[FunctionPair]) -> Ranges | None:
    """The calls around the first one that the base has no equal of."""
    differing = [(pair, pair.base.recorded + pair.this.recorded) for pair in functions if pair.base and pair.this]
    names: list[str] = []
    left = MAX_SEARCHED
    for pair, calls in sorted(differing, key=lambda each: each[1]):
        if not pair.same_values and calls <= left:
            names.append(pair.full_name)
            left -= calls
    unmatched = unmatched_calls(base, this, names, MAX_READ) if names else []
    these = calls_by_id(this, [each.this_id for each in unmatched])
    others = calls_by_id(base, [each.base_id for each in unmatched if each.base_id is not None])
    for each in unmatched:
        call, other = these[each.this_id], others.get(each.base_id or 0)
        if other is None or not (same_value(other.args, call.args) and same_end(other, call)):
            return [_around(each.base_id or each.this_id)], [_around(each.this_id)]
    return None


def _around(call_id: int) -> CallRange:
    process = call_id // ID_SPACE
    return CallRange(process, max(call_id - MAX_FOCUSED // 2, process * ID_SPACE), call_id + MAX_FOCUSED // 2)


def trace_notes(base: TraceRow, this: TraceRow, functions: Sequence[FunctionPair]) -> list[str]:
    """What makes two traces differ that is no fault of the program."""
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
            notes.append(one_line(f"{key} differs: {_setting(before, after)}", 300))
    if base.config.get("include") != this.config.get("include") or base.config.get("exclude") != this.config.get(
        "exclude"
    ):
        notes.append("functions that only one of them traced are passed over")
    sampled = sampled_functions(functions)
    if sampled:
        named = ", ".join(sampled[:MAX_NAMED]) + (", …" if len(sampled) > MAX_NAMED else "")
        notes.append(
            one_line(
                f"{counted(len(sampled), 'function')} not recorded whole ({named}): of these only calls that both "
                "traces recorded are compared, and a missing call is told by counts alone; "
                'set={"capture.mode": "full"} of edit_config records all',
                400,
            )
        )
    return notes


def _setting(before: object, after: object) -> str:
    if is_object(before) and is_object(after):
        keys = [key for key in (*before, *after) if before.get(key) != after.get(key)]
        return ", ".join(
            f"{key} {json.dumps(before.get(key))} -> {json.dumps(after.get(key))}" for key in dict.fromkeys(keys)
        )
    return f"{json.dumps(before)} -> {json.dumps(after)}"
