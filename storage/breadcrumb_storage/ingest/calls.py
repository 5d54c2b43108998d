"""Insert calls files into `call_records`, `line_records` and `yield_records`, inside the caller's transaction.

The start and the return of a call may come in different batches and in either order:

- both in this batch (nearly all calls): the row is inserted complete;
- only the start: the row is inserted as unfinished;
- only the return: it completes the row of an earlier batch, or waits in `pending_returns`.

A completed child adds its time to its parent: in the parent's insert, by an update of the parent's row, or, if the
parent has not been read yet, from `pending_child_time`. A generator may outlive the call that started it, which then
gets at most the time until its own end. A late call adds its time to a late parent only: the calls that it made before
it was recorded have added theirs to the nearest parent recorded from the start.

Records of lines and yields hold the id of their call and their position in it, so that they need no other record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breadcrumb.record_format import (
    CALL_COLUMNS,
    KIND_CALL,
    KIND_LATE_CALL,
    KIND_LINE,
    KIND_RETURN,
    KIND_YIELD,
    OUTCOME_CANCELLED,
    OUTCOME_RAISED,
)
from breadcrumb_storage.ids import ID_SPACE, ID_SPACE_SQL
from breadcrumb_storage.ingest.batch import Batch, PositionsNeeded, TraceKey, insert_damage_notice, report_unreadable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REPEATED = (
    "Records of calls that had been recorded already were left out: another program, or the traced one, wrote into the "
    "spool (BREADCRUMB_TRACE)."
)

# Longer records are left out: the limit of DuckDB's JSON reader.
LONGEST_RECORD_BYTES = 16 << 20
# DuckDB's threads share a file by parts of a quarter of its reader's buffer, but no less than its longest line: told of
# lines of 16 MiB, one thread would read alone what most runs record. Shorter parts are no faster.
SHORTEST_PART_BYTES = 2 << 20

_COLUMN_TYPES = {"kind": "VARCHAR", "text": "VARCHAR"}
_COLUMNS = ", ".join(f"{name}: '{_COLUMN_TYPES.get(name, 'BIGINT')}'" for name in CALL_COLUMNS)


def _read_statement(columns: str, position: str) -> str:
    """Return the SQL that converts ids and clocks of a process to those of the trace, and omits invalid records.

    It joins nothing, since DuckDB keeps the order of records through no join. The columns of `chunk` by kind of record:

        kind     is_call  a        b             c          d
        call     true     parent   function      line       task
        return   false    outcome  suspended_ns  exception
        line     NULL     line     position                 NULL
        yield    NULL              position                 1

    Args:
        columns: The columns of the file.
        position: The SQL of the position of a record's chunk.
    """
    process_id, stream, clock_zero_ns = (
        f"({parameter}[])[{position} + 1]" for parameter in ("$3::INTEGER", "$4::INTEGER", "$5::BIGINT")
    )
    return f"""
CREATE OR REPLACE TEMP TABLE chunk AS
SELECT {position} AS source, {process_id} AS process_id, {stream} AS thread_id,
       CASE WHEN kind NOT IN ('{KIND_LINE}', '{KIND_YIELD}') THEN kind <> '{KIND_RETURN}' END AS is_call,
       kind = '{KIND_LATE_CALL}' AS late,
       {process_id} * {ID_SPACE_SQL} + call AS call_id, {clock_zero_ns} + at_ns AS at_ns, text,
       CASE WHEN kind IN ('{KIND_RETURN}', '{KIND_LINE}') THEN a
            WHEN a > 0 THEN {process_id} * {ID_SPACE_SQL} + a END AS a,
       b, CASE WHEN kind = '{KIND_RETURN}' THEN {process_id} * {ID_SPACE_SQL} + c ELSE c END AS c,
       CASE WHEN kind = '{KIND_YIELD}' THEN 1 ELSE d END AS d
