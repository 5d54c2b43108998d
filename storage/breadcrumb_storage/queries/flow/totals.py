"""Sum up a large call tree level by level, as a calling context tree.

A node stands for the calls of one function within the calls of its parent node (Ammons, Ball and Larus, "Exploiting
Hardware Performance Counters with Flow and Context Sensitive Profiling", 1997, section 4). Below a single call with
few children, their order can be kept: `children_in_order` and `renumber`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.flow.calls import EVERY_CALL, FUNCTIONS, FlowRoots, functions_query, scope_condition
from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Children whose order is kept, below one call and in a whole level.
MAX_IN_ORDER = 2_000
MAX_IN_ORDER_OF_LEVEL = 20_000


@dataclass(slots=True)
class FlowNode:
    """The calls of one function at one place of the tree."""

    node: int
    parent: int  # 0 for a root
    process_id: int
    thread_id: int
    name_no: int  # the number of number_functions
    calls: int
    min_ns: int | None  # None: no call has ended
    max_ns: int | None
    total_ns: int
    raised: int
    cancelled: int
    unfinished: int
    late: int
    first_call_id: int
    last_call_id: int
    calling: bool  # a call spent time in callees


@dataclass(frozen=True, slots=True)
class OrderedCall:
    """A call below a node that stands for a single call."""

    parent: int  # that node
    call_id: int
    name_no: int  # the number of number_functions
    outcome: int | None  # record_format.OUTCOME_*; None: unfinished


# Numbers only: texts would slow down the tables of the levels. The few nodes get their names at the end.
_COLUMNS = """
    c.call_id, c.process_id, c.thread_id, c.started_ns, c.duration_ns, c.child_ns > 0 AS calling, c.outcome,
    coalesce(c.late, false) AS late
