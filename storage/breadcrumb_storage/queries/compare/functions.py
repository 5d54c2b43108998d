"""Compare the functions of two traces as a whole, and the outcomes of their tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.ids import ID_SPACE
from breadcrumb_storage.queries.calls.value_sql import without_numbers
from breadcrumb_storage.queries.functions import COLON_NAME
from breadcrumb_storage.queries.tests import CallRange, in_ranges, merge_ranges
from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Calls are first summed up in blocks of this many ids, so that only blocks that differ are read again.
BLOCK_CALLS = 1 << 14

_ARGS, _RESULT = without_numbers("args"), without_numbers("return_value")
_FIELDS = ("recorded", "started", "exact", "whole", "total_ns", "self_ns")
_SIDE = ", ".join(f"'{field}': {{0}}.{field}" for field in _FIELDS)


@dataclass(frozen=True, slots=True)
class FunctionSide:
    """The calls of one function in one trace."""

    recorded: int
    started: int  # at least `recorded`
    exact: bool  # False: `started` is a lower bound
    whole: int | None  # first calls of a process that are all recorded in detail, if the budget made them fewer
    total_ns: int
    self_ns: int

    @property
    def sampled(self) -> bool:
        """Whether calls may not have been recorded, or with values cut shorter."""
        return self.started > self.recorded or not self.exact or self.whole is not None


@dataclass(frozen=True, slots=True)
class FunctionPair:
    """A function in both traces."""

    full_name: str
    base: FunctionSide | None  # None: not called
    this: FunctionSide | None  # None: not called
    same_values: bool  # the recorded calls have equal arguments and results, and none raised; False: or not compared


@dataclass(frozen=True, slots=True)
class TestPair:
    """A test that ran in both traces with different outcomes."""

    node_id: str
    base: str  # outcome; "": it had not ended
    this: str


@dataclass(frozen=True, slots=True)
class UnmatchedCall:
    """The first of the calls with equal function, arguments and result that this trace has more often than the base."""

    this_id: int
    base_id: int | None  # a call that the base has more often, with the same arguments if possible; None: none
    same_args: bool  # both calls have the same arguments
    at_ns: int | None  # when the difference appeared, since the epoch; None: the call had not ended


def function_pairs(base: TraceReader, this: TraceReader, *, values: bool) -> list[FunctionPair]:
    """Compare each function that was called in one of the traces, by name.

    Args:
        base: The trace to compare with.
        this: The trace that is compared; its connection gets the temporary table for `unmatched_calls`.
        values: Compare arguments and results too, which reads all of them. If False, `same_values` is False, and
            `unmatched_calls` must not be called.
    """
    values_sum = f"sum(hash({_ARGS}, outcome, {_RESULT}))" if values else "NULL"
    this.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE compare_blocks AS
        SELECT trace_no, process_id, function_id, call_id // {BLOCK_CALLS} AS block, count(*) AS recorded,
               sum(duration_ns) AS total_ns, sum(duration_ns - child_ns - suspended_ns) AS self_ns,
               {values_sum} AS values_sum, count(*) FILTER (outcome <> 0) AS raised
        FROM call_records WHERE trace_no IN ({int(base.trace_no)}, {int(this.trace_no)}) GROUP BY ALL
        """
    )
    result = this.con.execute(
        f"""
        WITH recorded AS (
            SELECT trace_no, process_id, function_id, sum(recorded) AS recorded, sum(total_ns) AS total_ns,
                   sum(self_ns) AS self_ns, sum(values_sum) AS values_sum, sum(raised) AS raised
            FROM compare_blocks GROUP BY ALL),
        sides AS (
            SELECT f.trace_id, {COLON_NAME.replace("function_name", "f.function_name")} AS full_name,
                   coalesce(sum(recorded), 0)::BIGINT AS recorded,
                   coalesce(sum(greatest(f.started_count, recorded)), 0)::BIGINT AS started,
                   bool_and(coalesce(f.exact, true)) AS exact, min(f.recorded_whole) AS whole,
                   (coalesce(sum(total_ns), 0) + coalesce(sum(f.counted_ns), 0))::BIGINT AS total_ns,
                   greatest(coalesce(sum(self_ns), 0), 0)::BIGINT AS self_ns, sum(values_sum) AS values_sum,
                   coalesce(sum(raised), 0) AS raised
            FROM functions f JOIN traces t USING (trace_id)
            LEFT JOIN recorded r
              ON r.trace_no = t.trace_no AND r.process_id = f.process_id AND r.function_id = f.function_id
            WHERE f.trace_id IN (?, ?) GROUP BY ALL HAVING started > 0)
        SELECT full_name, CASE WHEN b.recorded IS NOT NULL THEN {{{_SIDE.format("b")}}} END AS base,
               CASE WHEN t.recorded IS NOT NULL THEN {{{_SIDE.format("t")}}} END AS this,
               {values} AND (b.recorded, b.values_sum) IS NOT DISTINCT FROM (t.recorded, t.values_sum) AND b.raised = 0
                   AS same_values
        FROM (FROM sides WHERE trace_id = ?) b FULL JOIN (FROM sides WHERE trace_id = ?) t USING (full_name)
        ORDER BY full_name
        """,
        [base.trace_id, this.trace_id, base.trace_id, this.trace_id],
    )
    return fetch(result, FunctionPair, convert={"base": _side, "this": _side})


def _side(found: dict[str, Any] | None) -> FunctionSide | None:
    return FunctionSide(**found) if found else None