FROM read_csv(
    $1, delim = '\t', quote = '', escape = '', header = false, auto_detect = false, null_padding = true,
    ignore_errors = true, max_line_size = $2, buffer_size = 4 * $2,
    columns = {{{columns}}}
)
WHERE {position} BETWEEN 0 AND len($3) - 1
  AND call BETWEEN 1 AND {ID_SPACE - 1} AND at_ns BETWEEN 0 AND 1::BIGINT << 60
  AND (kind = '{KIND_RETURN}'
       OR kind IN ('{KIND_CALL}', '{KIND_LATE_CALL}', '{KIND_LINE}', '{KIND_YIELD}') AND b BETWEEN 0 AND 2147483647)
"""


_READ = _read_statement(f"_source: 'INTEGER', {_COLUMNS}", "_source")
_READ_WITHOUT_POSITIONS = _read_statement(_COLUMNS, "0")

# A thread may continue the stream of one that has ended: its calls are those from first_call_id on.
_COUNT_SHARED_STREAMS = "SELECT count(*) FROM threads WHERE trace_id = ? AND stream <> thread_id"
_ASSIGN_THREADS = """
CREATE OR REPLACE TEMP TABLE chunk AS
SELECT c.* REPLACE (coalesce(t.thread_id, c.thread_id) AS thread_id)
FROM chunk c ASOF LEFT JOIN (FROM threads WHERE trace_id = ?) t
  ON t.process_id = c.process_id AND t.stream = c.thread_id AND t.first_call_id <= c.call_id
"""

_COUNT = """
SELECT source, count(*) AS records, count(*) FILTER (is_call) AS calls,
       count(*) FILTER (NOT is_call AND b > 0) AS suspended, count(*) - count(is_call) AS lines_and_yields
FROM chunk GROUP BY source
"""

# A table of its own: its row groups become whole ones of `call_records` when several threads insert them. Filtered out
# of `chunk`, they would become smaller ones, which the next checkpoint would write again to merge them.
_BEGINS = """
CREATE OR REPLACE TEMP TABLE begins AS
SELECT process_id, thread_id, late, call_id, at_ns, text, a, b, c, d FROM chunk WHERE is_call
"""

# The view `calls` joins functions: without a row its calls would be missing.
_INSERT_UNKNOWN_FUNCTIONS = """
INSERT INTO functions (trace_id, process_id, function_id, function_name)
SELECT ?, process_id, b, '<function ' || b || '>' FROM (SELECT DISTINCT process_id, b FROM begins)
ON CONFLICT DO NOTHING
"""

# Sorted, so that reading a call's lines touches few row groups.
_INSERT_LINES = """
INSERT INTO line_records (trace_no, process_id, call_id, position, line, at_ns, changes)
SELECT ?, process_id, call_id, b, try_cast(a AS INTEGER), at_ns, text
FROM chunk WHERE is_call IS NULL AND d IS NULL ORDER BY call_id, b
"""
_INSERT_YIELDS = """
INSERT INTO yield_records (trace_no, process_id, call_id, position, at_ns, value)
SELECT ?, process_id, call_id, b, at_ns, text
FROM chunk WHERE is_call IS NULL AND d IS NOT NULL ORDER BY call_id, b
"""

# A tracer never repeats an id, but any program can write into its spool: n starts and n ends of one call would be
# joined to n * n rows. Of each, one is kept.
_REPEATED_IN_EARLIER = """
SELECT count(*) FROM call_records
WHERE trace_no = ? AND call_id IN (SELECT call_id FROM begins)
"""
# The ids of a stream ascend. In whatever order they are read, ids of which each is greater than the last are distinct.
_COUNT_NOT_ASCENDING = """
SELECT count(*) FROM (SELECT call_id, lag(call_id) OVER () AS last FROM begins) WHERE call_id <= last
"""
_REPEATED_IN_BATCH = "SELECT count(*) - count(DISTINCT call_id) FROM begins"
_DROP_REPEATED = """
CREATE OR REPLACE TEMP TABLE chunk AS
FROM chunk WHERE is_call IS NULL
UNION ALL
(FROM chunk WHERE is_call IS NOT NULL
   AND NOT (is_call AND call_id IN (SELECT call_id FROM call_records WHERE trace_no = ?))
 QUALIFY row_number() OVER (PARTITION BY call_id, is_call ORDER BY rowid) = 1)
