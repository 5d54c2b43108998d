"""Find the functions of a trace by name, and read their numbers of calls and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader


COLON_NAME = "coalesce(module_name, '') || ':' || function_name"  # SQL: the name of a function in answers

# Calls of one function in a process that are sorted to find which ran within which; sorting more takes too long.
MAX_ORDERED_CALLS = 20_000


@dataclass(frozen=True, slots=True)
class FunctionTime:
    """A function with the numbers and times of its calls in all processes of a trace."""

    module: str
    name: str
    file: str | None
    line: int | None
    recorded: int
    started: int  # at least `recorded`; more if some calls were only counted
    exact: bool  # False: `started` and the times are lower bounds
    thinned: bool  # the budget of the tracer made fewer calls recorded in detail
    total_ns: int  # of recorded and counted calls; see nested_times for functions that call themselves
    self_ns: int  # that of counted calls is estimated from the recorded ones

    @property
    def full_name(self) -> str:
        """`module:function`."""
        return f"{self.module}:{self.name}"


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function that matches a name, with the numbers of its calls."""

    module: str
    name: str
    file: str | None
    line: int | None
    recorded: int
    started: int  # at least `recorded`; more if some calls were only counted
    exact: bool  # False: `started` is a lower bound

    @property
    def full_name(self) -> str:
        """`module:function`."""
        return f"{self.module}:{self.name}"


def name_condition(pattern: str) -> tuple[str, list[Any]]:
    """Return an SQL condition over `functions` for those that match a name, and its parameters.

    Args:
        pattern: Matches the qualified name, `module.function` or `module:function`: with `*` or `?` as a glob, with a
            colon exactly, otherwise as a substring.
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
    """Find the functions that match a name, the one with the most recorded calls first.

    Args:
        pattern: As in `name_condition`.
    """
    return _functions(reader, *name_condition(pattern))


def functions_of_file(reader: TraceReader, file: str) -> list[FunctionName]:
    """Return the traced functions of a file, the one with the most recorded calls first."""
    return _functions(reader, "file = ?", [file])


def _functions(reader: TraceReader, condition: str, parameters: Sequence[Any]) -> list[FunctionName]:
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
    """Return the (module, file) pairs of the traced functions; unknown parts are empty."""
    rows = reader.con.execute(
        "SELECT DISTINCT coalesce(module_name, ''), coalesce(file, '') FROM functions WHERE trace_id = ?",
        [reader.trace_id],
    ).fetchall()
    return {(module, file) for module, file in rows}


def similar_names(reader: TraceReader, name: str, limit: int) -> list[str]:
    """Return `module:function` of the traced functions with the names most similar to a misspelled one."""
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
    """Return the qualified names of functions by (process, function)."""
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
    """Return all functions of a trace, the one with the most self time first.

    Those without a recorded or counted call are included.
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
               bool_and(coalesce(f.exact, true)) AS exact, bool_or(f.recorded_whole IS NOT NULL) AS thinned,
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
    """A function of which some calls were only counted."""

    full_name: str
    recorded: int
    started: int
    exact: bool  # False: `started` is a lower bound


def counted_functions(reader: TraceReader, full_names: Sequence[str]) -> list[CountedFunction]:
    """Return those of the functions that have counted calls, the one with the most calls first.

    Args:
        full_names: `module:function` of the functions to look at.
    """
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
    """Return the part of `total_ns` that is counted more than once, since calls ran within a call of their function.

    Other functions may be in between, as in a parser: the rest is the time in which at least one call of the function
    ran in a thread or task. Above `MAX_ORDERED_CALLS` calls, only direct recursion is found.

    Args:
        full_names: `module:function` of the functions to look at: few, since this costs more than their totals.

    Returns:
        Nanoseconds by name; functions without nested calls are left out.
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
        -- Most functions, and nearly all with many calls, call nothing, so they cannot call themselves.
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
