"""The way to a call: its ancestors, and the calls that had not ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.traces import TraceRow

# A parent that had ended before its child began (a task's creator) is looked up by itself, this often at most.
MAX_SINGLE_LOOKUPS = 200
# Open calls that are read to find where each thread and task stands.
MAX_OPEN_CALLS = 20_000


@dataclass(frozen=True, slots=True)
class Link:
    """A call on a chain: just enough to walk on, and to fold repeats."""

    call_id: int
    parent_call_id: int | None
    process_id: int
    function_id: int
    call_line: int | None  # the caller's line


_LINK = "call_id, nullif(parent_call_id, 0), process_id, function_id, call_line"


def chains(con: DuckDBPyConnection, trace: TraceRow, call_ids: Iterable[int]) -> dict[int, list[Link]]:
    """The chain from the outermost recorded call down to each of these calls, the call itself last.

    A parent is nearly always still open when its child begins: one scan for the calls that were open at that
    moment fetches the whole chain, however deep the recursion, where a walk up would cost a query a level.
    """
    known: dict[int, Link] = {}
    found: dict[int, list[Link]] = {}
    lookups = 0
    for call_id in dict.fromkeys(call_ids):
        chain: list[Link] = []
        current: int | None = call_id
        seen: set[int] = set()
        while current is not None and current not in seen:
            seen.add(current)
            if current not in known and lookups < MAX_SINGLE_LOOKUPS:
                lookups += 1
                known.update(_open_when_it_began(con, trace, current))
            link = known.get(current)
            if link is None:  # not recorded, or too many lookups
                break
            chain.append(link)
            current = link.parent_call_id
        found[call_id] = chain[::-1]
    return found


def _open_when_it_began(con: DuckDBPyConnection, trace: TraceRow, call_id: int) -> dict[int, Link]:
    moment = con.execute(
        f"SELECT started_ns, process_id FROM call_records WHERE trace_no = ? AND call_id = {int(call_id)}",
        [trace.trace_no],
    ).fetchone()
    if moment is None:
        return {}
    rows = con.execute(
        f"""
        SELECT {_LINK} FROM call_records
        WHERE trace_no = ? AND process_id = ? AND call_id <= {int(call_id)}
          AND started_ns <= ? AND (duration_ns IS NULL OR started_ns + duration_ns >= ?)
        """,
        [trace.trace_no, moment[1], moment[0], moment[0]],
    ).fetchall()
    return {row[0]: Link(*row) for row in rows}


def open_chains(con: DuckDBPyConnection, trace: TraceRow) -> tuple[list[list[Link]], int]:
    """Where the program stands, or stood when it ended: chains of calls without an end, and how many those are.

    One chain for each open call that has no open call below it: one a thread and one a task, and one for each
    generator that was left standing. The one that began last comes first.
    """
    rows = con.execute(
        f"""
        SELECT {_LINK} FROM call_records WHERE trace_no = ? AND duration_ns IS NULL
        ORDER BY started_ns DESC, call_id DESC LIMIT {MAX_OPEN_CALLS}
        """,
        [trace.trace_no],
    ).fetchall()
    total = con.execute(
        "SELECT count(*) FROM call_records WHERE trace_no = ? AND duration_ns IS NULL", [trace.trace_no]
    ).fetchall()[0][0]
    links = {row[0]: Link(*row) for row in rows}
    parents = {link.parent_call_id for link in links.values()}
    return [_up(links, leaf) for leaf in links if leaf not in parents], total


def _up(links: dict[int, Link], call_id: int) -> list[Link]:
    chain: list[Link] = []
    current: int | None = call_id
    while current is not None and current in links and len(chain) <= len(links):
        chain.append(links[current])
        current = links[current].parent_call_id
    return chain[::-1]
