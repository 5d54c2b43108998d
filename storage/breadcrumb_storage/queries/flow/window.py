"""What happened around some calls: those that they stand in, and what was called shortly before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.calls.chains import Link, chains
from breadcrumb_storage.queries.flow.calls import FlowCalls, FlowRoots, load_by_id, scope_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Calls before and after the one that is looked around, and around those that it stands in, the innermost first.
_NEIGHBOURS = (10, 4, 2, 1)
# Of a deep chain, the innermost calls.
MAX_CHAIN = 12
# What the call itself called: so many calls, so many levels deep.
_MAX_BELOW = 200
_MAX_LEVELS = 3
# Threads that are told of at a moment.
MAX_THREADS = 4


@dataclass(frozen=True, slots=True)
class FlowWindow:
    """The calls around others."""

    calls: FlowCalls
    focus: list[int]
    left_out: dict[int, tuple[int, int]]  # by call (0: none): calls in it before the first and after the last one here
    above: int  # calls that the outermost one here stands in


def calls_around(reader: TraceReader, focus: Sequence[int]) -> FlowWindow:
    """The calls around ``focus``; the more there are, the fewer around each. Calls that do not exist are left out."""
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
    """Whether there is such an exception, and the innermost traced call when it was raised, if there was one."""
    rows = reader.con.execute(
        "SELECT call_id FROM exceptions WHERE trace_id = ? AND exception_id = ?", [reader.trace_id, int(exception_id)]
    ).fetchall()
    return bool(rows), rows[0][0] if rows else None


def calls_at(reader: TraceReader, at_ns: int, roots: FlowRoots) -> list[int]:
    """Of each thread that had begun a call until then (ns since the epoch) the last one; the latest threads first.

    Only calls to which ``roots`` keeps.
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
    """Ids of the calls in ``parent`` next to ``link``, and how many there are beyond them before and after."""
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
    """What these calls called, level by level, as long as it is not too much."""
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
            break  # a level that is not whole would say what is not so
        level = [row[0] for row in rows]
        found += level
    return found
