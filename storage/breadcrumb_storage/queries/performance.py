"""Measure calls: their durations, in all and by caller, the slowest ones, and the hot path below a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.functions import COLON_NAME
from breadcrumb_storage.rows import fetch_one, fetch_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Calls of a function from which the growth of its time is estimated; more would not change the estimate. The slowest
# are always among them, since the largest inputs are often rare.
MAX_SAMPLES = 2_000
SLOWEST_SAMPLES = 100


@dataclass(frozen=True, slots=True)
class Durations:
    """The durations of recorded calls that have ended, as wall time unless noted."""

    calls: int
    total_ns: int
    self_ns: int  # without callees and suspensions
    active_ns: int  # without suspensions
    mean_ns: float
    p50_ns: float
    p95_ns: float
    max_ns: int


@dataclass(frozen=True, slots=True)
class CallerTime:
    """The durations of the calls by one caller."""

    full_name: str  # module:function; "": no caller was recorded
    times: Durations


@dataclass(frozen=True, slots=True)
class Callers:
    """The callers with the most time in their calls, and totals of all callers."""

    first: list[CallerTime]
    count: int  # of all callers
    total_ns: int  # in the calls of all callers


@dataclass(frozen=True, slots=True)
class HotPathStep:
    """The calls of one function that took most of the time in a call."""

    call_id: int  # the slowest of them
    calls: int
    total_ns: int


_DURATIONS = """
    count(*) AS calls, coalesce(sum(duration_ns), 0)::BIGINT AS total_ns,
    -- children in other tasks can outlast the call that began them
    greatest(coalesce(sum(duration_ns - child_ns - suspended_ns), 0), 0)::BIGINT AS self_ns,
    coalesce(sum(duration_ns - suspended_ns), 0)::BIGINT AS active_ns,
    avg(duration_ns) AS mean_ns, quantile_cont(duration_ns, 0.5) AS p50_ns, quantile_cont(duration_ns, 0.95) AS p95_ns,
    max(duration_ns) AS max_ns
"""


def durations(reader: TraceReader, full_names: Sequence[str]) -> dict[str, Durations]:
    """Return the durations of functions by name; functions without an ended call are left out.

    Args:
        full_names: `module:function` of each.
    """
    result = reader.con.execute(
        f"""
        WITH named AS (
            SELECT process_id, function_id, {COLON_NAME} AS full_name FROM functions
            WHERE trace_id = ? AND list_contains(?, {COLON_NAME}))
        SELECT full_name, {_DURATIONS} FROM call_records JOIN named USING (process_id, function_id)
        WHERE trace_no = ? AND duration_ns IS NOT NULL GROUP BY full_name
        """,
        [reader.trace_id, list(full_names), reader.trace_no],
    )
    return {full_name: times for times, (full_name,) in fetch_with(result, Durations, "full_name")}


class TimedCalls:
    """The ended calls of some functions, in a temporary table of the connection."""

    def __init__(self, reader: TraceReader, full_names: Sequence[str]) -> None:
        """Create the table by one scan.

        Args:
            reader: The trace.
            full_names: `module:function` of each.
        """
        self._reader = reader
        reader.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE timed_calls AS
            WITH named AS (
                SELECT process_id, function_id FROM functions WHERE trace_id = ? AND list_contains(?, {COLON_NAME}))
            SELECT call_id, parent_call_id, duration_ns, child_ns, suspended_ns, outcome
            FROM call_records SEMI JOIN named USING (process_id, function_id)
            WHERE trace_no = ? AND duration_ns IS NOT NULL
            """,
            [reader.trace_id, list(full_names), reader.trace_no],
        )

    def callers(self, limit: int) -> Callers:
        """Return at most `limit` callers, the one with the most time in its calls first, and totals of all."""
        result = self._reader.con.execute(
            f"""
            WITH called AS (
                SELECT c.*, p.process_id, p.function_id FROM timed_calls c
                LEFT JOIN (SELECT call_id, process_id, function_id FROM call_records WHERE trace_no = ?) p
                  ON p.call_id = c.parent_call_id)
            SELECT coalesce({COLON_NAME}, '') AS caller, {_DURATIONS},
                   count(*) OVER () AS callers, (sum(sum(duration_ns)) OVER ())::BIGINT AS of_all_ns
            FROM called LEFT JOIN (FROM functions WHERE trace_id = ?) f USING (process_id, function_id)
            GROUP BY caller ORDER BY total_ns DESC, calls DESC, caller LIMIT {int(limit)}
            """,
            [self._reader.trace_no, self._reader.trace_id],
        )
        found = fetch_with(result, Durations, "caller", "callers", "of_all_ns")
        first = [CallerTime(full_name=caller, times=times) for times, (caller, _, _) in found]
        _, count, total_ns = found[0][1] if found else ("", 0, 0)
        return Callers(first=first, count=count, total_ns=total_ns)

    def slowest(self, limit: int) -> list[int]:
        """Return the ids of the slowest calls, the slowest first."""
        rows = self._reader.con.execute(
            f"SELECT call_id FROM timed_calls ORDER BY duration_ns DESC, call_id LIMIT {int(limit)}"
        ).fetchall()
        return [row[0] for row in rows]

    def samples(self) -> list[tuple[str, int]]:
        """Return the arguments (JSON) and active times (ns) of an even sample of the calls that returned.

        The `SLOWEST_SAMPLES` slowest calls are always included.
        """
        rows = self._reader.con.execute(
            f"""
            WITH returned AS (
                SELECT call_id, duration_ns - suspended_ns AS active_ns, row_number() OVER (ORDER BY call_id) AS number,
                       count(*) OVER () AS calls
                FROM timed_calls WHERE outcome = 0),
            chosen AS (
                FROM returned WHERE number % (calls // {MAX_SAMPLES} + 1) = 0
                UNION
                (FROM returned ORDER BY active_ns DESC LIMIT {SLOWEST_SAMPLES}))
            SELECT coalesce(c.args, '{{}}'), active_ns FROM chosen JOIN call_records c USING (call_id)
            WHERE c.trace_no = ? ORDER BY call_id
            """,
            [self._reader.trace_no],
        ).fetchall()
        return [(row[0], row[1]) for row in rows]


def hot_path(reader: TraceReader, call_id: int, depth: int) -> list[HotPathStep]:
    """Follow a call down, at each step into the slowest call of the function that took the most time.

    Args:
        call_id: The call to begin at.
        depth: Maximum number of steps.
    """
    steps: list[HotPathStep] = []
    current = int(call_id)
    for _ in range(depth):
        result = reader.con.execute(
            f"""
            SELECT arg_max(call_id, (duration_ns, -call_id)) AS call_id, count(*) AS calls,
                   sum(duration_ns)::BIGINT AS total_ns
            FROM call_records WHERE trace_no = ? AND parent_call_id = {current} AND duration_ns IS NOT NULL
            GROUP BY process_id, function_id ORDER BY total_ns DESC, 1 LIMIT 1
            """,
            [reader.trace_no],
        )
        step = fetch_one(result, HotPathStep)
        if step is None:
            break
        steps.append(step)
        current = step.call_id
    return steps
