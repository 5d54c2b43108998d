"""The functions of a trace: which match a name, how often each ran and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader


COLON_NAME = "coalesce(module_name, '') || ':' || function_name"  # what answers call a function by

# Calls of one function in a process that are put in order to see which ran within which: of more it takes too long.
MAX_ORDERED_CALLS = 20_000


@dataclass(frozen=True, slots=True)
class FunctionTime:
    """One function's calls, over all processes of a trace."""

    module: str
    name: str
    file: str | None
    line: int | None
    recorded: int
    started: int  # at least ``recorded``; more where not every call was recorded
    exact: bool  # False: ``started`` and the times are lower bounds
    total_ns: int  # of all calls, recorded or only counted; see nested_times for functions that call themselves
    self_ns: int  # for the counted calls in proportion to the recorded ones

    @property
    def full_name(self) -> str:
        return f"{self.module}:{self.name}"


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function that a name matched, and its calls."""

    module: str
    name: str
    file: str | None
    line: int | None
    recorded: int
    started: int  # at least ``recorded``; more where not every call was recorded
    exact: bool  # False: ``started`` is a lower bound


def name_condition(pattern: str) -> tuple[str, list[Any]]:
    """SQL over ``functions`` that is true for the functions which ``pattern`` names, and its parameters.

    ``module:function`` is exact; with ``*`` or ``?`` it is a glob over the whole of the qualified name, of
    ``module.function`` or of ``module:function``; anything else is a substring of one of those.
    """
    spellings = ("function_name", "coalesce(module_name, '') || '.' || function_name", COLON_NAME)
    if "*" in pattern or "?" in pattern:
        # Brackets are literal: they do not occur in names, but agents copy "list[int]" from annotations.
        glob = pattern.replace("[", "[[]")
        return "(" + " OR ".join(f"{spelling} GLOB ?" for spelling in spellings) + ")", [glob] * 3
    if ":" in pattern:
        return f"{COLON_NAME} = ?", [pattern]
    return "(" + " OR ".join(f"contains({spelling}, ?)" for spelling in spellings) + ")", [pattern] * 3


def matching_functions(reader: TraceReader, pattern: str) -> list[FunctionName]:
    """The functions that ``pattern`` names, the most called first, also those without a recorded call."""
    condition, parameters = name_condition(pattern)
    result = reader.con.execute(
        f"""
        WITH named AS (SELECT * FROM functions WHERE trace_id = ? AND {condition}),
        counted AS (
            SELECT process_id, function_id, count(*) AS calls FROM call_records
            SEMI JOIN named USING (process_id, function_id) WHERE trace_no = ? GROUP BY ALL)
        SELECT coalesce(module_name, '') AS module, function_name AS name, any_value(file) AS file,
               any_value(line) AS line, coalesce(sum(calls), 0)::BIGINT AS recorded,
               coalesce(sum(greatest(started_count, calls)), 0)::BIGINT AS started,
               bool_and(coalesce(exact, true)) AS exact
        FROM named LEFT JOIN counted USING (process_id, function_id)
        GROUP BY module_name, function_name ORDER BY recorded DESC, module, name
        """,
        [reader.trace_id, *parameters, reader.trace_no],
    )
    return fetch(result, FunctionName)


def traced_code(reader: TraceReader) -> set[tuple[str, str]]:
    """Module and file of all traced functions."""
    rows = reader.con.execute(
        "SELECT DISTINCT coalesce(module_name, ''), coalesce(file, '') FROM functions WHERE trace_id = ?",
        [reader.trace_id],
    ).fetchall()
    return {(module, file) for module, file in rows}


def similar_names(reader: TraceReader, name: str, limit: int) -> list[str]:
    """``module:function`` of the traced functions whose names are most like ``name``, for when it has a typo."""
    rows = reader.con.execute(
        f"""
        WITH names AS (
            SELECT DISTINCT {COLON_NAME} AS full_name, lower(function_name) AS function_name,
                   lower(string_split(function_name, '.')[-1]) AS last_name
            FROM functions WHERE trace_id = $trace_id AND function_name <> '<module>')
        SELECT full_name, greatest(jaro_winkler_similarity(function_name, lower($name)),
                                   jaro_winkler_similarity(last_name, lower($name))) AS likeness
        FROM names WHERE likeness > 0.75 ORDER BY likeness DESC, full_name LIMIT {int(limit)}
        """,
        {"trace_id": reader.trace_id, "name": name},
    ).fetchall()
    return [row[0] for row in rows]


def names_by_id(reader: TraceReader, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Qualified names of functions by (process, function)."""
    pairs = ", ".join(f"({int(process)}, {int(function)})" for process, function in set(keys))
    if not pairs:
        return {}
    rows = reader.con.execute(
        f"""
        SELECT process_id, function_id, function_name FROM functions
        WHERE trace_id = ? AND (process_id, function_id) IN ({pairs})
        """,
        [reader.trace_id],
    ).fetchall()
    return {(process, function): name for process, function, name in rows}


