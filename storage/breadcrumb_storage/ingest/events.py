"""Insert events files into the tables of processes, threads, functions, exceptions and so on.

Everything happens inside the caller's transaction. A row may exist already: a process repeats a record in order to
replace it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breadcrumb.record_format import (
    EVENT_END,
    EVENT_EXCEPTION,
    EVENT_FUNCTION,
    EVENT_GAP,
    EVENT_HANDLED,
    EVENT_KEY,
    EVENT_NAME,
    EVENT_NOTICE,
    EVENT_PROCESS,
    EVENT_RAISES,
    EVENT_STACK,
    EVENT_TASK,
    EVENT_THREAD,
    EVENT_UNCAUGHT,
    NOTICE_UNKNOWN,
    NOTICES_OF_TRACER,
)
from breadcrumb_storage.ids import ID_SPACE_SQL
from breadcrumb_storage.ingest.batch import MOMENT_SQL, TIME_SQL, Batch, report_unreadable
from breadcrumb_storage.ingest.executed import EXECUTED_STATEMENTS
from breadcrumb_storage.ingest.probes import PROBE_FIELDS, PROBE_STATEMENTS
from breadcrumb_storage.ingest.tests import TEST_STATEMENTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FIELDS = {
    EVENT_KEY: "VARCHAR", "pid": "INTEGER", "ppid": "INTEGER", "python": "VARCHAR", "executable": "VARCHAR",
    "command": "VARCHAR[]", "cwd": "VARCHAR", "backend": "VARCHAR", "mode": "VARCHAR", "started_at_ns": "BIGINT",
    "core": "VARCHAR", "core_reason": "VARCHAR",
    "clock_origin_ns": "BIGINT", "kernel_start": "BIGINT", "image_start": "BIGINT",
    "ancestors": "INTEGER[]", "parent": "VARCHAR", "at_ns": "BIGINT", "thread": "INTEGER", "ident": "BIGINT",
    "stream": "INTEGER", "first_call": "BIGINT",
    "name": "VARCHAR", "task": "INTEGER", "id": "INTEGER", "module": "VARCHAR", "file": "VARCHAR", "line": "INTEGER",
    "kind": "VARCHAR", "slot": "INTEGER", "call": "BIGINT", "type": "VARCHAR", "message": "VARCHAR",
    "function": "VARCHAR", "stack": "VARCHAR", "locals": "VARCHAR", "cause": "BIGINT", "context": "BIGINT",
    "control_flow": "BOOLEAN", "expected": "BOOLEAN", "caller": "INTEGER", "exact": "BOOLEAN", "whole": "BIGINT",
    "code": "VARCHAR",
    "calls": "BIGINT[]", "last_call": "BIGINT", "phase": "VARCHAR", "outcome": "VARCHAR", "exception": "BIGINT",
    "task_name": "VARCHAR", "creator": "BIGINT", "wraps": "VARCHAR[]",
    "suite": "VARCHAR", "failed_at": "INTEGER", "executed": "INTEGER[]",
    "frames": 'STRUCT("depth" INTEGER, "function" VARCHAR, "module" VARCHAR, "file" VARCHAR, "line" INTEGER, '
              '"locals" VARCHAR, "locks" VARCHAR)[]',
    **PROBE_FIELDS,
}  # fmt: skip

# DuckDB keeps the order of the lines, so that a later record has a larger rowid.
_READ = f"""
CREATE OR REPLACE TEMP TABLE events AS
SELECT s.source, s.process_id, e.* EXCLUDE (_source)
FROM read_json(
    ?, format = 'newline_delimited', ignore_errors = true,
    columns = {{_source: 'INTEGER', {", ".join(f"{name}: '{kind}'" for name, kind in _FIELDS.items())}}}
) e
JOIN sources s ON s.source = e._source
WHERE e.{EVENT_KEY} IS NOT NULL
"""
_COUNT = f"SELECT source, {EVENT_KEY}, count(*) FROM events GROUP BY ALL"

# $1 is the trace in every statement. Records without their key fields are omitted.
_PROCESSES = f"""
UPDATE processes
SET pid = e.pid, parent_pid = e.ppid, command = e.command_line, executable = e.executable, python_version = e.python,
    cwd = e.cwd, backend = e.backend, mode = e.mode, core = e.core, core_reason = nullif(e.core_reason, ''),
    kernel_start = e.kernel_start,
    image_start = e.image_start,
    started_at = {TIME_SQL.format("coalesce(e.started_at_ns, processes.started_at_ns)")},
    started_at_ns = coalesce(e.started_at_ns, processes.started_at_ns), clock_origin_ns = e.clock_origin_ns