"""
# Ends are counted with the rows, which costs nothing.
_DROP_REPEATED_ROWS = """
DELETE FROM call_records WHERE trace_no = $1
  AND call_id IN (SELECT call_id FROM chunk WHERE NOT is_call GROUP BY call_id HAVING count(*) > 1)
  AND rowid NOT IN (SELECT min(rowid) FROM call_records WHERE trace_no = $1 GROUP BY call_id)
"""

_TAKE_PENDING_RETURNS = """
INSERT INTO chunk
SELECT -1, process_id, NULL, false, false, call_id, ended_ns, return_value, outcome, suspended_ns, exception_id, NULL
FROM pending_returns WHERE trace_no = ?
"""

# The ids of a process are given without gaps. Where those in `begins` have none, their range tells what a join would.
_RANGE = "SELECT min(call_id), max(call_id), count(*) FROM begins"
_OUTSIDE_RANGE = "x.call_id NOT BETWEEN {first} AND {last}"
_NOT_IN_BEGINS = "NOT EXISTS (SELECT 1 FROM begins c WHERE c.call_id = x.call_id)"

_UNMATCHED_RETURNS = """
CREATE OR REPLACE TEMP TABLE unmatched_returns AS
SELECT * FROM chunk x WHERE NOT is_call AND {not_in_batch}
"""
_COMPLETED_EARLIER_CALLS = """
CREATE OR REPLACE TEMP TABLE completed_earlier_calls AS
SELECT r.* EXCLUDE (late), c.parent_call_id, c.started_ns, c.late
FROM unmatched_returns r JOIN call_records c ON c.call_id = r.call_id
WHERE c.trace_no = ? AND c.outcome IS NULL
"""
_OUTCOME = f"CASE WHEN r.a IN ({OUTCOME_RAISED}, {OUTCOME_CANCELLED}) THEN r.a ELSE 0 END"
_UPDATE_EARLIER_CALLS = f"""
UPDATE call_records
SET duration_ns = r.at_ns - r.started_ns, outcome = {_OUTCOME}, suspended_ns = coalesce(r.b, 0),
    exception_id = r.c, return_value = r.text
FROM completed_earlier_calls r WHERE call_records.trace_no = ? AND call_records.call_id = r.call_id
"""
_KEEP_PENDING_RETURNS = f"""
INSERT INTO pending_returns
    (trace_no, process_id, call_id, ended_ns, outcome, suspended_ns, exception_id, return_value)
SELECT ?, process_id, call_id, at_ns, {_OUTCOME}, b, c, text
FROM unmatched_returns r ANTI JOIN completed_earlier_calls USING (call_id)
"""

# Late calls of this batch, and of earlier ones if unfinished.
_LATE_CALLS = """
CREATE OR REPLACE TEMP TABLE late_calls AS
SELECT call_id FROM begins WHERE late
UNION ALL
SELECT call_id FROM call_records WHERE trace_no = ? AND late AND outcome IS NULL
"""
_COMPLETED = """
    SELECT c.a AS parent_id, c.at_ns AS started_ns, r.at_ns AS ended_ns, coalesce(r.b, 0) AS suspended_ns
    FROM begins c JOIN chunk r ON r.call_id = c.call_id AND NOT r.is_call
    WHERE c.a IS NOT NULL AND (NOT c.late OR c.a IN (FROM late_calls))
"""
_COMPLETED_WITH_EARLIER = f"""
    {_COMPLETED}
    UNION ALL
    SELECT parent_call_id, started_ns, at_ns, coalesce(b, 0) FROM completed_earlier_calls
    WHERE parent_call_id IS NOT NULL AND (NOT late OR parent_call_id IN (FROM late_calls))