def function_times(reader: TraceReader) -> list[FunctionTime]:
    """Every function of a trace with its counts and times, the one with the most time of its own first.

    A function that was seen but of which no call was recorded has zeros.
    """
    result = reader.con.execute(
        """
        WITH timed AS (
            SELECT process_id, function_id, count(*) AS recorded, sum(duration_ns) AS total_ns,
                   sum(duration_ns - child_ns - suspended_ns) AS self_ns
            FROM call_records WHERE trace_no = $trace_no GROUP BY process_id, function_id)
        SELECT coalesce(f.module_name, '') AS module, f.function_name AS name, any_value(f.file) AS file,
               any_value(f.line) AS line, coalesce(sum(t.recorded), 0)::BIGINT AS recorded,
               coalesce(sum(greatest(f.started_count, t.recorded)), 0)::BIGINT AS started,
               bool_and(coalesce(f.exact, true)) AS exact,
               (coalesce(sum(t.total_ns), 0) + coalesce(sum(f.counted_ns), 0))::BIGINT AS total_ns,
               -- children in other tasks can outlast the call that began them
               (greatest(coalesce(sum(t.self_ns), 0), 0)
                * coalesce(1 + sum(f.counted_ns) / nullif(sum(t.total_ns), 0), 1))::BIGINT AS self_ns
        FROM functions f LEFT JOIN timed t USING (process_id, function_id)
        WHERE f.trace_id = $trace_id
        GROUP BY f.module_name, f.function_name
        ORDER BY self_ns DESC, started DESC, module, name
        """,
        {"trace_id": reader.trace_id, "trace_no": reader.trace_no},
    )
    return fetch(result, FunctionTime)


@dataclass(frozen=True, slots=True)
class CountedFunction:
    """A function of which not every call was recorded."""

    full_name: str
    recorded: int
    started: int
    exact: bool  # False: ``started`` is a lower bound


def counted_functions(reader: TraceReader, full_names: Sequence[str]) -> list[CountedFunction]:
    """Those of the functions (``module:function``) that have calls which were counted only, the most calls first."""
    result = reader.con.execute(
        f"""
        WITH named AS (
            SELECT process_id, function_id, started_count, exact, {COLON_NAME} AS full_name FROM functions
            WHERE trace_id = ? AND started_count IS NOT NULL AND list_contains(?, {COLON_NAME})),
        counted AS (
            SELECT process_id, function_id, count(*) AS calls FROM call_records
            SEMI JOIN named USING (process_id, function_id) WHERE trace_no = ? GROUP BY ALL)
        SELECT full_name, coalesce(sum(calls), 0)::BIGINT AS recorded,
               sum(greatest(started_count, coalesce(calls, 0)))::BIGINT AS started,
               bool_and(coalesce(exact, true)) AS exact
        FROM named LEFT JOIN counted USING (process_id, function_id)
        GROUP BY full_name HAVING started > recorded ORDER BY started DESC, full_name
        """,
        [reader.trace_id, list(full_names), reader.trace_no],
    )
    return fetch(result, CountedFunction)


def nested_times(reader: TraceReader, full_names: Sequence[str]) -> dict[str, int]:
    """How much of ``total_ns`` is counted more than once: where calls of a function ran within a call of itself.

    Also where other functions stand in between, as in a parser: what remains is the time in which at least one call of
    the function was under way in a thread or task. Of a function with very many calls, only those directly within a
    call of itself.

    Args:
        full_names: ``module:function`` of the few functions to look at; this costs more than their totals do.
    """
    rows = reader.con.execute(
        f"""
        WITH named AS (
            SELECT process_id, function_id, {COLON_NAME} AS full_name FROM functions
            WHERE trace_id = ? AND list_contains(?, {COLON_NAME})),
        chosen AS (
            SELECT process_id, function_id, full_name, call_id, parent_call_id, thread_id, task_id, started_ns,
                   started_ns + duration_ns AS ended_ns, child_ns
            FROM call_records JOIN named USING (process_id, function_id)
            WHERE trace_no = ? AND duration_ns IS NOT NULL),
        -- most functions, and nearly all that are called very often, call nothing: they cannot call themselves
        callers AS (
            SELECT process_id, function_id, count(*) <= {MAX_ORDERED_CALLS} AS few
            FROM chosen GROUP BY process_id, function_id HAVING max(child_ns) > 0),
        followed AS (
            SELECT full_name, started_ns, ended_ns,
                   max(ended_ns) OVER (PARTITION BY process_id, function_id, thread_id, task_id
                                       ORDER BY started_ns, call_id
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS busy_until_ns
            FROM chosen JOIN callers USING (process_id, function_id) WHERE few),
        twice AS (
            SELECT full_name, least(ended_ns, busy_until_ns) - started_ns AS nested_ns
            FROM followed WHERE busy_until_ns > started_ns
            UNION ALL
            SELECT c.full_name, c.ended_ns - c.started_ns
            FROM chosen c JOIN callers USING (process_id, function_id)
            JOIN chosen p ON p.call_id = c.parent_call_id AND p.function_id = c.function_id AND p.child_ns > 0
            WHERE NOT few)
        SELECT full_name, sum(nested_ns)::BIGINT FROM twice GROUP BY full_name
        """,
        [reader.trace_id, list(full_names), reader.trace_no],
    ).fetchall()
    return dict(rows)
