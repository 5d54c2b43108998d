"""Select the calls around given calls: their ancestors, and the calls shortly before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.calls.chains import Link, chains
from breadcrumb_storage.queries.flow.calls import FlowCalls, FlowRoots, load_by_id, scope_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Neighbours on each side of the given call and of its ancestors, the innermost first.
_NEIGHBOURS = (10, 4, 2, 1)
# Innermost calls that are kept of a deep chain.
MAX_CHAIN = 12
# Calls below the given one, and the number of their levels.
_MAX_BELOW = 200
_MAX_LEVELS = 3
# Threads whose calls at a moment are shown.
MAX_THREADS = 4


@dataclass(frozen=True, slots=True)
class FlowWindow:
    """The calls around given calls."""

    calls: FlowCalls
    focus: list[int]  # the given calls that exist
    left_out: dict[int, tuple[int, int]]  # by parent (0: none): its calls before the first and after the last one here
    above: int  # ancestors of the outermost call here


def calls_around(reader: TraceReader, focus: Sequence[int]) -> FlowWindow:
    """Select the calls around given calls, fewer around each if there are several.

    Args:
        focus: Ids of the given calls; unknown ones are ignored.
    """
    found = chains(reader, focus)
    kept: set[int] = set()
    left_out: dict[int, tuple[int, int]] = {}
    neighbours = _NEIGHBOURS if len(focus) == 1 else _NEIGHBOURS[1:2]
    for chain in found.values():
        kept.update(link.call_id for link in chain[-MAX_CHAIN:])
        steps = [(chain[at - 1] if at else None, chain[at]) for at in range(len(chain))][-MAX_CHAIN:]
        for (parent, link), count in zip(reversed(steps), neighbours, strict=False):
            near, left = _neighbours(reader, parent, link, count)
            kept.update(near)
            left_out[parent.call_id if parent else 0] = left
    if len(focus) == 1:
        kept.update(_below(reader, focus))
    there = [call_id for call_id in focus if found.get(call_id)]
    above = max((len(chain) - MAX_CHAIN for chain in found.values()), default=0)
    return FlowWindow(load_by_id(reader, sorted(kept)), there, left_out if len(focus) == 1 else {}, max(above, 0))


def call_of_exception(reader: TraceReader, exception_id: int) -> tuple[bool, int | None]:
    """Find the innermost traced call in which an exception was raised.

    Returns:
        Whether the exception exists, and the id of the call; None if it was raised outside of any.
    """
    rows = reader.con.execute(
        "SELECT call_id FROM exceptions WHERE trace_id = ? AND exception_id = ?", [reader.trace_id, int(exception_id)]
    ).fetchall()
    return bool(rows), rows[0][0] if rows else None


def calls_at(reader: TraceReader, at_ns: int, roots: FlowRoots) -> list[int]:
    """Return the last call that each thread had started at a moment, the latest first, for `MAX_THREADS` threads.

    Args:
        at_ns: The moment, in nanoseconds since the epoch.
        roots: Only its limits are used.
    """
    within, values = scope_condition(reader, roots)
    rows = reader.con.execute(
        f"""
        SELECT arg_max(call_id, (started_ns, call_id)) FROM call_records c
        WHERE trace_no = ? AND started_ns <= ? AND {within}
        GROUP BY process_id, thread_id ORDER BY max(started_ns) DESC LIMIT {MAX_THREADS}
        """,
        [reader.trace_no, at_ns, *values],
    ).fetchall()
    return [row[0] for row in rows]


def _neighbours(reader: TraceReader, parent: Link | None, link: Link, count: int) -> tuple[list[int], tuple[int, int]]:
    """Return the ids of the calls next to `link` in `parent`, and the numbers of calls before and after these."""
    values: list[Any] = [reader.trace_no]
    if parent is not None:
        within = f"c.parent_call_id = {int(parent.call_id)}"
    else:
        within = f"""c.parent_call_id IS NULL AND (c.process_id, c.thread_id) = (
            SELECT (process_id, thread_id) FROM call_records WHERE trace_no = ? AND call_id = {int(link.call_id)})"""
        values.append(reader.trace_no)
    this = int(link.call_id)
    ((before, nearest_before, after, nearest_after),) = reader.con.execute(
        f"""
        SELECT count(*) FILTER (c.call_id < {this}), max(c.call_id, {int(count)}) FILTER (c.call_id < {this}),
               count(*) FILTER (c.call_id > {this}), min(c.call_id, {int(count)}) FILTER (c.call_id > {this})
        FROM call_records c WHERE c.trace_no = ? AND {within}
        """,
        values,
    ).fetchall()
    first: list[int] = nearest_before or []
    then: list[int] = nearest_after or []
    return [*first, *then], (before - len(first), after - len(then))


def _below(reader: TraceReader, call_ids: Sequence[int]) -> list[int]:
    """Return the ids of the calls below these, level by level until there are too many."""
    found: list[int] = []
    level = list(call_ids)
    for _ in range(_MAX_LEVELS):
        if not level:
            break
        numbers = ", ".join(str(int(call_id)) for call_id in level)
        rows = reader.con.execute(
            f"""
            SELECT call_id FROM call_records WHERE trace_no = ? AND parent_call_id IN ({numbers})
            ORDER BY call_id LIMIT {_MAX_BELOW + 1 - len(found)}
            """,
            [reader.trace_no],
        ).fetchall()
        if len(found) + len(rows) > _MAX_BELOW:
            break  # an incomplete level would be misleading
        level = [row[0] for row in rows]
        found += level
    return found