def changed_tests(base: TraceReader, this: TraceReader) -> list[TestPair]:
    """Return the tests that ran in both traces with different outcomes, in the order of this trace."""
    result = this.con.execute(
        """
        WITH last AS (  -- of a repeated test, the last outcome counts
            SELECT trace_id, node_id, arg_max(coalesce(outcome, ''), first_call_id) AS outcome,
                   min(first_call_id) AS first
            FROM tests WHERE trace_id IN ($base, $this) GROUP BY ALL)
        SELECT node_id, b.outcome AS base, t.outcome AS this
        FROM (FROM last WHERE trace_id = $base) b JOIN (FROM last WHERE trace_id = $this) t USING (node_id)
        WHERE b.outcome <> t.outcome ORDER BY t.first, node_id
        """,
        {"base": base.trace_id, "this": this.trace_id},
    )
    return fetch(result, TestPair)


def unmatched_calls(base: TraceReader, this: TraceReader, full_names: Sequence[str], limit: int) -> list[UnmatchedCall]:
    """Find calls that this trace has more often than the base, in whatever order.

    For traces that are too large to be aligned: shows which part to align. Needs the tables of `function_pairs` (with
    values) and `name_functions` for the same traces.

    Args:
        base: The trace to compare with.
        this: The trace that is compared.
        full_names: `module:function` of the functions to look at.
        limit: Maximum number of calls.

    Returns:
        The calls, the earliest difference first.
    """
    # Blocks of call ids with equal calls in both traces cannot contain such a call.
    result = this.con.execute(
        """
        WITH sums AS (
            SELECT f.name_no, b.block, f.in_this, sum(b.recorded) AS recorded, sum(b.values_sum) AS values_sum
            FROM compare_blocks b JOIN compare_functions f
              ON f.process_id = b.process_id AND f.function_id = b.function_id AND f.in_this = (b.trace_no = $this)
            WHERE list_contains($names, f.full_name) GROUP BY ALL)
        SELECT DISTINCT block * $size // $process AS process_id, block * $size AS first_call_id,
               (block + 1) * $size - 1 AS last_call_id
        FROM (FROM sums WHERE in_this) t FULL JOIN (FROM sums WHERE NOT in_this) b USING (name_no, block)
        WHERE (t.recorded, t.values_sum) IS DISTINCT FROM (b.recorded, b.values_sum)
        ORDER BY ALL
        """,
        {"this": this.trace_no, "names": list(full_names), "size": BLOCK_CALLS, "process": ID_SPACE},
    )
    blocks = fetch(result, CallRange)
    if not blocks:
        return []
    there = in_ranges(merge_ranges(blocks))
    sides = " UNION ALL ".join(
        f"""
        SELECT {in_this} AS in_this, f.name_no, c.call_id, hash({_ARGS}) AS args_hash,
               hash(c.outcome, {_RESULT}) AS end_hash, c.started_ns, c.started_ns + c.duration_ns AS ended_ns
        FROM call_records c JOIN compare_functions f USING (process_id, function_id)
        WHERE c.trace_no = {int(side.trace_no)} AND {there}
          AND f.in_this = {in_this} AND list_contains($names, f.full_name)
        """
        for in_this, side in (("false", base), ("true", this))
    )
    result = this.con.execute(
        f"""
        WITH sides AS ({sides}),
        kinds AS (
            SELECT name_no, args_hash, end_hash,
                   count(*) FILTER (in_this) - count(*) FILTER (NOT in_this) AS surplus,
                   min(call_id) FILTER (in_this) AS this_id, min(call_id) FILTER (NOT in_this) AS base_id,
                   min(started_ns) FILTER (in_this) AS started_ns, min(ended_ns) FILTER (in_this) AS ended_ns
            FROM sides GROUP BY ALL HAVING surplus <> 0),
        lost AS (SELECT name_no, args_hash, min(base_id) AS base_id FROM kinds WHERE surplus < 0 GROUP BY ALL),
        lost_of_name AS (SELECT name_no, min(base_id) AS base_id FROM lost GROUP BY name_no)
        SELECT k.this_id, coalesce(l.base_id, n.base_id) AS base_id, l.base_id IS NOT NULL AS same_args,
               CASE WHEN l.base_id IS NULL THEN k.started_ns ELSE k.ended_ns END AS at_ns
        FROM kinds k LEFT JOIN lost l USING (name_no, args_hash) LEFT JOIN lost_of_name n USING (name_no)
        WHERE k.surplus > 0 ORDER BY at_ns NULLS LAST, k.this_id DESC LIMIT {int(limit)}
        """,
        {"names": list(full_names)},
    )
    return fetch(result, UnmatchedCall)


def name_functions(base: TraceReader, this: TraceReader, sampled: Sequence[str]) -> None:
    """Create the temporary table of the functions of both traces, with a number for each name.

    Args:
        base: The trace to compare with.
        this: The trace that is compared; its connection gets the table.
        sampled: `module:function` of those of which not every call was recorded.
    """
    this.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE compare_functions AS
        WITH named AS (
            SELECT trace_id = $this AS in_this, process_id, function_id, {COLON_NAME} AS full_name, recorded_whole
            FROM functions WHERE trace_id IN ($base, $this))
        SELECT * EXCLUDE (recorded_whole), min(recorded_whole) OVER same AS recorded_whole,
               (dense_rank() OVER (ORDER BY full_name))::INTEGER AS name_no,
               list_contains($sampled, full_name) AS sampled,
               bool_or(in_this) OVER same AND NOT bool_and(in_this) OVER same AS in_both
        FROM named WINDOW same AS (PARTITION BY full_name)
        """,
        {"base": base.trace_id, "this": this.trace_id, "sampled": list(sampled)},
    )