FROM (
    SELECT *,
           -- quoted for a shell, like traces.command
           list_aggregate(list_transform(command, lambda word:
               CASE WHEN regexp_full_match(word, '[A-Za-z0-9_@%+=:,./-]+') THEN word
               ELSE '''' || replace(word, '''', '''"''"''') || '''' END
           ), 'string_agg', ' ') AS command_line
    FROM events WHERE k = '{EVENT_PROCESS}'
    QUALIFY row_number() OVER (PARTITION BY process_id ORDER BY rowid DESC) = 1
) e
WHERE processes.trace_id = $1 AND processes.process_id = e.process_id
"""

# The parent of a process is the first of these that is known: the process it was forked from, the main interpreter of a
# subinterpreter, the program that it replaced by exec, its nearest traced ancestor. Without /proc no process has a
# kernel start: the pid alone identifies it then, within a run.
_PARENTS = f"""
UPDATE processes
SET parent_process_id = coalesce(e.forked_from, e.main_interpreter, e.replaced, e.nearest),
    started_by = CASE WHEN e.forked_from IS NOT NULL THEN 'fork'
                      WHEN e.main_interpreter IS NOT NULL THEN 'subinterpreter'
                      WHEN e.replaced IS NOT NULL THEN 'exec' END
FROM (
    SELECT process_id,
           (SELECT max(p.process_id) FROM processes p
            WHERE p.trace_id = $1 AND p.process_key = events.parent) AS forked_from,
           (SELECT arg_min(p.process_id, p.started_at_ns) FROM processes p
            WHERE p.trace_id = $1 AND p.pid = events.pid AND p.kernel_start IS NOT DISTINCT FROM events.kernel_start
              AND p.image_start = events.image_start AND p.started_at_ns < events.started_at_ns) AS main_interpreter,
           (SELECT arg_max(p.process_id, p.started_at_ns) FROM processes p
            WHERE p.trace_id = $1 AND p.pid = events.pid AND p.kernel_start IS NOT DISTINCT FROM events.kernel_start
              AND coalesce(events.kernel_start, events.image_start) IS NOT NULL
              AND p.started_at_ns < events.started_at_ns) AS replaced,
           (SELECT arg_min(p.process_id, (list_position(coalesce(ancestors, [ppid]), p.pid), -p.started_at_ns))
            FROM processes p
            WHERE p.trace_id = $1 AND list_contains(coalesce(ancestors, [ppid]), p.pid)
              AND p.process_id <> events.process_id AND p.started_at_ns <= events.started_at_ns) AS nearest
    FROM events WHERE k = '{EVENT_PROCESS}'
) e
WHERE processes.trace_id = $1 AND processes.process_id = e.process_id
"""
_REPLACED = """
UPDATE processes SET ended_at = successor.started_at
FROM processes successor
WHERE processes.trace_id = $1 AND successor.trace_id = $1 AND successor.started_by = 'exec'
  AND successor.parent_process_id = processes.process_id AND processes.ended_at IS NULL
"""

_NAMES = f"""
UPDATE processes SET name = e.name
FROM (SELECT process_id, last(name ORDER BY rowid) AS name FROM events WHERE k = '{EVENT_NAME}' GROUP BY process_id) e
WHERE processes.trace_id = $1 AND processes.process_id = e.process_id
"""

_END = f"""
UPDATE processes SET ended_at = {MOMENT_SQL.format("processes")}
FROM (SELECT process_id, max(at_ns) AS at_ns FROM events WHERE k = '{EVENT_END}' GROUP BY process_id) e
WHERE processes.trace_id = $1 AND processes.process_id = e.process_id
"""

_THREADS = f"""
INSERT INTO threads (trace_id, process_id, thread_id, ident, name, stream, first_call_id)
SELECT $1, process_id, thread, ident, name, coalesce(stream, thread),
       process_id * {ID_SPACE_SQL} + coalesce(first_call, 0)
