"""Two traces side by side: what each function did in both, and their calls aligned by where they stand in the tree.

Calls are aligned strand by strand. A strand is a call that nothing of its own thread and task called, with all that it
called there: the work of a thread, of an asyncio task, or one job of a pool. Strands find their partner by test, kind
of process, thread and task, function and arguments, so that neither ids nor the order of threads matter. Within a
strand the n-th call is held against the n-th, as far as function and parent agree; from there on the tree decides
(see ``answers.compare_tree``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.ingest_batch import ID_SPACE
from breadcrumb_storage.queries.functions import COLON_NAME
from breadcrumb_storage.queries.tests import CallRange, in_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.traces import TraceRow

# Calls of each trace that are aligned, of the first in each process: enough for what a person would compare, and
# numbered, joined and held against each other within the time of an answer.
MAX_ALIGNED = 20_000
# Calls between one and the nearest around it that both traces have, when functions of one trace are passed over.
_MAX_LIFTS = 30
# Whatever the number of processes, or of tests, so many calls of each.
_MIN_ALIGNED_PER_RANGE = 500


@dataclass(frozen=True, slots=True)
class FunctionSide:
    """What one function did in one trace."""

    recorded: int
    started: int  # at least ``recorded``
    exact: bool  # False: ``started`` is a lower bound
    total_ns: int
    self_ns: int

    @property
    def sampled(self) -> bool:
        return self.started > self.recorded or not self.exact


@dataclass(frozen=True, slots=True)
class FunctionPair:
    """A function in both traces; None where it was not called."""

    full_name: str
    base: FunctionSide | None
    this: FunctionSide | None
    same_values: bool  # all recorded calls together had the same arguments and results, and none of them raised


@dataclass(frozen=True, slots=True)
class AlignedCall:
    """Two calls at the same place of the tree, of which something differs as it is written."""

    strand: int
    n: int
    parent_n: int  # 0: the strand begins with this call
    base_id: int
    this_id: int
    args_differ: bool
    end_differs: bool  # outcome, return value or exception
    started_ns: int  # since this trace began
    ended_ns: int | None


@dataclass(frozen=True, slots=True)
class StrandCall:
    """A call behind the place up to which both sides of a strand have the same tree."""

    call_id: int
    n: int
    parent_n: int
    name: str
    args_hash: int
    end_hash: int
    started_ns: int
    ended_ns: int | None
    sampled: bool = False  # calls of this function may be missing before it


@dataclass(frozen=True, slots=True)
class LoneStrand:
    """A strand without a partner in the other trace."""

    in_this: bool
    call_id: int
    name: str
    calls: int
    started_ns: int


@dataclass(frozen=True, slots=True)
class TestPair:
    """A test that ran in both traces and ended differently."""

    node_id: str
    base: str  # outcome; "" where it had not ended
    this: str


def function_pairs(con: DuckDBPyConnection, base: TraceRow, this: TraceRow) -> list[FunctionPair]:
    """Every function that was called in one of the traces, by name."""
    rows = con.execute(
        f"""
        WITH recorded AS (
            SELECT trace_no, process_id, function_id, count(*) AS recorded, sum(duration_ns) AS total_ns,
                   sum(duration_ns - child_ns - suspended_ns) AS self_ns,
                   sum(hash(args)) AS args, sum(hash(outcome, return_value)) AS ends,
                   count(*) FILTER (outcome <> 0) AS raised
            FROM call_records WHERE trace_no IN (?, ?) GROUP BY ALL),
        sides AS (
            SELECT f.trace_id, {COLON_NAME.replace("function_name", "f.function_name")} AS full_name,
                   coalesce(sum(recorded), 0)::BIGINT AS recorded,
                   coalesce(sum(greatest(f.started_count, recorded)), 0)::BIGINT AS started,
                   bool_and(coalesce(f.exact, true)) AS exact,
                   (coalesce(sum(total_ns), 0) + coalesce(sum(f.counted_ns), 0))::BIGINT AS total_ns,
                   greatest(coalesce(sum(self_ns), 0), 0)::BIGINT AS self_ns, sum(args) AS args, sum(ends) AS ends,
                   coalesce(sum(raised), 0) AS raised
            FROM functions f JOIN traces t USING (trace_id)
            LEFT JOIN recorded r
              ON r.trace_no = t.trace_no AND r.process_id = f.process_id AND r.function_id = f.function_id
            WHERE f.trace_id IN (?, ?) GROUP BY ALL HAVING started > 0)
        SELECT full_name, b.recorded, b.started, b.exact, b.total_ns, b.self_ns,
               t.recorded, t.started, t.exact, t.total_ns, t.self_ns,
               b.recorded IS NOT DISTINCT FROM t.recorded AND b.args IS NOT DISTINCT FROM t.args
               AND b.ends IS NOT DISTINCT FROM t.ends AND b.raised = 0
        FROM (FROM sides WHERE trace_id = ?) b FULL JOIN (FROM sides WHERE trace_id = ?) t USING (full_name)
        ORDER BY full_name
        """,
        [base.trace_no, this.trace_no, base.trace_id, this.trace_id, base.trace_id, this.trace_id],
    ).fetchall()
    return [
        FunctionPair(
            row[0],
            FunctionSide(*row[1:6]) if row[1] is not None else None,
            FunctionSide(*row[6:11]) if row[6] is not None else None,
            row[11],
        )
        for row in rows
    ]


def changed_tests(con: DuckDBPyConnection, base: TraceRow, this: TraceRow) -> list[TestPair]:
    """The tests that ran in both traces and ended differently, in the order of this trace."""
    rows = con.execute(
        """
        WITH last AS (  -- a test that is run again counts as it ended last
            SELECT trace_id, node_id, arg_max(coalesce(outcome, ''), first_call_id) AS outcome,
                   min(first_call_id) AS first
            FROM tests WHERE trace_id IN ($base, $this) GROUP BY ALL)
        SELECT node_id, b.outcome, t.outcome
        FROM (FROM last WHERE trace_id = $base) b JOIN (FROM last WHERE trace_id = $this) t USING (node_id)
        WHERE b.outcome <> t.outcome ORDER BY t.first, node_id
        """,
        {"base": base.trace_id, "this": this.trace_id},
    ).fetchall()
    return [TestPair(*row) for row in rows]


# What stands for a name that counts up or is made up anew in each run.
_KIND = "regexp_replace(coalesce({}, ''), '[0-9]+|/tmp/[^ ]*', '#', 'g')"

# Of one trace at a time: a condition on both of them would not let DuckDB skip what belongs to neither.
_CHOSEN = """
SELECT {in_this} AS in_this, process_id, thread_id, coalesce(task_id, -1) AS task_id, call_id, parent_call_id,
       function_id, exception_id, outcome, hash(args) AS args_hash, hash(outcome, return_value) AS end_hash,
       started_ns, started_ns + duration_ns AS ended_ns
