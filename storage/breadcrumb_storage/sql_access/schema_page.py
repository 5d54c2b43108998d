"""Render the schema as a page for writers of SQL: tables, columns and queries that run unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from breadcrumb.value_format import OBJECT_KEY
from breadcrumb_storage.migrate import migrate
from breadcrumb_storage.sql_access.read_only_sql import INTERNAL_TABLES

# The meaning of a row of each public table, in the order of the page.
TABLES = {
    "traces": "a run of a command",
    "calls": "a recorded call",
    "trace_events": "a call, a return or an exception, in the order of their times",
    "exceptions": "an exception that traced code raised or that passed through it; equal ones 200 times at most",
    "exception_counts": "raises of one type at one place that are not rows of exceptions",
    "functions": "a traced function, in each process of each trace",
    "function_stats": "a traced function of a trace, with the counts and times of its calls",
    "gaps": "a function that traced code called and that was not traced, by caller",
    "lines": "an executed line of a call, where capture.lines named its function",
    "yields": "a value that a generator yielded, the first 20 of each call; without a value: the last of the others",
    "stacks": "a frame of a thread or a waiting task, at the moment when the run was ended or crashed",
    "tests": "a test that ran under pytest or unittest, with the range of calls under it",
    "probes": "a probe of a run, in each process that has its place, with how often that was reached",
    "probe_values": "what the expressions of a probe were, one time: the first and the last times",
    "processes": "a process of a run",
    "threads": "a thread of a process",
    "tasks": "an asyncio task, or a greenlet, of a process",
    "notices": "what a reader of a trace must know: recording that stopped, values that were lost",
}

INTRODUCTION = f"""\
# The trace database of a project

DuckDB. Ask with query_traces (one read-only statement), or open the file read-only. `args`, `return_value`,
`locals` and `changes` are JSON texts: `args->>'$.rate'`; `json_extract(args, '$.items[0]')`. An object has a number
beside its class: `args->>'$.cart."{OBJECT_KEY}"'` is 1 for what answers call `Cart#1`. Times ending in `_ns` are
nanoseconds, timestamps are UTC. `call_id`, `exception_id` and `process_id` are unique within a trace only, so join on
`trace_id` as well. In adaptive mode not every call is a row of `calls`: `functions.started_count` counts them all."""

_NEWEST = "(SELECT trace_id FROM traces ORDER BY started_at DESC LIMIT 1)"


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the statement that answers it."""

    question: str
    sql: str


EXAMPLES = (
    Example("Which runs failed?", "SELECT * FROM traces WHERE status = 'failed' ORDER BY started_at DESC LIMIT 10"),
    Example(
        "How often was each function called, recorded or not, and what did it take?",
        f"""SELECT module_name, function_name, calls, exact, total_ns / 1e6 AS total_ms, self_ns / 1e6 AS self_ms
FROM function_stats WHERE trace_id = {_NEWEST} ORDER BY self_ns DESC LIMIT 20""",
    ),
    Example(
        "Which values did an argument have?",
        f"""SELECT function_name, args->>'$.rate' AS rate, count(*) AS calls, min(call_id) AS first_call
FROM calls WHERE trace_id = {_NEWEST} AND json_exists(args, '$.rate') GROUP BY ALL ORDER BY calls DESC""",
    ),
    Example(
        "Which calls led to a call, the outermost first?",
        f"""WITH RECURSIVE up AS (
    SELECT * FROM calls WHERE trace_id = {_NEWEST} AND outcome = 'raised'
    UNION SELECT c.* FROM calls c JOIN up ON c.trace_id = up.trace_id AND c.call_id = up.parent_call_id)
SELECT call_id, module_name, function_name, args, call_line FROM up ORDER BY call_id LIMIT 50""",
    ),
    Example(
        "What was raised, and who handled it?",
        f"""SELECT exception_type, exception_message, module_name, function_name, line, handled_by, count(*) AS times
FROM exceptions WHERE trace_id = {_NEWEST} AND NOT control_flow GROUP BY ALL ORDER BY times DESC""",
    ),
    Example(
        "Which functions have the same arguments again and again?",
        f"""SELECT module_name, function_name, args, count(*) AS calls, sum(duration_ns) / 1e6 AS ms
FROM calls WHERE trace_id = {_NEWEST} GROUP BY ALL HAVING count(*) > 1 ORDER BY ms DESC LIMIT 20""",
    ),
    Example(
        "How do the times of the last two runs compare, function by function?",
        """WITH last AS (SELECT trace_id, row_number() OVER (ORDER BY started_at DESC) AS age FROM traces)
SELECT function_name, sum(total_ns) FILTER (age = 2) / 1e6 AS before_ms, sum(total_ns) FILTER (age = 1) / 1e6 AS now_ms
FROM function_stats JOIN last USING (trace_id) WHERE age <= 2 GROUP BY ALL ORDER BY now_ms DESC NULLS LAST LIMIT 20""",
    ),
    Example(
        "Which calls ran under a failed test?",
        f"""SELECT t.node_id, c.call_id, c.function_name, c.args, c.return_value
FROM tests t JOIN calls c ON c.trace_id = t.trace_id AND c.process_id = t.process_id
     AND c.call_id BETWEEN t.first_call_id AND coalesce(t.last_call_id, c.call_id)
WHERE t.trace_id = {_NEWEST} AND t.outcome = 'failed' ORDER BY c.call_id LIMIT 50""",
    ),
    Example(
        "What happened at one moment, in all threads?",
        f"""SELECT "timestamp", event_type, function_name, args, return_value FROM trace_events
WHERE trace_id = {_NEWEST} ORDER BY "timestamp" LIMIT 50""",
    ),
)


@cache
def schema_page() -> str:
    """Return the page in Markdown, with the columns that the migrations create in a database in memory."""
    import duckdb

    with duckdb.connect() as con:
        migrate(con)
        rows = con.execute(
            """
            SELECT table_name, string_agg(column_name || ' ' || data_type, ', ' ORDER BY column_index)
            FROM duckdb_columns() WHERE NOT internal AND NOT list_contains(?, table_name) GROUP BY table_name
            """,
            [list(INTERNAL_TABLES)],
        ).fetchall()
    columns = dict(rows)
    tables = "\n\n".join(f"## {table}: {row}\n\n{columns[table]}" for table, row in TABLES.items())
    examples = "\n\n".join(f"-- {each.question}\n{each.sql};" for each in EXAMPLES)
    return f"{INTRODUCTION}\n\n{tables}\n\n## Queries that run unchanged\n\n```sql\n{examples}\n```\n"
