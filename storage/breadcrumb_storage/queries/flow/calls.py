"""The calls of a part of a trace, with what it takes to build their tree: numbers only, as there may be many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.functions import COLON_NAME, name_condition
from breadcrumb_storage.queries.tests import CallRange, in_ranges
from breadcrumb_storage.rows import fetch_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# A tree of more calls is made of totals (queries/flow.py): to fetch them one by one would take too long.
MAX_CALLS = 30_000
# Calls of a function that are followed down, level by level; so deep.
_MAX_ROOTS = 2_000
_MAX_LEVELS = 12
# Literals let the database skip row groups; a long list of them takes long to parse.
_MAX_LITERALS = 500
UNFINISHED = 3  # behind record_format.OUTCOME_*

FUNCTIONS = "flow_functions"
EVERY_CALL = "true"
_COLUMNS = f"""
    c.call_id AS ids, coalesce(c.parent_call_id, 0) AS parents, f.name_no AS names,
    coalesce(c.outcome, {UNFINISHED}) AS outcomes, c.duration_ns AS durations, c.process_id AS processes,
    c.thread_id AS threads, c.task_id AS tasks, coalesce(c.late, false) AS late, c.child_ns > 0 AS calling,
    hash(c.return_value) AS results
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRoots:
    """Where a flow begins, and what it keeps to; nothing given: at the outermost recorded calls, and to nothing."""

    call_id: int | None = None
    function: str | None = None  # as functions.name_condition takes it: its outermost calls
    module: str | None = None  # a module and what is below it, or a glob: the outermost calls of its functions
    ranges: Sequence[CallRange] | None = None  # keeps to these calls: those of a test
    thread: str | int | None = None  # keeps to this one, or this asyncio task
    process_id: int | None = None  # keeps to this one


@dataclass(frozen=True, slots=True)
class FlowCalls:
    """Calls by the time of their begin, a list a column."""

    ids: Sequence[int]
    parents: Sequence[int]  # 0: none
    names: Sequence[int]
    outcomes: Sequence[int]  # record_format.OUTCOME_*, or UNFINISHED
    durations: Sequence[int | None]
    processes: Sequence[int]
    threads: Sequence[int]
    tasks: Sequence[int | None]
    late: Sequence[bool]  # recorded when under way
    calling: Sequence[bool]  # they called something that took time, recorded here or not
    results: Sequence[int]  # equal for equal return values
    roots: frozenset[int] | None  # where to begin; None: at those whose parent is not among them


def number_functions(reader: TraceReader) -> dict[int, str]:
    """Make the temporary table FUNCTIONS, which the other queries need; the names (module:function) by number."""
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
    """Names of the asyncio tasks by (process, task)."""
    rows = reader.con.execute(
        "SELECT process_id, task_id, name FROM tasks WHERE trace_id = ?", [reader.trace_id]
    ).fetchall()
    return {(process, task): name for process, task, name in rows}


def call_count(reader: TraceReader) -> int:
    """The recorded calls of a trace."""
    ((count,),) = reader.con.execute(
        "SELECT count(*) FROM call_records WHERE trace_no = ?", [reader.trace_no]
    ).fetchall()
    return int(count)


def load_calls(reader: TraceReader, roots: FlowRoots) -> FlowCalls | None:
    """The calls at and below ``roots``; None where they are more than MAX_CALLS."""
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
    """These calls."""
    return _load(reader, *_among("c.call_id", call_ids), None)


def functions_query(roots: FlowRoots) -> tuple[str, list[Any]]:
    """A query of the functions that ``roots`` names ("": it names none), and its parameters."""
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
    """SQL that is true for the calls to which ``roots`` keeps, and its parameters.

    Args:
        alias: that of ``call_records``.
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
    """Ids count up as time goes on, so that what a call did has ids from its own to the last one before its end."""
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
    """These calls and what they called, a few levels down; None where that is too much."""
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
    """SQL that is true where the column is one of these, and its parameters."""
    if len(call_ids) > _MAX_LITERALS:
        return f"{column} IN (SELECT unnest(?::BIGINT[]))", [list(call_ids)]
    literals = ", ".join(str(int(call_id)) for call_id in call_ids)
    return (f"{column} IN ({literals})" if literals else "false"), []
