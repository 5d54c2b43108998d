"""Find the calls that fit a filter, and read the few that are shown."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.calls.object_names import ObjectName
from breadcrumb_storage.queries.calls.value_conditions import ValueCondition
from breadcrumb_storage.queries.calls.yields import Yielded, yields_of
from breadcrumb_storage.queries.exception_filter import exception_type_condition
from breadcrumb_storage.queries.functions import COLON_NAME, name_condition
from breadcrumb_storage.queries.tests import in_ranges, test_ranges
from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# The notation of answers: NAME= before a field's value, and Python's constants.
_FIELD = re.compile(r"\b([A-Za-z_]\w*)=(?!=)")
_CONSTANTS = {"None": "null", "True": "true", "False": "false"}
_CONSTANT = re.compile(r"\b(?:None|True|False)\b")

OUTCOMES = ("returned", "raised", "cancelled", "unfinished")  # in the order of record_format.OUTCOME_*
# With more functions, a join is as quick as literals.
MAX_FUNCTION_IDS = 50


@dataclass(frozen=True, slots=True)
class CallRow:
    """A recorded call with its function and its exception."""

    call_id: int
    parent_call_id: int | None
    process_id: int
    thread_id: int
    task: str | None  # the asyncio task's name
    module: str
    name: str
    file: str | None
    line: int | None
    call_line: int | None  # the caller's line
    started_ns: int
    duration_ns: int | None  # None: unfinished
    suspended_ns: int
    outcome: str
    exception_id: int | None
    exception_type: str | None
    exception_message: str | None
    args: str | None
    return_value: str | None
    late: bool  # recorded while it ran: args are those of that moment
    kind: str  # function, generator, coroutine, async_generator, class or module
    yielded: Yielded | None = None  # of generators

    @property
    def is_body(self) -> bool:
        """Whether the call ran the body of a module or a class, which takes and returns nothing."""
        return self.kind in ("module", "class") or self.name == "<module>"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Conditions on calls, all of which must hold; None and empty set no condition."""

    function: str | None = None  # as in functions.name_condition
    full_names: tuple[str, ...] = ()  # module:function; replaces `function`
    outcome: str | None = None  # one of OUTCOMES
    min_ms: float | None = None
    max_ms: float | None = None
    exception: str | None = None  # its type, with or without the module, or a glob
    caller: str | None = None  # as in functions.name_condition
    process_id: int | None = None
    thread: str | int | None = None  # name or number
    call_id: int | None = None
    parent_call_id: int | None = None
    test: str | None = None  # as in tests.test_ranges
    contains: str | None = None  # in args, return value or exception message
    values: tuple[ValueCondition, ...] = ()


def find_calls(reader: TraceReader, wanted: CallFilter, *, after: int, limit: int) -> tuple[list[int], int]:
    """Find the calls that fit a filter, in the order of their ids, which is that of their starts in each process.

    Args:
        wanted: The filter.
        after: Return calls with larger ids only.
        limit: Maximum number of ids to return.

    Returns:
        The ids, and the number of calls that fit, whatever `after` and `limit` are.
    """
    where, parameters = call_conditions(reader, wanted)
    # One scan for both: the smallest ids and the count.
    row = reader.con.execute(
        f"""
        SELECT count(*), min(c.call_id, {int(limit)}) FILTER (c.call_id > {int(after)})
        FROM call_records c WHERE {" AND ".join(where)}
        """,
        parameters,
    ).fetchall()[0]
    return sorted(row[1] or []), row[0]


def call_conditions(reader: TraceReader, wanted: CallFilter) -> tuple[list[str], list[Any]]:
    """Return SQL conditions over `call_records c` for the calls that fit, to be joined by AND, and their parameters."""
    where = ["c.trace_no = ?"]
    parameters: list[Any] = [reader.trace_no]

    def add(condition: str, *values: Any) -> None:
        where.append(condition)
        parameters.extend(values)

    if wanted.function is not None or wanted.full_names:
        named, values = (
            (f"list_contains(?, {COLON_NAME})", [list(wanted.full_names)])
            if wanted.full_names
            else name_condition(wanted.function or "")
        )
        add(
            f"(c.process_id, c.function_id) IN "
            f"(SELECT (process_id, function_id) FROM functions WHERE trace_id = ? AND {named})",
            reader.trace_id,
            *values,
        )
        # With literal ids, the scan skips other calls before it reads values.
        numbers = _function_ids(reader, named, values)
        if numbers:
            add(f"c.function_id IN ({', '.join(map(str, numbers))})")
    if wanted.outcome == "unfinished":
        add("c.outcome IS NULL")
    elif wanted.outcome is not None:
        add("c.outcome = ?", OUTCOMES.index(wanted.outcome))
    if wanted.min_ms is not None:
        add("c.duration_ns >= ?", int(wanted.min_ms * 1_000_000))
    if wanted.max_ms is not None:
        add("c.duration_ns <= ?", int(wanted.max_ms * 1_000_000))
    if wanted.exception is not None:
        named, values = exception_type_condition(wanted.exception)
        add(
            f"c.exception_id IN (SELECT exception_id FROM exceptions WHERE trace_id = ? AND {named})",
            reader.trace_id,
            *values,
        )
    if wanted.caller is not None:
        named, values = name_condition(wanted.caller)
        add(
            f"""c.parent_call_id IN (
                SELECT p.call_id FROM call_records p WHERE p.trace_no = ? AND (p.process_id, p.function_id) IN
                (SELECT (process_id, function_id) FROM functions WHERE trace_id = ? AND {named}))""",
            reader.trace_no,
            reader.trace_id,
            *values,
        )
    if wanted.test is not None:
        add(in_ranges(test_ranges(reader, wanted.test)))
    if wanted.process_id is not None:
        add("c.process_id = ?", wanted.process_id)
    if isinstance(wanted.thread, int):
        add("c.thread_id = ?", wanted.thread)
    elif wanted.thread is not None:
        add(
            "(c.process_id, c.thread_id) IN "
            "(SELECT (process_id, thread_id) FROM threads WHERE trace_id = ? AND name = ?)",
            reader.trace_id,
            wanted.thread,
        )
    if wanted.call_id is not None:
        add("c.call_id = ?", wanted.call_id)
    if wanted.parent_call_id is not None:
        add("c.parent_call_id = ?", wanted.parent_call_id)
    if wanted.contains is not None:
        texts = spellings_in_json(wanted.contains)
        holds = " OR ".join("contains(c.args, ?) OR contains(c.return_value, ?)" for _ in texts)
        add(
            f"""({holds} OR c.exception_id IN (
                SELECT exception_id FROM exceptions WHERE trace_id = ? AND contains(exception_message, ?)))""",
            *(text for text in texts for _ in range(2)),
            reader.trace_id,
            wanted.contains,
        )
    for condition in wanted.values:
        conditions, values = condition.sql()
        where += conditions
        parameters += values
    return where, parameters


