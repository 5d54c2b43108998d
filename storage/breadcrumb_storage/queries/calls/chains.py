"""Follow calls up to their outermost ancestors, and find the calls that had not ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Levels that all chains are followed together, one query per level. Deeper chains (recursion) need one scan each.
USUAL_DEPTH = 24
# Further scans for chains in which callers had ended before their children began (tasks that outlive their creators).
MAX_FURTHER_STEPS = 16
# Open calls that are read to find where each thread and task is.
MAX_OPEN_CALLS = 20_000


@dataclass(frozen=True, slots=True)
class Link:
    """A call of a chain: what is needed to follow it and to fold repetitions."""

    call_id: int
    parent_call_id: int | None
    process_id: int
    function_id: int
    call_line: int | None  # the caller's line


_LINK = "call_id, nullif(parent_call_id, 0) AS parent_call_id, process_id, function_id, call_line"


def chains(reader: TraceReader, call_ids: Iterable[int]) -> dict[int, list[Link]]:
    """Return the chain of each call by its id: from the outermost recorded ancestor to the call itself.

    The chain of a call that was not recorded is empty.
    """
    wanted = list(dict.fromkeys(call_ids))
    known: dict[int, Link] = {}
    for step in range(USUAL_DEPTH + MAX_FURTHER_STEPS):
        missing = {end for call_id in wanted if (end := _first_unknown(known, call_id)) is not None}
        if step < USUAL_DEPTH:
            found = _links(reader, missing)
        else:
            found = {key: link for call_id in missing for key, link in _open_at_start_of(reader, call_id).items()}
        if not found.keys() & missing:  # complete, or what is missing was not recorded
            break
        known |= found
    return {call_id: _chain_to(known, call_id) for call_id in wanted}


def recorded_chain(reader: TraceReader, call_ids: Sequence[int]) -> list[Link]:
    """Return a chain of these calls, without those that were not recorded."""
    found = _links(reader, call_ids)
    return [found[call_id] for call_id in call_ids if call_id in found]


def _first_unknown(known: Mapping[int, Link], call_id: int) -> int | None:
    """Return the nearest ancestor, or the call itself, that has not been fetched; None at the end of the chain."""
    chain = _chain_to(known, call_id)
    return chain[0].parent_call_id if chain else call_id


def _links(reader: TraceReader, call_ids: Iterable[int]) -> dict[int, Link]:
    numbers = ", ".join(str(int(call_id)) for call_id in call_ids)
    if not numbers:
        return {}
    result = reader.con.execute(
        f"SELECT {_LINK} FROM call_records WHERE trace_no = ? AND call_id IN ({numbers})", [reader.trace_no]
    )
    return _by_id(fetch(result, Link))


def _open_at_start_of(reader: TraceReader, call_id: int) -> dict[int, Link]:
    """Fetch a call and all calls that were open when it started, among them its ancestors at any depth."""
    result = reader.con.execute(
        f"""
        WITH moment AS (
            SELECT started_ns, process_id FROM call_records WHERE trace_no = $trace_no AND call_id = {int(call_id)})
        SELECT {_LINK} FROM call_records
        WHERE trace_no = $trace_no AND process_id = (SELECT process_id FROM moment) AND call_id <= {int(call_id)}
          AND started_ns <= (SELECT started_ns FROM moment)
          AND (duration_ns IS NULL OR started_ns + duration_ns >= (SELECT started_ns FROM moment))
        """,
        {"trace_no": reader.trace_no},
    )
    return _by_id(fetch(result, Link))


def open_chains(reader: TraceReader) -> tuple[list[list[Link]], int]:
    """Return the chains of open calls: where the program is, or was when it ended.

    There is a chain for each open call without an open callee: one per thread, task and suspended generator. Calls
    that an exec left open are excluded, since the program ended them on purpose.

    Returns:
        The chains, the one whose last call started last first, and the number of open calls.
    """
    is_open = """
        trace_no = $trace_no AND duration_ns IS NULL AND process_id NOT IN (
            SELECT parent_process_id FROM processes
            WHERE trace_id = $trace_id AND started_by = 'exec' AND parent_process_id IS NOT NULL)
    """
    of_trace = {"trace_no": reader.trace_no, "trace_id": reader.trace_id}
    result = reader.con.execute(
        f"""
        SELECT {_LINK} FROM call_records WHERE {is_open}
        ORDER BY started_ns DESC, call_id DESC LIMIT {MAX_OPEN_CALLS}
        """,
        of_trace,
    )
    links = _by_id(fetch(result, Link))
    total = reader.con.execute(f"SELECT count(*) FROM call_records WHERE {is_open}", of_trace).fetchall()[0][0]
    parents = {link.parent_call_id for link in links.values()}
    return [_chain_to(links, leaf) for leaf in links if leaf not in parents], total


def _by_id(links: Iterable[Link]) -> dict[int, Link]:
    return {link.call_id: link for link in links}


def _chain_to(links: Mapping[int, Link], call_id: int) -> list[Link]:
    chain: list[Link] = []
    current: int | None = call_id
    while current is not None and current in links and len(chain) <= len(links):
        chain.append(links[current])
        current = links[current].parent_call_id
    return chain[::-1]