"""


class FlowLevels:
    """The levels of the tree, one at a time, in temporary tables of the connection."""

    def __init__(self, reader: TraceReader, roots: FlowRoots, max_threads: int) -> None:
        """Begin at the roots. Needs the table of `number_functions`.

        Args:
            reader: The trace.
            roots: The calls at which the flow begins, and its limits.
            max_threads: If the trace has more threads, nodes are not separated by thread.
        """
        self._reader = reader
        where, values = _roots(reader, roots)
        ((threads,),) = reader.con.execute(
            "SELECT count(*) FROM threads WHERE trace_id = ?", [reader.trace_id]
        ).fetchall()
        self.by_thread = threads <= max_threads
        lane = ", c.process_id, c.thread_id" if self.by_thread else ""
        reader.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE flow_level AS
            SELECT {_COLUMNS}, f.name_no, 0::BIGINT AS parent,
                   (hash(f.name_no{lane}) >> 1)::BIGINT AS node
            FROM call_records c JOIN {FUNCTIONS} f USING (process_id, function_id)
            WHERE c.trace_no = ? AND {where}
            """,
            [reader.trace_no, *values],
        )

    def nodes(self) -> list[FlowNode]:
        """Return the nodes of this level in the order in which their first calls started."""
        result = self._reader.con.execute(
            """
            SELECT node, any_value(parent) AS parent, any_value(process_id) AS process_id,
                   any_value(thread_id) AS thread_id, any_value(name_no) AS name_no, count(*) AS calls,
                   min(duration_ns) AS min_ns, max(duration_ns) AS max_ns,
                   coalesce(sum(duration_ns), 0)::BIGINT AS total_ns, count(*) FILTER (outcome = 1) AS raised,
                   count(*) FILTER (outcome = 2) AS cancelled, count(*) FILTER (outcome IS NULL) AS unfinished,
                   count(*) FILTER (late) AS late, min(call_id) AS first_call_id, max(call_id) AS last_call_id,
                   bool_or(calling) AS calling
            FROM flow_level GROUP BY node ORDER BY min(started_ns), min(call_id)
            """
        )
        return fetch(result, FlowNode)

    def threads(self) -> list[tuple[int, int]]:
        """Return the (process, thread) pairs of this level."""
        return self._reader.con.execute("SELECT DISTINCT process_id, thread_id FROM flow_level ORDER BY ALL").fetchall()

    def descend(self) -> None:
        """Go to the next level."""
        self._reader.con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE flow_children AS
            SELECT {_COLUMNS}, f.name_no, p.node AS parent, (hash(p.node, f.name_no) >> 1)::BIGINT AS node
            FROM call_records c JOIN flow_level p ON c.parent_call_id = p.call_id
            JOIN {FUNCTIONS} f ON f.process_id = c.process_id AND f.function_id = c.function_id
            WHERE c.trace_no = ?
            """,
            [self._reader.trace_no],
        )
        self._reader.con.execute("DROP TABLE flow_level")
        self._reader.con.execute("ALTER TABLE flow_children RENAME TO flow_level")

    def children_in_order(self, single: Sequence[int]) -> list[OrderedCall]:
        """Return the calls of this level below nodes with 2 to `MAX_IN_ORDER` children, in their order.

        Args:
            single: Nodes of the level above that stand for one call each.

        Returns:
            The calls, by parent and start; none if there are more than `MAX_IN_ORDER_OF_LEVEL`.
        """
        result = self._reader.con.execute(
            f"""
            WITH few AS (
                SELECT parent FROM flow_level WHERE parent IN (SELECT unnest(?::BIGINT[]))
                GROUP BY parent HAVING count(*) BETWEEN 2 AND {MAX_IN_ORDER})
            SELECT parent, call_id, name_no, outcome FROM flow_level SEMI JOIN few USING (parent)
            ORDER BY parent, started_ns, call_id LIMIT {MAX_IN_ORDER_OF_LEVEL + 1}
            """,
            [list(single)],
        )
        found = fetch(result, OrderedCall)
        return found if len(found) <= MAX_IN_ORDER_OF_LEVEL else []

    def first_children(self, single: Sequence[int]) -> list[OrderedCall]:
        """Return the first calls of this level below nodes with more than `MAX_IN_ORDER` children, in their order.

        Args:
            single: As in `children_in_order`.

        Returns:
            `MAX_IN_ORDER` calls of each parent, at most `MAX_IN_ORDER_OF_LEVEL` in all.
        """
        result = self._reader.con.execute(
            f"""
            WITH firsts AS (
                SELECT unnest(min(call_id, {MAX_IN_ORDER})) AS call_id FROM flow_level
                WHERE parent IN (SELECT unnest(?::BIGINT[])) GROUP BY parent HAVING count(*) > {MAX_IN_ORDER})
            SELECT parent, call_id, name_no, outcome FROM flow_level SEMI JOIN firsts USING (call_id)
            ORDER BY parent, started_ns, call_id LIMIT {MAX_IN_ORDER_OF_LEVEL}
            """,
            [list(single)],
        )
        return fetch(result, OrderedCall)

    def renumber(self, call_ids: Sequence[int], nodes: Sequence[int]) -> None:
        """Move calls of this level to other nodes.

        Args:
            call_ids: The calls.
            nodes: The new node of each call.
        """
        if call_ids:
            self._reader.con.execute(
                """
                UPDATE flow_level SET node = n.node
                FROM (SELECT unnest(?::BIGINT[]) AS call_id, unnest(?::BIGINT[]) AS node) n
                WHERE n.call_id = flow_level.call_id
                """,
                [list(call_ids), list(nodes)],
            )


def _roots(reader: TraceReader, roots: FlowRoots) -> tuple[str, list[Any]]:
    if roots.call_id is not None:
        return f"c.call_id = {int(roots.call_id)}", []
    # The number itself, and not that of c: with it the calls of other traces are not read.
    trace_no = int(reader.trace_no)
    parent = f"SELECT p.call_id FROM call_records p WHERE p.trace_no = {trace_no} AND p.call_id = c.parent_call_id"
    within, values = scope_condition(reader, roots)
    named, names = functions_query(roots)
    if named:
        # A recursion is shown once, from its outermost call.
        own = f"{parent} AND (p.process_id, p.function_id) IN ({named})"
        condition = f"(c.process_id, c.function_id) IN ({named}) AND NOT EXISTS ({own}) AND {within}"
        return condition, [*names, *names, *values]
    if within == EVERY_CALL:
        return "c.parent_call_id IS NULL", []
    around, same_values = scope_condition(reader, roots, "p")
    return f"{within} AND NOT EXISTS ({parent} AND {around})", [*values, *same_values]