def _function_ids(reader: TraceReader, named: str, parameters: list[Any]) -> list[int]:
    """Return the ids of the named functions in all processes, none if there are more than `MAX_FUNCTION_IDS`."""
    rows = reader.con.execute(
        f"SELECT DISTINCT function_id FROM functions WHERE trace_id = ? AND {named} LIMIT {MAX_FUNCTION_IDS + 1}",
        [reader.trace_id, *parameters],
    ).fetchall()
    return [int(row[0]) for row in rows] if len(rows) <= MAX_FUNCTION_IDS else []


def spellings_in_json(text: str) -> list[str]:
    """Return the forms that a text may have in JSON: unchanged, escaped in either way, or with JSON for the notation.

    Answers show the fields `{"count": 0, "name": null}` of an object as `count=0, name=None`, and an object by its
    class and its number: `Cart#1`.
    """
    named = ObjectName.parse(text)
    if named is not None:
        return named.spellings()
    spellings = [text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]]
    if _FIELD.search(text):
        shown = _FIELD.sub(r'"\1": ', text).replace("'", '"')
        spellings.append(_CONSTANT.sub(lambda found: _CONSTANTS[found[0]], shown))
    return list(dict.fromkeys(spellings))


def calls_by_id(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, CallRow]:
    """Read calls by id; ids that were not recorded are left out."""
    if not call_ids:
        return {}
    result = reader.con.execute(
        """
        -- A join filters the scan before it reads values; IN would read the values of all calls.
        WITH wanted AS (
            SELECT * FROM call_records SEMI JOIN (SELECT unnest($ids::BIGINT[]) AS call_id) USING (call_id)
            WHERE trace_no = $trace_no)
        SELECT c.call_id, nullif(c.parent_call_id, 0) AS parent_call_id, c.process_id, c.thread_id, k.name AS task,
               coalesce(f.module_name, '') AS module, coalesce(f.function_name, '?') AS name, f.file, f.line,
               c.call_line, c.started_ns, c.duration_ns, c.suspended_ns,
               CASE c.outcome WHEN 0 THEN 'returned' WHEN 1 THEN 'raised' WHEN 2 THEN 'cancelled' ELSE 'unfinished' END
                   AS outcome,
               c.exception_id, e.exception_type, e.exception_message, c.args, c.return_value,
               coalesce(c.late, false) AS late, coalesce(f.kind, 'function') AS kind,
               NULL AS yielded  -- read for generators only, below
        FROM wanted c
        LEFT JOIN functions f
          ON f.trace_id = $trace_id AND f.process_id = c.process_id AND f.function_id = c.function_id
        LEFT JOIN exceptions e ON e.trace_id = $trace_id AND e.exception_id = c.exception_id
        LEFT JOIN tasks k ON k.trace_id = $trace_id AND k.process_id = c.process_id AND k.task_id = c.task_id
        """,
        {"trace_id": reader.trace_id, "trace_no": reader.trace_no, "ids": list(set(call_ids))},
    )
    calls = {row.call_id: row for row in fetch(result, CallRow)}
    generators = [call_id for call_id, call in calls.items() if call.kind.endswith("generator")]
    if generators:
        for call_id, yielded in yields_of(reader, generators).items():
            calls[call_id] = replace(calls[call_id], yielded=yielded)
    return calls


def callees(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    """Return the direct callees of calls by call id.

    Returns:
        Function names with their numbers of calls, in the order of their first calls; calls without callees are left
        out.
    """
    if not call_ids:
        return {}
    numbers = ", ".join(str(int(call_id)) for call_id in set(call_ids))
    rows = reader.con.execute(
        f"""
        WITH children AS (
            SELECT parent_call_id, process_id, function_id, count(*) AS calls, min(call_id) AS first
            FROM call_records WHERE trace_no = $trace_no AND parent_call_id IN ({numbers}) GROUP BY ALL)
        SELECT parent_call_id, f.function_name, sum(calls)::BIGINT
        FROM children c JOIN functions f
          ON f.trace_id = $trace_id AND f.process_id = c.process_id AND f.function_id = c.function_id
        GROUP BY parent_call_id, f.function_name ORDER BY parent_call_id, min(first)
        """,
        {"trace_id": reader.trace_id, "trace_no": reader.trace_no},
    ).fetchall()
    found: dict[int, list[tuple[str, int]]] = {}
    for parent, name, count in rows:
        found.setdefault(parent, []).append((name, count))
    return found