FROM call_records c WHERE trace_no = {trace_no} AND {scope}
"""

# A call whose parent is not among those of both traces belongs to that one's parent.
_LIFT = """
UPDATE compare_chosen c SET parent_call_id = p.parent_call_id
FROM compare_chosen p JOIN compare_functions f USING (in_this, process_id, function_id)
WHERE p.in_this = c.in_this AND p.call_id = c.parent_call_id AND NOT f.in_both
"""
_DROP = """
DELETE FROM compare_chosen c USING compare_functions f
WHERE f.in_this = c.in_this AND f.process_id = c.process_id AND f.function_id = c.function_id AND NOT f.in_both
"""

_CALLS = """
CREATE OR REPLACE TEMP TABLE compare_calls AS
WITH rooted AS (
    SELECT c.*, max(CASE WHEN p.call_id IS NULL OR p.thread_id <> c.thread_id OR p.task_id <> c.task_id
                         THEN c.call_id END) OVER lane AS root_id
    FROM compare_chosen c LEFT JOIN compare_chosen p ON p.in_this = c.in_this AND p.call_id = c.parent_call_id
    WINDOW lane AS (PARTITION BY c.in_this, c.process_id, c.thread_id, c.task_id ORDER BY c.call_id
                    ROWS UNBOUNDED PRECEDING)),