FROM events WHERE k = '{EVENT_THREAD}' AND thread IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY process_id, thread ORDER BY rowid DESC) = 1
ON CONFLICT DO UPDATE SET ident = excluded.ident, name = excluded.name
"""

_TASKS = f"""
INSERT INTO tasks (trace_id, process_id, task_id, name, created_by, created_line)
SELECT $1, process_id, task, name, process_id * {ID_SPACE_SQL} + creator, line
FROM events WHERE k = '{EVENT_TASK}' AND task IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY process_id, task ORDER BY rowid DESC) = 1
ON CONFLICT DO UPDATE SET name = excluded.name, created_by = excluded.created_by, created_line = excluded.created_line
"""

_FUNCTIONS = f"""
INSERT INTO functions (trace_id, process_id, function_id, function_name, module_name, file, line, kind, slot, exact,
                       recorded_whole)
SELECT $1, process_id, id, coalesce(name, '<function ' || id || '>'), module, file, line, kind, slot,
       coalesce(exact, true), whole
FROM events WHERE k = '{EVENT_FUNCTION}' AND id IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY process_id, id ORDER BY rowid DESC) = 1
ON CONFLICT DO UPDATE SET function_name = excluded.function_name, module_name = excluded.module_name,
    file = excluded.file, line = excluded.line, kind = excluded.kind, slot = excluded.slot, exact = excluded.exact,
    recorded_whole = excluded.recorded_whole
"""

_EXCEPTIONS = f"""
INSERT INTO exceptions
    (trace_id, process_id, exception_id, exception_type, exception_message, raised_at, thread_id, call_id,
     function_name, module_name, file, line, stack_trace, locals, cause_id, context_id, control_flow, call_chain)
SELECT $1, e.process_id, e.process_id * {ID_SPACE_SQL} + e.id, coalesce(e."type", '<unknown>'), e.message,
       {MOMENT_SQL.format("p")}, e.thread, e.process_id * {ID_SPACE_SQL} + nullif(e."call", 0),
       e.function, e.module, e.file, e.line, e.stack, e.locals, e.process_id * {ID_SPACE_SQL} + e.cause,
       e.process_id * {ID_SPACE_SQL} + e.context, coalesce(e.control_flow, false),
       list_transform(e.calls, lambda call: e.process_id * {ID_SPACE_SQL} + call)
FROM events e JOIN processes p ON p.trace_id = $1 AND p.process_id = e.process_id
WHERE e.k = '{EVENT_EXCEPTION}' AND e.id IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY e.process_id, e.id ORDER BY e.rowid DESC) = 1
ON CONFLICT DO NOTHING
"""

_RAISES = f"""
INSERT INTO exception_counts
    (trace_id, process_id, slot, exception_type, function_name, module_name, file, line)
SELECT $1, process_id, slot, coalesce("type", '<unknown>'), function, module, file, line
FROM events WHERE k = '{EVENT_RAISES}' AND slot IS NOT NULL
ON CONFLICT DO NOTHING
"""

# An exception may be handled and raised again, several times: its last record counts.
_HANDLED = f"""
UPDATE exceptions
SET uncaught = (e.k = '{EVENT_UNCAUGHT}'), handled = (e.k = '{EVENT_HANDLED}'),
    handled_by = CASE WHEN e.k = '{EVENT_HANDLED}' THEN concat_ws(':', e.module, e.function, e.line) END,
    expected = e.k = '{EVENT_HANDLED}' AND coalesce(e.expected, false)
FROM (
    SELECT * FROM events WHERE k IN ('{EVENT_HANDLED}', '{EVENT_UNCAUGHT}') AND id IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY process_id, id ORDER BY rowid DESC) = 1
) e
WHERE exceptions.trace_id = $1 AND exceptions.exception_id = e.process_id * {ID_SPACE_SQL} + e.id
"""

_GAPS = f"""
INSERT INTO gap_records
    (trace_id, process_id, slot, function_name, module_name, file, line, kind, caller_id, exact, wraps)
SELECT $1, process_id, slot, function, module, file, line, kind, caller, coalesce(exact, true),
       CASE WHEN len(wraps) > 0 THEN wraps END
