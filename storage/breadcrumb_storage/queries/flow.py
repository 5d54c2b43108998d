"""The call tree with equal calls folded: a calling context tree, level by level.

A node stands for the calls of one function within the calls of its parent node (Ammons, Ball and Larus, "Exploiting
Hardware Performance Counters with Flow and Context Sensitive Profiling", 1997, section 4). Where the parent is one
call with few children, their order is kept: only calls that follow each other are folded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.functions import COLON_NAME, name_condition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.traces import TraceRow

# The children of a single call are shown in their order up to this number; beyond, by function.
MAX_IN_ORDER = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRoots:
    """Where a flow begins; both None: at the outermost recorded calls."""

    call_id: int | None = None
    function: str | None = None  # as functions.name_condition takes it: its outermost calls


@dataclass(slots=True)
class FlowNode:
    """Calls of one function at one place of the tree."""

    node: int
    parent: int  # 0 for a root
    level: int
    process_id: int
    thread_id: int
    task: str | None
    full_name: str
    calls: int
    min_ns: int | None
    max_ns: int | None
    total_ns: int
    raised: int
    cancelled: int
    unfinished: int
    first_call_id: int
    has_children: bool


# Numbers only, until the few nodes are named at the end: texts would make the tables of each level slow.
_COLUMNS = "c.call_id, c.process_id, c.thread_id, c.started_ns, c.duration_ns, c.child_ns, c.outcome"
_NODES = """
SELECT node, any_value(parent), $level, any_value(process_id), any_value(thread_id), any_value(task_id),
       any_value(name_no), count(*), min(duration_ns), max(duration_ns), coalesce(sum(duration_ns), 0)::BIGINT,
       count(*) FILTER (outcome = 1), count(*) FILTER (outcome = 2), count(*) FILTER (outcome IS NULL),
       min(call_id), max(child_ns) > 0
FROM flow_level GROUP BY node ORDER BY min(started_ns), min(call_id)
"""


def flow(con: DuckDBPyConnection, trace: TraceRow, roots: FlowRoots, max_depth: int) -> list[FlowNode]:
    """The nodes of the tree, the roots first, then level by level; siblings in the order of their first call."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE flow_functions AS
        SELECT process_id, function_id, {COLON_NAME} AS full_name,
               (dense_rank() OVER (ORDER BY {COLON_NAME}))::INTEGER AS name_no
        FROM functions WHERE trace_id = ?
        """,
        [trace.trace_id],
    )
    names = dict(con.execute("SELECT DISTINCT name_no, full_name FROM flow_functions").fetchall())
    tasks = {
        (process, task): name
        for process, task, name in con.execute(
            "SELECT process_id, task_id, name FROM tasks WHERE trace_id = ?", [trace.trace_id]
        ).fetchall()
    }
    _begin(con, trace, roots)
    nodes: list[FlowNode] = []
    for level in range(max_depth):
        rows = con.execute(_NODES, {"level": level}).fetchall()
        for row in rows:
            columns: list[Any] = [*row[:5], tasks.get((row[3], row[5])), names[row[6]], *row[7:]]
            nodes.append(FlowNode(*columns))
        if not rows:
            break
        if level + 1 < max_depth:
            _descend(con, trace, in_order=any(row[7] == 1 for row in rows))
    return nodes


def _begin(con: DuckDBPyConnection, trace: TraceRow, roots: FlowRoots) -> None:
    where = "c.parent_call_id IS NULL"
    parameters: list[Any] = [trace.trace_no]
    if roots.call_id is not None:
        where = f"c.call_id = {int(roots.call_id)}"
    elif roots.function is not None:
        condition, values = name_condition(roots.function)
        named = f"SELECT (process_id, function_id) FROM functions WHERE trace_id = ? AND {condition}"
        # Not those within another: a recursion is shown once, from its outermost call on.
        where = f"""(c.process_id, c.function_id) IN ({named}) AND c.parent_call_id IS DISTINCT FROM (
            SELECT p.call_id FROM call_records p WHERE p.trace_no = c.trace_no AND p.call_id = c.parent_call_id
            AND (p.process_id, p.function_id) IN ({named}))"""
        parameters += [trace.trace_id, *values, trace.trace_id, *values]
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE flow_level AS
        SELECT {_COLUMNS}, c.task_id, f.name_no, 0::BIGINT AS parent,
               (hash(f.name_no, c.process_id, c.thread_id, coalesce(c.task_id, -1)) >> 1)::BIGINT AS node
        FROM call_records c JOIN flow_functions f USING (process_id, function_id)
        WHERE c.trace_no = ? AND {where}
        """,
        parameters,
    )


def _descend(con: DuckDBPyConnection, trace: TraceRow, *, in_order: bool) -> None:
    """Make the next level of the present one. in_order: whether there are nodes of one call."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE flow_children AS
        SELECT {_COLUMNS}, c.task_id, f.name_no, p.node AS parent,
               (hash(p.node, f.name_no) >> 1)::BIGINT AS node
        FROM call_records c JOIN flow_level p ON c.parent_call_id = p.call_id
        JOIN flow_functions f ON f.process_id = c.process_id AND f.function_id = c.function_id
        WHERE c.trace_no = ?
        """,
        [trace.trace_no],
    )
    if in_order:
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE flow_runs AS
            WITH few AS (
                SELECT parent FROM flow_children
                WHERE parent IN (SELECT node FROM flow_level GROUP BY node HAVING count(*) = 1)
                GROUP BY parent HAVING count(*) <= {MAX_IN_ORDER}),
            begins AS (
                SELECT call_id, parent, node,
                       (name_no IS DISTINCT FROM lag(name_no) OVER within)::INTEGER AS new
                FROM flow_children SEMI JOIN few USING (parent)
                WINDOW within AS (PARTITION BY parent ORDER BY call_id))
            SELECT call_id, (hash(node, sum(new) OVER (PARTITION BY parent ORDER BY call_id)) >> 1)::BIGINT AS node
            FROM begins
            """
        )
        con.execute("UPDATE flow_children SET node = r.node FROM flow_runs r WHERE r.call_id = flow_children.call_id")
    con.execute("DROP TABLE flow_level")
    con.execute("ALTER TABLE flow_children RENAME TO flow_level")


def call_count(con: DuckDBPyConnection, trace: TraceRow) -> int:
    """The recorded calls of a trace."""
    ((count,),) = con.execute("SELECT count(*) FROM call_records WHERE trace_no = ?", [trace.trace_no]).fetchall()
    return int(count)
