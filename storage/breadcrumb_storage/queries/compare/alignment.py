"""Align the calls of two traces by their place in the call tree.

A strand is a call without a caller in its own thread and task, with the calls below it there: the work of a thread or
an asyncio task, or one job of a pool. Strands are paired by test, kind of process, thread and task, function and
arguments, so that ids and the order of threads do not matter. Within a pair, the n-th call is aligned with the n-th
while functions and parents agree; `answers.compare.tree_diff` aligns the calls after that. The results are temporary
tables, which `aligned_calls` reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from breadcrumb_storage.ids import ID_SPACE
from breadcrumb_storage.queries.calls.value_sql import without_numbers
from breadcrumb_storage.queries.tests import CallRange, in_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Nested calls of functions of one trace that are skipped to find a caller that both traces have.
_MAX_LIFTS = 30
# However many processes or tests share the limit of calls.
_MIN_ALIGNED_PER_RANGE = 500

# Masks the parts of names that are numbered or random, and so differ in each run: also temporary folders, of Linux and
# macOS.
_KIND = "regexp_replace(coalesce({}, ''), '[0-9]+|/tmp/[^ ]*|/var/folders/[^ ]*', '#', 'g')"

# For one trace: with a condition on both traces, DuckDB could not skip the row groups of others.
_CHOSEN = f"""
SELECT {{in_this}} AS in_this, process_id, thread_id, coalesce(task_id, -1) AS task_id, call_id, parent_call_id,
       function_id, exception_id, outcome, hash({without_numbers("args")}) AS args_hash,
       hash(outcome, {without_numbers("return_value")}) AS end_hash,
       started_ns, started_ns + duration_ns AS ended_ns
FROM call_records c WHERE trace_no = {{trace_no}} AND {{scope}}
"""

# If only one trace has the function of a call's parent, replaces the parent by its own parent.
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
    SELECT *, row_number() OVER (PARTITION BY in_this, root_id ORDER BY call_id) AS n, {nth} AS nth FROM rooted),
thrown AS (
    SELECT trace_id = $this AS in_this, exception_id, exception_type, exception_message FROM exceptions
    WHERE trace_id IN ($base, $this)),
yielded AS (
    SELECT c.in_this, c.call_id, hash(list((y.position, {value}) ORDER BY y.position)) AS yields_hash
    FROM yield_records y JOIN compare_chosen c ON c.call_id = y.call_id
    WHERE y.trace_no = CASE WHEN c.in_this THEN $this_no ELSE $base_no END GROUP BY c.in_this, c.call_id)
SELECT c.in_this, c.process_id, c.thread_id, c.task_id, c.call_id, c.root_id, c.n, coalesce(p.n, 0) AS parent_n,
       f.name_no, c.args_hash, hash(c.end_hash, e.exception_type, e.exception_message, y.yields_hash) AS end_hash,
       c.started_ns, c.ended_ns, f.sampled AND c.nth > least($recorded_whole, f.recorded_whole) AS sampled
FROM numbered c
LEFT JOIN numbered p ON p.in_this = c.in_this AND p.call_id = c.parent_call_id AND p.root_id = c.root_id
JOIN compare_functions f
  ON f.in_this = c.in_this AND f.process_id = c.process_id AND f.function_id = c.function_id
LEFT JOIN thrown e ON e.in_this = c.in_this AND e.exception_id = c.exception_id AND c.outcome <> 0
LEFT JOIN yielded y ON y.in_this = c.in_this AND y.call_id = c.call_id
"""

# The position of a call among the calls of its function, computed only if functions were sampled.
_NTH = "row_number() OVER (PARTITION BY in_this, process_id, function_id ORDER BY call_id)"

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
       -- calls of a sampled function with other arguments are different calls
       b.args_hash <> t.args_hash AND NOT (b.sampled OR t.sampled) AS args_differ,
       b.end_hash <> t.end_hash AND (b.args_hash = t.args_hash OR NOT (b.sampled OR t.sampled)) AS end_differs,
       coalesce(b.sampled OR t.sampled, false) AS sampled,
       t.started_ns - {this_ns} AS started_ns, t.ended_ns - {this_ns} AS ended_ns,
       min(CASE WHEN b.call_id IS NULL OR t.call_id IS NULL OR b.name_no <> t.name_no OR b.parent_n <> t.parent_n
                THEN n END) OVER (PARTITION BY strand) AS break_n
FROM b FULL JOIN t USING (strand, n)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The calls of two traces that are aligned, and how completely they were recorded."""

    max_calls: int  # of each trace, divided among its ranges or processes; the first calls of each are taken
    base_ranges: Sequence[CallRange] | None = None  # None: all processes
    this_ranges: Sequence[CallRange] | None = None  # None: all processes
    common_only: bool = False  # skip functions that only one trace has
    sampled: Sequence[str] = ()  # module:function of those of which not every call was recorded
    # First selected calls of each of these functions in a process that were all recorded, unless the budget of a trace
    # made them fewer.
    recorded_whole: int = 0


def align_calls(base: TraceReader, this: TraceReader, selection: Selection) -> tuple[int, int]:
    """Align the selected calls of two traces of one database, into temporary tables of `this.con`.

    Needs the table of `functions.name_functions` for the same traces.

    Returns:
        The numbers of selected calls in the base and in this trace.
    """
    traces = {"base": base.trace_id, "this": this.trace_id}
    calls = [
        _CHOSEN.format(in_this=in_this, trace_no=int(side.trace_no), scope=_scope(side, ranges, selection.max_calls))
        for in_this, side, ranges in (("false", base, selection.base_ranges), ("true", this, selection.this_ranges))
    ]
    this.con.execute(f"CREATE OR REPLACE TEMP TABLE compare_chosen AS {' UNION ALL '.join(calls)}")
    if selection.common_only:
        for _ in range(_MAX_LIFTS):
            ((lifted,),) = this.con.execute(_LIFT).fetchall()
            if not lifted:
                break
        this.con.execute(_DROP)
    numbered = _CALLS.format(nth=_NTH if selection.sampled else "0", value=without_numbers("y.value"))
    numbers = {"base_no": base.trace_no, "this_no": this.trace_no}
    this.con.execute(numbered, {**traces, **numbers, "recorded_whole": selection.recorded_whole})
    this.con.execute(_STRANDS, traces)
    this.con.execute(_PAIRS.format(this_ns=trace_start_ns(this)))
    counts = dict(this.con.execute("SELECT in_this, count(*) FROM compare_calls GROUP BY in_this").fetchall())
    return counts.get(False, 0), counts.get(True, 0)


def _scope(reader: TraceReader, ranges: Sequence[CallRange] | None, max_calls: int) -> str:
    """Return an SQL condition for the first calls of each range, or of each process if `ranges` is None."""
    if ranges is None:
        rows = reader.con.execute("SELECT process_id FROM processes WHERE trace_id = ?", [reader.trace_id]).fetchall()
        ranges = [
            CallRange(process_id=process, first_call_id=process * ID_SPACE, last_call_id=(process + 1) * ID_SPACE - 1)
            for (process,) in rows
        ]
    each = max(max_calls // max(len(ranges), 1), _MIN_ALIGNED_PER_RANGE)
    # DuckDB skips row groups by plain bounds only.
    return in_ranges(
        [CallRange(r.process_id, r.first_call_id, min(r.last_call_id, r.first_call_id + each)) for r in ranges]
    )


def trace_start_ns(reader: TraceReader) -> int:
    """Return the start of a trace on the clock of calls, in nanoseconds since the epoch."""
    return (
        (reader.trace.started_at - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1_000
    )  # both are UTC, without a zone
