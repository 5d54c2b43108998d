"""How long calls took: their distribution, who called, the slowest, and the way of the time into a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.functions import COLON_NAME, name_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.traces import TraceRow

# Recorded calls of a function that are looked at for how its time grows: more say nothing new.
MAX_SAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Distribution:
    """The wall time of a function's recorded calls that have ended."""

    calls: int
    mean_ns: float
    p50_ns: float
    p95_ns: float
    max_ns: int
    active_ns: int  # in all, suspensions taken out


@dataclass(frozen=True, slots=True)
class CallerTime:
    """What one caller made a function do; ``full_name`` is "" for calls without a recorded caller."""

    full_name: str
    calls: int
    total_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True)
class Step:
    """One call on the way of the time into a call: the child that took longest, again and again."""

    call_id: int
    duration_ns: int


def distributions(con: DuckDBPyConnection, trace: TraceRow, full_names: Sequence[str]) -> dict[str, Distribution]:
    """The distribution of each of these functions (``module:function``); without an ended call there is none."""
    rows = con.execute(
        f"""
        WITH named AS (
            SELECT process_id, function_id, {COLON_NAME} AS full_name FROM functions
            WHERE trace_id = ? AND list_contains(?, {COLON_NAME}))
        SELECT full_name, count(*), avg(duration_ns), quantile_cont(duration_ns, 0.5), quantile_cont(duration_ns, 0.95),
               max(duration_ns), sum(duration_ns - suspended_ns)::BIGINT
        FROM call_records JOIN named USING (process_id, function_id)
        WHERE trace_no = ? AND duration_ns IS NOT NULL GROUP BY full_name
        """,
        [trace.trace_id, list(full_names), trace.trace_no],
    ).fetchall()
    return {row[0]: Distribution(*row[1:]) for row in rows}


def callers(con: DuckDBPyConnection, trace: TraceRow, pattern: str, limit: int) -> tuple[list[CallerTime], int]:
    """Who called the functions that ``pattern`` names, the one that made them take most time first, and of how many."""
    condition, parameters = name_condition(pattern)
    rows = con.execute(
        f"""
        WITH named AS (SELECT process_id, function_id FROM functions WHERE trace_id = ? AND {condition}),
        chosen AS (
            SELECT parent_call_id, duration_ns FROM call_records SEMI JOIN named USING (process_id, function_id)
            WHERE trace_no = ?),
        by_parent AS (
            SELECT parent_call_id, count(*) AS calls, sum(duration_ns) AS total_ns, max(duration_ns) AS max_ns
            FROM chosen GROUP BY parent_call_id)
        SELECT coalesce({COLON_NAME}, ''), sum(calls)::BIGINT, coalesce(sum(total_ns), 0)::BIGINT,
               coalesce(max(max_ns), 0), count(*) OVER ()
        FROM by_parent b
        LEFT JOIN (SELECT call_id, process_id, function_id FROM call_records WHERE trace_no = ?) p
          ON p.call_id = b.parent_call_id
        LEFT JOIN functions f
          ON f.trace_id = ? AND f.process_id = p.process_id AND f.function_id = p.function_id
        GROUP BY 1 ORDER BY 3 DESC, 2 DESC, 1 LIMIT {int(limit)}
        """,
        [trace.trace_id, *parameters, trace.trace_no, trace.trace_no, trace.trace_id],
    ).fetchall()
    return [CallerTime(*row[:4]) for row in rows], (rows[0][4] if rows else 0)


def slowest(con: DuckDBPyConnection, trace: TraceRow, pattern: str, limit: int) -> list[int]:
    """The ids of the calls that took longest, of the functions that ``pattern`` names."""
    condition, parameters = name_condition(pattern)
    rows = con.execute(
        f"""
        WITH named AS (SELECT process_id, function_id FROM functions WHERE trace_id = ? AND {condition})
        SELECT call_id FROM call_records SEMI JOIN named USING (process_id, function_id)
        WHERE trace_no = ? AND duration_ns IS NOT NULL ORDER BY duration_ns DESC, call_id LIMIT {int(limit)}
        """,
        [trace.trace_id, *parameters, trace.trace_no],
    ).fetchall()
    return [row[0] for row in rows]


def way_of_the_time(con: DuckDBPyConnection, trace: TraceRow, call_id: int, depth: int) -> list[Step]:
    """From a call down, the child that took longest at each step, at most ``depth`` steps."""
    steps: list[Step] = []
    current = int(call_id)
    for _ in range(depth):
        rows = con.execute(
            f"""
            SELECT call_id, duration_ns FROM call_records
            WHERE trace_no = ? AND parent_call_id = {current} AND duration_ns IS NOT NULL
            ORDER BY duration_ns DESC, call_id LIMIT 1
            """,
            [trace.trace_no],
        ).fetchall()
        if not rows:
            break
        steps.append(Step(*rows[0]))
        current = rows[0][0]
    return steps


def samples(con: DuckDBPyConnection, trace: TraceRow, pattern: str) -> list[tuple[str, int]]:
    """Arguments and active time of recorded calls, spread evenly over all of them; at most MAX_SAMPLES."""
    condition, parameters = name_condition(pattern)
    rows = con.execute(
        f"""
        WITH named AS (SELECT process_id, function_id FROM functions WHERE trace_id = ? AND {condition}),
        numbered AS (
            SELECT args, duration_ns - suspended_ns AS active_ns, row_number() OVER (ORDER BY call_id) AS number,
                   count(*) OVER () AS calls
            FROM call_records SEMI JOIN named USING (process_id, function_id)
            WHERE trace_no = ? AND outcome = 0)
        SELECT args, active_ns FROM numbered WHERE number % greatest(calls // {MAX_SAMPLES}, 1) = 0
        LIMIT {MAX_SAMPLES}
        """,
        [trace.trace_id, *parameters, trace.trace_no],
    ).fetchall()
    return [(row[0] or "{}", row[1]) for row in rows]
