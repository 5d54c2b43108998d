"""Fetch the calls of a part of a trace, as columns of numbers from which their tree is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.calls.value_sql import without_numbers
from breadcrumb_storage.queries.functions import COLON_NAME, name_condition
from breadcrumb_storage.queries.tests import CallRange, in_ranges
from breadcrumb_storage.rows import fetch_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# More calls take too long to fetch; their tree is built from totals (flow/totals.py).
MAX_CALLS = 30_000
# Calls from which a tree is read level by level, and the number of levels below them.
_MAX_ROOTS = 2_000
_MAX_LEVELS = 12
# Literals let DuckDB skip row groups, but long lists of them are slow to parse.
_MAX_LITERALS = 500
UNFINISHED = 3  # the number after those of record_format.OUTCOME_*

FUNCTIONS = "flow_functions"  # the table that number_functions creates
EVERY_CALL = "true"  # the condition without a limit
_COLUMNS = f"""
    c.call_id AS ids, coalesce(c.parent_call_id, 0) AS parents, f.name_no AS names,
    coalesce(c.outcome, {UNFINISHED}) AS outcomes, c.duration_ns AS durations, c.process_id AS processes,
    c.thread_id AS threads, c.task_id AS tasks, coalesce(c.late, false) AS late, c.child_ns > 0 AS calling,
    hash({without_numbers("c.return_value")}) AS results, hash({without_numbers("c.args")}) AS arguments,
    coalesce(c.return_value IN ('true', 'false'), false) AS truths,
    CASE WHEN c.child_ns > 0 OR c.return_value = 'null' OR NOT coalesce(json_valid(c.args), false) THEN false
         ELSE json_keys(c.args) IN (['self'], ['cls']) END AS getters
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRoots:
    """The calls at which a flow begins, and its limits.

    Without `call_id`, `function` and `module` it begins at the outermost recorded calls within the limits.
    """

    call_id: int | None = None  # the limits do not apply to a single call
    function: str | None = None  # as in functions.name_condition; the flow begins at its outermost calls
    module: str | None = None  # with its submodules, or a glob; the flow begins at the outermost calls of its functions
    ranges: Sequence[CallRange] | None = None  # limit: calls of a test
    thread: str | int | None = None  # limit: a thread (number or name) or an asyncio task (name)
    process_id: int | None = None  # limit: a process


@dataclass(frozen=True, slots=True)
class FlowCalls:
    """Calls in the order in which they started, one sequence per column."""

    ids: Sequence[int]
    parents: Sequence[int]  # 0: none
    names: Sequence[int]  # the numbers of number_functions
    outcomes: Sequence[int]  # record_format.OUTCOME_*, or UNFINISHED
    durations: Sequence[int | None]  # ns; None: unfinished
    processes: Sequence[int]
    threads: Sequence[int]
    tasks: Sequence[int | None]
    late: Sequence[bool]  # late calls
    calling: Sequence[bool]  # time was spent in callees, whether or not these are among the calls
    results: Sequence[int]  # hashes of return values
    arguments: Sequence[int | None]  # hashes of arguments; None: not recorded
    truths: Sequence[bool]  # the return value is True or False
    getters: Sequence[bool]  # called without arguments beside self or cls, and did not return None
    roots: frozenset[int] | None  # ids at which the tree begins; None: calls whose parents are not among the calls