numbered AS (
    SELECT *, row_number() OVER (PARTITION BY in_this, root_id ORDER BY call_id) AS n,
           row_number() OVER (PARTITION BY in_this, process_id, function_id ORDER BY call_id) AS nth FROM rooted),
thrown AS (
    SELECT trace_id = $this AS in_this, exception_id, exception_type, exception_message FROM exceptions
    WHERE trace_id IN ($base, $this))
SELECT c.in_this, c.process_id, c.thread_id, c.task_id, c.call_id, c.root_id, c.n, coalesce(p.n, 0) AS parent_n,
       f.name_no, c.args_hash, hash(c.end_hash, e.exception_type, e.exception_message) AS end_hash,
       c.started_ns, c.ended_ns, f.sampled AND c.nth > $recorded_whole AS sampled
FROM numbered c
LEFT JOIN numbered p ON p.in_this = c.in_this AND p.call_id = c.parent_call_id AND p.root_id = c.root_id
JOIN compare_functions f
  ON f.in_this = c.in_this AND f.process_id = c.process_id AND f.function_id = c.function_id
LEFT JOIN thrown e ON e.in_this = c.in_this AND e.exception_id = c.exception_id AND c.outcome <> 0
"""

_STRANDS = f"""
CREATE OR REPLACE TEMP TABLE compare_strands AS
WITH of_process AS (
    SELECT trace_id = $this AS in_this, process_id,
           CASE WHEN process_id = 0 THEN '' ELSE {_KIND.format("coalesce(name, command)")} END AS kind
    FROM processes WHERE trace_id IN ($base, $this)),
of_thread AS (
    SELECT trace_id = $this AS in_this, process_id, thread_id, {_KIND.format("name")} AS kind
    FROM threads WHERE trace_id IN ($base, $this)),
of_task AS (
    SELECT trace_id = $this AS in_this, process_id, task_id, {_KIND.format("name")} AS kind
    FROM tasks WHERE trace_id IN ($base, $this)),
ran AS (
    SELECT trace_id = $this AS in_this, process_id, node_id, first_call_id,
           coalesce(last_call_id, 9223372036854775807) AS last_call_id
    FROM tests WHERE trace_id IN ($base, $this)),
roots AS (
    SELECT c.in_this, c.call_id, c.args_hash,
           hash(c.name_no, coalesce(ran.node_id, ''), p.kind, coalesce(th.kind, ''), coalesce(k.kind, '')) AS key
    FROM compare_calls c
    LEFT JOIN of_process p USING (in_this, process_id)
    LEFT JOIN of_thread th USING (in_this, process_id, thread_id)
    LEFT JOIN of_task k USING (in_this, process_id, task_id)
    LEFT JOIN ran ON ran.in_this = c.in_this AND ran.process_id = c.process_id
         AND c.call_id BETWEEN ran.first_call_id AND ran.last_call_id
    WHERE c.n = 1),
alike AS (SELECT *, row_number() OVER (PARTITION BY in_this, key, args_hash ORDER BY call_id) AS k FROM roots),
equal AS (
    SELECT b.call_id AS base_root, t.call_id AS this_root
    FROM alike b JOIN alike t ON t.key = b.key AND t.args_hash = b.args_hash AND t.k = b.k
    WHERE NOT b.in_this AND t.in_this),
rest AS (
    SELECT *, row_number() OVER (PARTITION BY in_this, key ORDER BY call_id) AS k FROM (
        FROM roots ANTI JOIN (SELECT false AS in_this, base_root AS call_id FROM equal
                              UNION ALL SELECT true, this_root FROM equal) USING (in_this, call_id)))
SELECT row_number() OVER (ORDER BY this_root) AS strand, * FROM (
    FROM equal UNION ALL
    SELECT b.call_id, t.call_id FROM rest b JOIN rest t ON t.key = b.key AND t.k = b.k
    WHERE NOT b.in_this AND t.in_this)