FROM events WHERE k = '{EVENT_GAP}' AND slot IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY process_id, slot ORDER BY rowid DESC) = 1
ON CONFLICT DO UPDATE SET function_name = excluded.function_name, module_name = excluded.module_name,
    file = excluded.file, line = excluded.line, kind = excluded.kind, caller_id = excluded.caller_id,
    exact = excluded.exact, wraps = excluded.wraps
"""

_NOTICES = f"""
INSERT INTO notices (trace_id, process_id, code, message)
SELECT $1, process_id, CASE WHEN code IN {NOTICES_OF_TRACER} THEN code ELSE '{NOTICE_UNKNOWN}' END,
       coalesce(message, '')
FROM events WHERE k = '{EVENT_NOTICE}'
"""

# A dump of stacks is one record for each thread and task, all with the same time. Only the newest dump is kept.
_OLDER_STACKS = f"""
DELETE FROM stacks USING (
    SELECT e.process_id, max({MOMENT_SQL.format("p")}) AS newest
    FROM events e JOIN processes p ON p.trace_id = $1 AND p.process_id = e.process_id
    WHERE e.k = '{EVENT_STACK}' GROUP BY e.process_id
) n
WHERE stacks.trace_id = $1 AND stacks.process_id = n.process_id AND stacks.taken_at IS DISTINCT FROM n.newest
"""
_STACKS = f"""
INSERT INTO stacks
    (trace_id, process_id, stack_id, thread_ident, thread_name, task_name, depth, function_name, module_name, file,
     line, locals, locks, source, taken_at)
SELECT $1, process_id, id, ident, name, task_name, frame.depth, frame."function", frame.module, frame.file,
       frame.line, frame.locals, frame.locks, 'python', taken_at
FROM (
    SELECT e.*, unnest(e.frames) AS frame, {MOMENT_SQL.format("p")} AS taken_at
    FROM events e JOIN processes p ON p.trace_id = $1 AND p.process_id = e.process_id
    WHERE e.k = '{EVENT_STACK}' AND e.id IS NOT NULL
    QUALIFY e.at_ns = max(e.at_ns) OVER (PARTITION BY e.process_id)
)
WHERE frame.depth IS NOT NULL
"""

# Processes come first, since exceptions and ends need their clock; exceptions come before their handling.
_STATEMENTS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({EVENT_PROCESS}), _PROCESSES),
    (frozenset({EVENT_PROCESS}), _PARENTS),
    (frozenset({EVENT_PROCESS}), _REPLACED),
    (frozenset({EVENT_NAME}), _NAMES),
    (frozenset({EVENT_END}), _END),
    (frozenset({EVENT_THREAD}), _THREADS),
    (frozenset({EVENT_TASK}), _TASKS),
    (frozenset({EVENT_FUNCTION}), _FUNCTIONS),
    (frozenset({EVENT_EXCEPTION}), _EXCEPTIONS),
    (frozenset({EVENT_HANDLED, EVENT_UNCAUGHT}), _HANDLED),
    (frozenset({EVENT_RAISES}), _RAISES),
    (frozenset({EVENT_GAP}), _GAPS),
    (frozenset({EVENT_STACK}), _OLDER_STACKS),
    (frozenset({EVENT_STACK}), _STACKS),
    (frozenset({EVENT_NOTICE}), _NOTICES),
    *TEST_STATEMENTS,
    *PROBE_STATEMENTS,
    *EXECUTED_STATEMENTS,
)

# Both look for another process of the trace, and take as long to plan as most of the others together.
_OF_SEVERAL_PROCESSES = (_PARENTS, _REPLACED)


def insert_events(con: DuckDBPyConnection, batch: Batch) -> tuple[int, int]:
    """Insert the records of events files.

    Returns:
        The number of records read, including those of unknown kinds, and of unreadable records.
    """
    batch.create_sources(con)
    con.execute(_READ, [str(batch.path)])
    read: dict[int, int] = {}
    kinds: set[str] = set()
    for source, kind, count in con.execute(_COUNT).fetchall():
        read[source] = read.get(source, 0) + count
        kinds.add(kind)
    has_one_process = len(batch.processes) == 1
    for handled_kinds, statement in _STATEMENTS:
        if handled_kinds & kinds and not (has_one_process and statement in _OF_SEVERAL_PROCESSES):
            con.execute(statement, [batch.trace.trace_id])
    return sum(read.values()), report_unreadable(con, batch, read)