def number_functions(reader: TraceReader) -> dict[int, str]:
    """Create the temporary table `FUNCTIONS`, which the other queries of flows need.

    Returns:
        `module:function` by number; functions of equal name share a number.
    """
    reader.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {FUNCTIONS} AS
        SELECT process_id, function_id, {COLON_NAME} AS full_name, module_name, function_name,
               (dense_rank() OVER (ORDER BY {COLON_NAME}))::INTEGER AS name_no
        FROM functions WHERE trace_id = ?
        """,
        [reader.trace_id],
    )
    return dict(reader.con.execute(f"SELECT DISTINCT name_no, full_name FROM {FUNCTIONS}").fetchall())


def task_names(reader: TraceReader) -> dict[tuple[int, int], str]:
    """Return the names of asyncio tasks by (process, task)."""
    rows = reader.con.execute(
        "SELECT process_id, task_id, name FROM tasks WHERE trace_id = ?", [reader.trace_id]
    ).fetchall()
    return {(process, task): name for process, task, name in rows}


def task_creators(reader: TraceReader) -> dict[tuple[int, int], int]:
    """Return the calls that created asyncio tasks, as far as they are known, by (process, task)."""
    rows = reader.con.execute(
        "SELECT process_id, task_id, created_by FROM tasks WHERE trace_id = ? AND created_by IS NOT NULL",
        [reader.trace_id],
    ).fetchall()
    return {(process, task): call_id for process, task, call_id in rows}


def call_count(reader: TraceReader) -> int:
    """Count the recorded calls of a trace."""
    ((count,),) = reader.con.execute(
        "SELECT count(*) FROM call_records WHERE trace_no = ?", [reader.trace_no]
    ).fetchall()
    return int(count)


def load_calls(reader: TraceReader, roots: FlowRoots) -> FlowCalls | None:
    """Fetch the calls at which a flow begins and the calls below them.

    Args:
        roots: The calls at which the flow begins, and its limits.

    Returns:
        The calls, possibly with others that the tree from their `roots` does not reach; None if there are too many.
    """
    if roots.call_id is not None:
        return _one_call(reader, int(roots.call_id))
    within, values = scope_condition(reader, roots)
    named, names = functions_query(roots)
    if not named:
        return _if_few(reader, within, values)
    condition = f"(c.process_id, c.function_id) IN ({named}) AND {within}"
    values = [*names, *values]
    if call_count(reader) <= MAX_CALLS:
        chosen = _ids(reader, condition, values)
        return _load(reader, "true", [], frozenset(chosen))
    chosen = _ids(reader, condition, values, limit=_MAX_ROOTS + 1)
    return _levels(reader, chosen) if len(chosen) <= _MAX_ROOTS else None


def load_by_id(reader: TraceReader, call_ids: Sequence[int]) -> FlowCalls:
    """Fetch the calls with these ids."""
    return _load(reader, *_among("c.call_id", call_ids), None)


def functions_query(roots: FlowRoots) -> tuple[str, list[Any]]:
    """Return a query of the functions that `roots` names, or "" if it names none, and its parameters."""
    conditions: list[str] = []
    values: list[Any] = []
    if roots.function is not None:
        condition, names = name_condition(roots.function)
        conditions.append(condition)
        values += names
    if roots.module is not None:
        conditions.append("(module_name GLOB ? OR starts_with(module_name, ?))")
        values += [roots.module.replace("[", "[[]"), roots.module + "."]
    if not conditions:
        return "", []
    return f"SELECT (process_id, function_id) FROM {FUNCTIONS} WHERE {' AND '.join(conditions)}", values


def scope_condition(reader: TraceReader, roots: FlowRoots, alias: str = "c") -> tuple[str, list[Any]]:
    """Return an SQL condition for the calls within the limits of `roots`, and its parameters.

    Args:
        roots: Only its limits are used.
        alias: The alias of `call_records` in the query.
    """
    conditions = [] if roots.ranges is None else [in_ranges(roots.ranges, f"{alias}.call_id")]
    values: list[Any] = []
    if roots.process_id is not None:
        conditions.append(f"{alias}.process_id = ?")
        values.append(roots.process_id)
    if isinstance(roots.thread, int):
        conditions.append(f"{alias}.thread_id = ?")
        values.append(roots.thread)
    elif roots.thread is not None:
        conditions.append(
            f"""(({alias}.process_id, {alias}.thread_id) IN
                 (SELECT (process_id, thread_id) FROM threads WHERE trace_id = ? AND name = ?)
              OR ({alias}.process_id, {alias}.task_id) IN
                 (SELECT (process_id, task_id) FROM tasks WHERE trace_id = ? AND name = ?))"""
        )
        values += [reader.trace_id, roots.thread, reader.trace_id, roots.thread]
    return " AND ".join(conditions) or EVERY_CALL, values


def _one_call(reader: TraceReader, call_id: int) -> FlowCalls | None:
    """Fetch a call and the calls below it.

    Ids increase with time in each process, so these calls have ids from its own to the last one before its end.
    """
    ((last,),) = reader.con.execute(
        f"""
        WITH root AS (SELECT * FROM call_records WHERE trace_no = $trace_no AND call_id = {call_id})
        SELECT max(c.call_id) FROM call_records c
        WHERE c.trace_no = $trace_no AND c.call_id >= {call_id} AND c.process_id = (SELECT process_id FROM root)
          AND c.started_ns <= (SELECT coalesce(started_ns + duration_ns, {2**62}) FROM root)
        """,
        {"trace_no": reader.trace_no},
    ).fetchall()
    if last is None:
        return _load(reader, "false", [], frozenset())
    found = _if_few(reader, f"c.call_id BETWEEN {call_id} AND {int(last)}", [], frozenset([call_id]))
    return found if found is not None else _levels(reader, [call_id])


def _levels(reader: TraceReader, chosen: Sequence[int]) -> FlowCalls | None:
    """Fetch these calls and `_MAX_LEVELS` levels below them, or None if these are too many calls."""
    known = set(chosen)
    level: Sequence[int] = chosen
    for _ in range(_MAX_LEVELS):
        if not level:
            break
        found = _ids(reader, *_among("c.parent_call_id", level), limit=MAX_CALLS + 1)
        level = [each for each in found if each not in known]
        known.update(level)
        if len(known) > MAX_CALLS:
            return None
    return _load(reader, *_among("c.call_id", [*known]), frozenset(chosen))


def _ids(reader: TraceReader, condition: str, values: Sequence[Any], limit: int | None = None) -> list[int]:
    most = f"LIMIT {limit}" if limit is not None else ""
    rows = reader.con.execute(
        f"SELECT c.call_id FROM call_records c WHERE c.trace_no = ? AND {condition} {most}", [reader.trace_no, *values]
    ).fetchall()
    return [row[0] for row in rows]


def _if_few(
    reader: TraceReader,
    condition: str,
    values: Sequence[Any],
    roots: frozenset[int] | None = None,
) -> FlowCalls | None:
    ((count,),) = reader.con.execute(
        f"SELECT count(*) FROM call_records c WHERE c.trace_no = ? AND {condition}", [reader.trace_no, *values]
    ).fetchall()
    return _load(reader, condition, values, roots) if count <= MAX_CALLS else None


def _load(reader: TraceReader, condition: str, values: Sequence[Any], roots: frozenset[int] | None) -> FlowCalls:
    result = reader.con.execute(
        f"""
        SELECT {_COLUMNS} FROM call_records c
        JOIN {FUNCTIONS} f ON f.process_id = c.process_id AND f.function_id = c.function_id
        WHERE c.trace_no = ? AND {condition} ORDER BY c.started_ns, c.call_id
        """,
        [reader.trace_no, *values],
    )
    return FlowCalls(**fetch_columns(result), roots=roots)


def _among(column: str, call_ids: Sequence[int]) -> tuple[str, list[Any]]:
    """Return an SQL condition for a column that holds one of these ids, and its parameters."""
    if len(call_ids) > _MAX_LITERALS:
        return f"{column} IN (SELECT unnest(?::BIGINT[]))", [list(call_ids)]
    literals = ", ".join(str(int(call_id)) for call_id in call_ids)
    return (f"{column} IN ({literals})" if literals else "false"), []