"""

_PAIRS = """
CREATE OR REPLACE TEMP TABLE compare_pairs AS
WITH b AS (SELECT s.strand, c.* FROM compare_calls c JOIN compare_strands s ON s.base_root = c.root_id
           WHERE NOT c.in_this),
t AS (SELECT s.strand, c.* FROM compare_calls c JOIN compare_strands s ON s.this_root = c.root_id WHERE c.in_this)
SELECT strand, n, t.parent_n, b.call_id AS base_id, t.call_id AS this_id,
       -- of a function that was sampled, calls with other arguments are other calls
       b.args_hash <> t.args_hash AND NOT (b.sampled OR t.sampled) AS args_differ,
       b.end_hash <> t.end_hash AND (b.args_hash = t.args_hash OR NOT (b.sampled OR t.sampled)) AS end_differs,
       t.started_ns - {this_ns} AS started_ns, t.ended_ns - {this_ns} AS ended_ns,
       min(CASE WHEN b.call_id IS NULL OR t.call_id IS NULL OR b.name_no <> t.name_no OR b.parent_n <> t.parent_n
                THEN n END) OVER (PARTITION BY strand) AS break_n
FROM b FULL JOIN t USING (strand, n)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which calls of two traces are aligned, and how far they tell all that there was."""

    base_ranges: Sequence[CallRange] | None = None  # None: the first calls of each process; as ``this_ranges``
    this_ranges: Sequence[CallRange] | None = None
    common_only: bool = False  # pass over the functions that only one trace has
    sampled: Sequence[str] = ()  # functions of which not every call was recorded ...
    recorded_whole: int = 0  # ... but so many of the first that are selected in each process


def align_calls(con: DuckDBPyConnection, base: TraceRow, this: TraceRow, selection: Selection) -> tuple[int, int]:
    """Aligns the calls of both traces, for the other functions here; how many calls of each were looked at."""
    traces = {"base": base.trace_id, "this": this.trace_id}
    _name_functions(con, base, this, selection.sampled)
    calls = [
        _CHOSEN.format(in_this=in_this, trace_no=int(trace.trace_no), scope=_scope(con, trace, ranges))
        for in_this, trace, ranges in (("false", base, selection.base_ranges), ("true", this, selection.this_ranges))
    ]
    con.execute(f"CREATE OR REPLACE TEMP TABLE compare_chosen AS {' UNION ALL '.join(calls)}")
    if selection.common_only:
        for _ in range(_MAX_LIFTS):
            ((lifted,),) = con.execute(_LIFT).fetchall()
            if not lifted:
                break
        con.execute(_DROP)
    con.execute(_CALLS, {**traces, "recorded_whole": selection.recorded_whole})
    con.execute(_STRANDS, traces)
    con.execute(_PAIRS.format(this_ns=_began_ns(con, this)))
    counts = dict(con.execute("SELECT in_this, count(*) FROM compare_calls GROUP BY in_this").fetchall())
    return counts.get(False, 0), counts.get(True, 0)


def _name_functions(con: DuckDBPyConnection, base: TraceRow, this: TraceRow, sampled: Sequence[str] = ()) -> None:
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE compare_functions AS
        WITH named AS (
            SELECT trace_id = $this AS in_this, process_id, function_id, {COLON_NAME} AS full_name
            FROM functions WHERE trace_id IN ($base, $this))
        SELECT *, (dense_rank() OVER (ORDER BY full_name))::INTEGER AS name_no,
               list_contains($sampled, full_name) AS sampled,
               bool_or(in_this) OVER same AND NOT bool_and(in_this) OVER same AS in_both
        FROM named WINDOW same AS (PARTITION BY full_name)
        """,
        {"base": base.trace_id, "this": this.trace_id, "sampled": list(sampled)},
    )