"""
_CHILD_TIME = """
CREATE OR REPLACE TEMP TABLE child_time AS
SELECT parent_id AS call_id, sum(ended_ns - started_ns)::BIGINT AS child_ns
FROM ({completed}) WHERE suspended_ns = 0 GROUP BY parent_id
"""
# Only a call that was suspended can end after its parent.
_SUSPENDED_CHILD_TIME = """
INSERT INTO child_time
WITH children AS MATERIALIZED (FROM ({completed}) WHERE suspended_ns > 0),
parents AS (
    SELECT call_id, at_ns AS ended_ns FROM chunk WHERE NOT is_call AND call_id IN (SELECT parent_id FROM children)
    UNION
    SELECT call_id, started_ns + duration_ns FROM call_records
    WHERE trace_no = ? AND duration_ns IS NOT NULL AND call_id IN (SELECT parent_id FROM children)
)
SELECT c.parent_id,
       sum(greatest(0, least(c.ended_ns - c.started_ns - c.suspended_ns,
                             coalesce(p.ended_ns, c.ended_ns) - c.started_ns)))::BIGINT
FROM children c LEFT JOIN parents p ON p.call_id = c.parent_id
GROUP BY c.parent_id
"""
_TAKE_PENDING_CHILD_TIME = "INSERT INTO child_time SELECT call_id, child_ns FROM pending_child_time WHERE trace_no = ?"
_SUM_CHILD_TIME = """
CREATE OR REPLACE TEMP TABLE child_time AS SELECT call_id, sum(child_ns)::BIGINT AS child_ns FROM child_time GROUP BY 1
"""

_INSERT = f"""
INSERT INTO call_records
    (trace_no, process_id, thread_id, call_id, parent_call_id, function_id, started_ns, duration_ns,
     child_ns, suspended_ns, outcome, exception_id, call_line, task_id, args, return_value, late)
SELECT ?, c.process_id, c.thread_id, c.call_id, c.a, c.b, c.at_ns, r.at_ns - c.at_ns,
       coalesce(t.child_ns, 0), coalesce(r.b, 0), CASE WHEN r.call_id IS NOT NULL THEN {_OUTCOME} END, r.c,
       try_cast(c.c AS INTEGER), try_cast(c.d AS INTEGER), c.text, r.text, c.late
