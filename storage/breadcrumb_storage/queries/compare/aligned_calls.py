"""Read the tables of `alignment`: calls that differ, strands whose trees diverge, and strands without a partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.queries.compare.alignment import trace_start_ns
from breadcrumb_storage.rows import fetch, fetch_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.trace_reader import TraceReader


@dataclass(frozen=True, slots=True)
class AlignedCall:
    """Two calls at the same place of the tree whose recorded texts may differ."""

    strand: int
    n: int  # position in the strand, from 1
    parent_n: int  # 0: the strand begins with this call
    base_id: int
    this_id: int
    args_differ: bool
    end_differs: bool  # outcome, yields, return value or exception
    sampled: bool  # earlier calls of its function may not have been recorded, or with values cut shorter
    started_ns: int  # of the call in this trace, since the trace began
    ended_ns: int | None  # None: unfinished


@dataclass(frozen=True, slots=True)
class StrandCall:
    """A call of a strand after the place at which the trees of its two sides diverge."""

    call_id: int
    n: int  # position in the strand, from 1
    parent_n: int
    name: str  # module:function
    args_hash: int
    end_hash: int
    started_ns: int
    ended_ns: int | None  # None: unfinished
    sampled: bool = False  # earlier calls of its function may not have been recorded


@dataclass(frozen=True, slots=True)
class LoneStrand:
    """A strand without a partner in the other trace."""

    in_this: bool
    call_id: int  # its first call
    name: str  # module:function of that call
    calls: int
    started_ns: int  # since its trace began


def differing_calls(con: DuckDBPyConnection, *, offset: int, limit: int) -> list[AlignedCall]:
    """Return aligned calls whose recorded texts differ, in the order in which the differences appeared in this trace.

    Other arguments appear at the start of a call, other results at its end. Unfinished calls come last, the innermost
    first.

    Args:
        con: The connection of the readers that were passed to `align_calls`.
        offset: Number of calls to skip.
        limit: Maximum number of calls.
    """
    result = con.execute(
        f"""
        SELECT strand, n, parent_n, base_id, this_id, args_differ, end_differs, sampled, started_ns, ended_ns
        FROM compare_pairs WHERE n < coalesce(break_n, n + 1) AND (args_differ OR end_differs)
        ORDER BY CASE WHEN args_differ THEN started_ns ELSE ended_ns END NULLS LAST, started_ns DESC, this_id DESC
        LIMIT {int(limit)} OFFSET {int(offset)}
        """
    )
    return fetch(result, AlignedCall)


def broken_strands(con: DuckDBPyConnection, limit: int) -> tuple[list[tuple[int, int]], int]:
    """Return the strands whose trees diverge, in the order of time in this trace.

    Args:
        con: As in `differing_calls`.
        limit: Maximum number of strands.

    Returns:
        Pairs of a strand and the first position at which its trees differ, and the number of such strands.
    """
    rows = con.execute(
        f"""
        SELECT strand, any_value(break_n) AS break_n, count(*) OVER ()
        FROM compare_pairs WHERE break_n IS NOT NULL GROUP BY strand
        ORDER BY min(started_ns) FILTER (n >= break_n), max(ended_ns) FILTER (n < break_n) LIMIT {int(limit)}
        """
    ).fetchall()
    return [(strand, place) for strand, place, _ in rows], rows[0][2] if rows else 0


def strand_calls(this: TraceReader, strand: int, first: int, limit: int) -> tuple[list[StrandCall], list[StrandCall]]:
    """Return the calls of a strand from position `first` on, at most `limit`: of the base, and of this trace.

    Times are relative to the start of this trace, so those of the base have no meaning.
    """
    began = trace_start_ns(this)
    sides: list[list[StrandCall]] = []
    for root, in_this in (("base_root", False), ("this_root", True)):
        result = this.con.execute(
            f"""
            SELECT c.call_id, c.n, c.parent_n, f.full_name AS name, c.args_hash, c.end_hash,
                   c.started_ns - {began} AS started_ns, c.ended_ns - {began} AS ended_ns, c.sampled
            FROM compare_calls c JOIN compare_strands s ON s.{root} = c.root_id
            JOIN (SELECT DISTINCT name_no, full_name FROM compare_functions) f USING (name_no)
            WHERE s.strand = ? AND c.in_this = ? AND c.n >= ? ORDER BY c.n LIMIT {int(limit)}
            """,
            [strand, in_this, first],
        )
        sides.append(fetch(result, StrandCall))
    return sides[0], sides[1]


def strand_places(con: DuckDBPyConnection, strand: int, places: Sequence[int]) -> dict[int, AlignedCall]:
    """Return the aligned calls of a strand at positions before its trees diverge, by position.

    Args:
        con: As in `differing_calls`.
        strand: The strand.
        places: The positions.
    """
    result = con.execute(
        """
        SELECT strand, n, parent_n, base_id, this_id, args_differ, end_differs, sampled, started_ns, ended_ns
        FROM compare_pairs WHERE strand = ? AND list_contains(?, n) AND base_id IS NOT NULL AND this_id IS NOT NULL
        """,
        [strand, list(places)],
    )
    return {call.n: call for call in fetch(result, AlignedCall)}


def lone_strands(base: TraceReader, this: TraceReader, limit: int) -> tuple[list[LoneStrand], int]:
    """Return the strands that only one trace has, in the order of their starts, and the number of these strands."""
    result = this.con.execute(
        f"""
        WITH lone AS (
            SELECT in_this, root_id, name_no, call_id, started_ns FROM compare_calls WHERE n = 1),
        alone AS (
            FROM lone ANTI JOIN (SELECT false AS in_this, base_root AS root_id FROM compare_strands
                                 UNION ALL SELECT true, this_root FROM compare_strands) USING (in_this, root_id)),
        sized AS (
            SELECT in_this, root_id, count(*) AS calls FROM compare_calls
            SEMI JOIN alone USING (in_this, root_id) GROUP BY ALL)
        SELECT in_this, call_id, full_name AS name, calls,
               started_ns - CASE WHEN in_this THEN {trace_start_ns(this)} ELSE {trace_start_ns(base)} END AS started_ns,
               count(*) OVER () AS total
        FROM alone JOIN sized USING (in_this, root_id)
        JOIN (SELECT DISTINCT name_no, full_name FROM compare_functions) USING (name_no)
        ORDER BY 5, call_id LIMIT {int(limit)}
        """
    )
    return fetch_page(result, LoneStrand)