def _scope(con: DuckDBPyConnection, trace: TraceRow, ranges: Sequence[CallRange] | None) -> str:
    """SQL that is true for the first calls of each range, or of each process, as many as are aligned."""
    if ranges is None:
        rows = con.execute("SELECT process_id FROM processes WHERE trace_id = ?", [trace.trace_id]).fetchall()
        ranges = [CallRange(process, process * ID_SPACE, (process + 1) * ID_SPACE - 1) for (process,) in rows]
    each = max(MAX_ALIGNED // max(len(ranges), 1), _MIN_ALIGNED_PER_RANGE)
    # Plain bounds, which DuckDB can hold against what it knows of its row groups.
    return in_ranges(
        [CallRange(r.process_id, r.first_call_id, min(r.last_call_id, r.first_call_id + each)) for r in ranges]
    )


def _began_ns(con: DuckDBPyConnection, trace: TraceRow) -> int:
    ((began,),) = con.execute("SELECT epoch_ns(started_at) FROM traces WHERE trace_no = ?", [trace.trace_no]).fetchall()
    return int(began)


@dataclass(frozen=True, slots=True)
class UnmatchedCall:
    """A call whose function was not called in the other trace as often with these arguments and this end."""

    this_id: int
    base_id: int | None  # one of the base with the same arguments and another end, or with other arguments
    same_args: bool
    at_ns: int | None  # since the epoch; None: it had not ended


def unmatched_calls(
    con: DuckDBPyConnection, base: TraceRow, this: TraceRow, full_names: Sequence[str], limit: int
) -> list[UnmatchedCall]:
    """Calls of these functions that this trace has and the base has not, the earliest first.

    Tells where to look in traces that are too large to be aligned whole; the order of calls is not asked for.
    """
    _name_functions(con, base, this)
    sides = " UNION ALL ".join(
        f"""
        SELECT {in_this} AS in_this, f.name_no, c.call_id, hash(c.args) AS args_hash,
               hash(c.outcome, c.return_value) AS end_hash, c.started_ns, c.started_ns + c.duration_ns AS ended_ns
        FROM call_records c JOIN compare_functions f USING (process_id, function_id)
        WHERE c.trace_no = {int(trace.trace_no)} AND f.in_this = {in_this} AND list_contains($names, f.full_name)
        """
        for in_this, trace in (("false", base), ("true", this))
    )
    rows = con.execute(
        f"""
        WITH sides AS ({sides}),
        kinds AS (
            SELECT name_no, args_hash, end_hash,
                   count(*) FILTER (in_this) - count(*) FILTER (NOT in_this) AS surplus,
                   min(call_id) FILTER (in_this) AS this_id, min(call_id) FILTER (NOT in_this) AS base_id,
                   min(started_ns) FILTER (in_this) AS started_ns, min(ended_ns) FILTER (in_this) AS ended_ns
            FROM sides GROUP BY ALL HAVING surplus <> 0),
        lost AS (SELECT name_no, args_hash, min(base_id) AS base_id FROM kinds WHERE surplus < 0 GROUP BY ALL),
        lost_of_name AS (SELECT name_no, min(base_id) AS base_id FROM lost GROUP BY name_no)
        SELECT k.this_id, coalesce(l.base_id, n.base_id), l.base_id IS NOT NULL,
               CASE WHEN l.base_id IS NULL THEN k.started_ns ELSE k.ended_ns END AS at_ns
        FROM kinds k LEFT JOIN lost l USING (name_no, args_hash) LEFT JOIN lost_of_name n USING (name_no)
        WHERE k.surplus > 0 ORDER BY at_ns NULLS LAST, k.this_id DESC LIMIT {int(limit)}
        """,
        {"names": list(full_names)},
    ).fetchall()
    return [UnmatchedCall(*row) for row in rows]


def differing_calls(con: DuckDBPyConnection, *, offset: int, limit: int) -> list[AlignedCall]:
    """Aligned calls whose texts differ, in the order in which that came about in this trace.

    Arguments differ from the beginning of a call on, results from its end. What had not ended comes last, the innermost
    first.
    """
    rows = con.execute(
        f"""
        SELECT strand, n, parent_n, base_id, this_id, args_differ, end_differs, started_ns, ended_ns
        FROM compare_pairs WHERE n < coalesce(break_n, n + 1) AND (args_differ OR end_differs)
        ORDER BY CASE WHEN args_differ THEN started_ns ELSE ended_ns END NULLS LAST, started_ns DESC, this_id DESC
        LIMIT {int(limit)} OFFSET {int(offset)}
        """
    ).fetchall()
    return [AlignedCall(*row) for row in rows]


def broken_strands(con: DuckDBPyConnection, limit: int) -> tuple[list[tuple[int, int]], int]:
    """Strands whose trees part, with the place; the first ones in the time of this trace, and how many there are."""
    rows = con.execute(
        f"""
        SELECT strand, any_value(break_n) AS break_n, count(*) OVER ()
        FROM compare_pairs WHERE break_n IS NOT NULL GROUP BY strand
        ORDER BY min(started_ns) FILTER (n >= break_n), max(ended_ns) FILTER (n < break_n) LIMIT {int(limit)}
        """
    ).fetchall()
    return [(strand, place) for strand, place, _ in rows], rows[0][2] if rows else 0


def strand_calls(
    con: DuckDBPyConnection, this: TraceRow, strand: int, first: int, limit: int
) -> tuple[list[StrandCall], list[StrandCall]]:
    """The calls of a strand from the ``first``-th on, at most ``limit``: those of the base, and those of this trace.

    Times count from the beginning of this trace in both, and mean nothing for the base.
    """
    began = _began_ns(con, this)
    sides: list[list[StrandCall]] = []
    for root, in_this in (("base_root", False), ("this_root", True)):
        rows = con.execute(
            f"""
            SELECT c.call_id, c.n, c.parent_n, f.full_name, c.args_hash, c.end_hash,
                   c.started_ns - {began}, c.ended_ns - {began}, c.sampled
            FROM compare_calls c JOIN compare_strands s ON s.{root} = c.root_id
            JOIN (SELECT DISTINCT name_no, full_name FROM compare_functions) f USING (name_no)
            WHERE s.strand = ? AND c.in_this = ? AND c.n >= ? ORDER BY c.n LIMIT {int(limit)}
            """,
            [strand, in_this, first],
        ).fetchall()
        sides.append([StrandCall(*row) for row in rows])
    return sides[0], sides[1]


def strand_places(con: DuckDBPyConnection, strand: int, places: Sequence[int]) -> dict[int, AlignedCall]:
    """The aligned calls of a strand at these places, before the one from which on its trees part."""
    rows = con.execute(
        """
        SELECT strand, n, parent_n, base_id, this_id, args_differ, end_differs, started_ns, ended_ns
        FROM compare_pairs WHERE strand = ? AND list_contains(?, n) AND base_id IS NOT NULL AND this_id IS NOT NULL
        """,
        [strand, list(places)],
    ).fetchall()
    return {row[1]: AlignedCall(*row) for row in rows}


def lone_strands(con: DuckDBPyConnection, base: TraceRow, this: TraceRow, limit: int) -> tuple[list[LoneStrand], int]:
    """Strands that only one of the traces has, in the order of their begin, and how many there are."""
    rows = con.execute(
        f"""
        WITH lone AS (
            SELECT in_this, root_id, name_no, call_id, started_ns FROM compare_calls WHERE n = 1),
        alone AS (
            FROM lone ANTI JOIN (SELECT false AS in_this, base_root AS root_id FROM compare_strands
                                 UNION ALL SELECT true, this_root FROM compare_strands) USING (in_this, root_id)),
        sized AS (
            SELECT in_this, root_id, count(*) AS calls FROM compare_calls
            SEMI JOIN alone USING (in_this, root_id) GROUP BY ALL)
        SELECT in_this, call_id, full_name, calls,
               started_ns - CASE WHEN in_this THEN {_began_ns(con, this)} ELSE {_began_ns(con, base)} END AS at_ns,
               count(*) OVER ()
        FROM alone JOIN sized USING (in_this, root_id)
        JOIN (SELECT DISTINCT name_no, full_name FROM compare_functions) USING (name_no)
        ORDER BY at_ns, call_id LIMIT {int(limit)}
        """
    ).fetchall()
    return [LoneStrand(*row[:5]) for row in rows], rows[0][5] if rows else 0