FROM begins c
LEFT JOIN (FROM chunk WHERE NOT is_call) r ON r.call_id = c.call_id
LEFT JOIN child_time t ON t.call_id = c.call_id
"""

_EARLIER_PARENTS = """
CREATE OR REPLACE TEMP TABLE earlier_parents AS
SELECT * FROM child_time x WHERE {not_in_batch}
"""
_UPDATE_EARLIER_PARENTS = """
UPDATE call_records SET child_ns = call_records.child_ns + t.child_ns
FROM earlier_parents t WHERE call_records.trace_no = ? AND call_records.call_id = t.call_id
"""
_KEEP_PENDING_CHILD_TIME = f"""
INSERT INTO pending_child_time (trace_no, process_id, call_id, child_ns)
SELECT $1, t.call_id // {ID_SPACE_SQL}, t.call_id, t.child_ns FROM earlier_parents t
WHERE NOT EXISTS (SELECT 1 FROM call_records c WHERE c.trace_no = $1 AND c.call_id = t.call_id)
"""


def insert_calls(con: DuckDBPyConnection, batch: Batch) -> tuple[int, int]:
    """Insert the records of calls files.

    Returns:
        The number of inserted calls and of unreadable records.

    Raises:
        PositionsNeeded: The batch has none, and some record is unreadable.
    """
    trace = batch.trace
    longest = max(chunk.copied_bytes for chunk in batch.chunks)
    file = [str(batch.path), max(SHORTEST_PART_BYTES, min(longest, LONGEST_RECORD_BYTES))]
    con.execute(_READ if batch.has_positions else _READ_WITHOUT_POSITIONS, [*file, *batch.owners()])
    if con.execute(_COUNT_SHARED_STREAMS, [trace.trace_id]).fetchall() != [(0,)]:
        con.execute(_ASSIGN_THREADS, [trace.trace_id])
    counts = con.execute(_COUNT).fetchall()
    if not batch.has_positions and len(batch.chunks) > 1:
        if sum(records for _, records, _, _, _ in counts) < sum(chunk.records for chunk in batch.chunks):
            raise PositionsNeeded
        unreadable = 0
    else:
        unreadable = report_unreadable(con, batch, {source: records for source, records, _, _, _ in counts})
    if any(lines_and_yields for _, _, _, _, lines_and_yields in counts):
        con.execute(_INSERT_LINES, [trace.trace_no])
        con.execute(_INSERT_YIELDS, [trace.trace_no])
    con.execute(_BEGINS)
    con.execute(_INSERT_UNKNOWN_FUNCTIONS, [trace.trace_id])
    pending_returns = _take_pending(con, "pending_returns", _TAKE_PENDING_RETURNS, trace)

    repeated = _count(con, _REPEATED_IN_EARLIER, trace)
    if _count(con, _COUNT_NOT_ASCENDING):
        repeated += _count(con, _REPEATED_IN_BATCH)
    if repeated:
        con.execute(_DROP_REPEATED, [trace.trace_no])
        con.execute(_BEGINS)
    calls = sum(calls for _, _, calls, _, _ in counts) - repeated

    not_in_batch = _not_in_batch(con)
    con.execute(_LATE_CALLS, [trace.trace_no])
    any_earlier = _complete_earlier_calls(con, trace, not_in_batch)
    completed = _COMPLETED_WITH_EARLIER if any_earlier else _COMPLETED
    con.execute(_CHILD_TIME.format(completed=completed))
    pending_time = _take_pending(con, "pending_child_time", _TAKE_PENDING_CHILD_TIME, trace)
    any_suspended = pending_returns or any(suspended for _, _, _, suspended, _ in counts)
    if any_suspended:
        con.execute(_SUSPENDED_CHILD_TIME.format(completed=completed), [trace.trace_no])
    if any_suspended or pending_time:
        con.execute(_SUM_CHILD_TIME)

    if _count(con, _INSERT, trace) > calls:
        repeated += _count(con, _DROP_REPEATED_ROWS, trace)
    if repeated:
        insert_damage_notice(con, trace, None, REPEATED)
    _add_to_earlier_parents(con, trace, not_in_batch)
    return calls, unreadable + repeated


def drop_pending(con: DuckDBPyConnection, trace: TraceKey) -> int:
    """Delete pending returns and child times when no more records can come; return the number of returns."""
    lost = _count(con, "DELETE FROM pending_returns WHERE trace_no = ?", trace)
    _count(con, "DELETE FROM pending_child_time WHERE trace_no = ?", trace)
    return lost


def _take_pending(con: DuckDBPyConnection, table: str, statement: str, trace: TraceKey) -> bool:
    taken = _count(con, statement, trace)
    if taken:
        con.execute(f"DELETE FROM {table} WHERE trace_no = ?", [trace.trace_no])
    return taken > 0


def _not_in_batch(con: DuckDBPyConnection) -> str:
    """Return the SQL condition that the call of a row `x` did not begin in this batch."""
    ((first, last, count),) = con.execute(_RANGE).fetchall()
    if count and last - first + 1 == count:
        return _OUTSIDE_RANGE.format(first=int(first), last=int(last))
    return _NOT_IN_BEGINS


def _complete_earlier_calls(con: DuckDBPyConnection, trace: TraceKey, not_in_batch: str) -> bool:
    """Complete calls of earlier batches by returns of this one; return whether there were any."""
    unmatched = _count(con, _UNMATCHED_RETURNS.format(not_in_batch=not_in_batch))
    if not unmatched:
        return False
    completed = _count(con, _COMPLETED_EARLIER_CALLS, trace)
    if completed:
        con.execute(_UPDATE_EARLIER_CALLS, [trace.trace_no])
    if completed < unmatched:
        con.execute(_KEEP_PENDING_RETURNS, [trace.trace_no])
    return completed > 0


def _add_to_earlier_parents(con: DuckDBPyConnection, trace: TraceKey, not_in_batch: str) -> None:
    parents = _count(con, _EARLIER_PARENTS.format(not_in_batch=not_in_batch))
    if parents and _count(con, _UPDATE_EARLIER_PARENTS, trace) < parents:
        con.execute(_KEEP_PENDING_CHILD_TIME, [trace.trace_no])


def _count(con: DuckDBPyConnection, statement: str, trace: TraceKey | None = None) -> int:
    """Execute a statement that creates or changes a table; return the number of rows."""
    ((rows,),) = con.execute(statement, [trace.trace_no] if trace else []).fetchall()
    return int(rows)
