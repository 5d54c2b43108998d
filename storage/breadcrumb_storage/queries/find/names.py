"""Find the executed lines and the calls that have to do with a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.rows import fetch, fetch_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Lines, and calls, that a history is made of: those nearest to the failure, first those before it.
MAX_LINES = 4_000
MAX_CALLS = 1_500


@dataclass(frozen=True, slots=True)
class NamedLine:
    """One execution of a line, with the changes that it made."""

    call_id: int
    process_id: int
    function_id: int
    position: int
    line: int
    at_ns: int  # since the epoch; that of the call if the line's is not known
    ended_ns: int | None  # the start of the next recorded line, or the end of the call
    next_position: int | None  # of the next recorded line; if it is not the next one, other lines were left out
    next_line: int | None  # None: the call ended, or no further line is recorded
    changes: str | None  # JSON object; None: variables were not compared
    args: str | None  # of the call
    raised: bool  # whether it ended with an exception


@dataclass(frozen=True, slots=True)
class NamedCall:
    """A call whose arguments, or variables from outside, have the name."""

    call_id: int
    process_id: int
    function_id: int
    started_ns: int
    parent_call_id: int | None
    args: str | None


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The owners that a history is limited to: calls of these functions, or calls that have a text in their values."""

    functions: Sequence[tuple[int, int]]  # (process, function)
    text: str  # in arguments and changes


def named_lines(
    reader: TraceReader,
    texts: Sequence[str],
    lines: Sequence[tuple[int, int, int]],
    failed_ns: int | None,
    narrowed: Narrowed | None = None,
) -> tuple[list[NamedLine], int]:
    """Return the executed lines that mention a name or changed what has it, in the order of time, and their number.

    Args:
        reader: The trace.
        texts: The name as it is in recorded values.
        lines: (process, function, line) of the lines whose source mentions it.
        failed_ns: The moment of the failure, since the epoch; None if there is none.
        narrowed: The owners that are wanted; None for all.
    """
    functions = sorted({(process, function) for process, function, _ in lines})
    parameters: dict[str, Any] = {
        "trace_no": reader.trace_no,
        "processes": [each[0] for each in lines],
        "functions": [each[1] for each in lines],
        "lines": [each[2] for each in lines],
        "mentioning_processes": [each[0] for each in functions],
        "mentioning_functions": [each[1] for each in functions],
        "failed": failed_ns,
    }
    changed, spellings = _contains("changes", texts)
    owned = _owned(narrowed, parameters, "c.process_id", "c.function_id", "c.args", "s.changes")
    result = reader.con.execute(
        f"""
        WITH mentioned AS (
            SELECT DISTINCT unnest($processes::INTEGER[]) AS process_id, unnest($functions::INTEGER[]) AS function_id,
                   unnest($lines::INTEGER[]) AS line),
        mentioning AS (
            SELECT unnest($mentioning_processes::INTEGER[]) AS process_id,
                   unnest($mentioning_functions::INTEGER[]) AS function_id),
        with_change AS (
            SELECT DISTINCT call_id FROM line_records WHERE trace_no = $trace_no AND ({changed})),
        recorded AS (SELECT DISTINCT call_id FROM line_records WHERE trace_no = $trace_no),
        chosen AS (
            SELECT call_id, process_id, function_id, started_ns, args, coalesce(outcome = 1, false) AS raised
            FROM call_records c
            SEMI JOIN recorded USING (call_id)
            WHERE trace_no = $trace_no AND (
                call_id IN (FROM with_change) OR (process_id, function_id) IN (FROM mentioning))),
        stepped AS (
            SELECT call_id, position, line, at_ns, lead(changes) OVER steps AS changes,
                   lead(position) OVER steps AS next_position, lead(line) OVER steps AS next_line,
                   lead(at_ns) OVER steps AS ended_ns
            FROM line_records SEMI JOIN chosen USING (call_id) WHERE trace_no = $trace_no
            WINDOW steps AS (PARTITION BY call_id ORDER BY position)),
        named AS (
            SELECT s.call_id, c.process_id, c.function_id, s.position, s.line,
                   coalesce(s.at_ns, c.started_ns) AS at_ns, s.ended_ns, s.next_position, s.next_line, s.changes,
                   c.args, c.raised
            FROM stepped s JOIN chosen c USING (call_id)
            LEFT JOIN mentioned m
              ON m.process_id = c.process_id AND m.function_id = c.function_id AND m.line = s.line
            WHERE s.line IS NOT NULL AND (m.line IS NOT NULL OR {changed.replace("changes", "s.changes")}) AND {owned}),
        nearest AS (
            SELECT *, count(*) OVER () AS total FROM named
            ORDER BY {_NEAREST.format("at_ns")}, call_id DESC, position DESC LIMIT {MAX_LINES})
        FROM nearest ORDER BY at_ns, call_id, position
        """,
        {**parameters, **spellings},
    )
    return fetch_page(result, NamedLine)


def named_calls(
    reader: TraceReader, texts: Sequence[str], failed_ns: int | None, narrowed: Narrowed | None = None
) -> tuple[list[NamedCall], int]:
    """Return the calls whose arguments have a name, in the order of time, and the number of such calls.

    Args:
        reader: The trace.
        texts: The name as it is in recorded values.
        failed_ns: The moment of the failure, since the epoch; None if there is none.
        narrowed: The owners that are wanted; None for all.
    """
    contained, spellings = _contains("c.args", texts)
    parameters: dict[str, Any] = {"trace_no": reader.trace_no}
    owned = _owned(narrowed, parameters, "c.process_id", "c.function_id", "c.args", "c.args")
    where = f"c.trace_no = $trace_no AND ({contained}) AND {owned}"
    # One scan reads the values; what is sorted are numbers.
    rows = reader.con.execute(
        f"""
        WITH named AS (SELECT c.call_id, c.started_ns FROM call_records c WHERE {where}),
        nearest AS (
            SELECT call_id, count(*) OVER () AS total FROM named
            ORDER BY {_NEAREST.format("started_ns")}, call_id DESC LIMIT {MAX_CALLS})
        FROM nearest
        """,
        {**parameters, **spellings, "failed": failed_ns},
    ).fetchall()
    if not rows:
        return [], 0
    result = reader.con.execute(
        """
        SELECT call_id, process_id, function_id, started_ns, nullif(parent_call_id, 0) AS parent_call_id, args
        FROM call_records SEMI JOIN (SELECT unnest($ids::BIGINT[]) AS call_id) USING (call_id)
        WHERE trace_no = $trace_no ORDER BY started_ns, call_id
        """,
        {"ids": [row[0] for row in rows], "trace_no": reader.trace_no},
    )
    return fetch(result, NamedCall), rows[0][1]


def outer_variables(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, str]:
    """Return the variables from enclosing functions as they were at the first line of calls, as JSON by call id."""
    rows = reader.con.execute(
        """
        SELECT call_id, changes FROM line_records SEMI JOIN (SELECT unnest($ids::BIGINT[]) AS call_id) USING (call_id)
        WHERE trace_no = $trace_no AND position = 0 AND changes IS NOT NULL
        """,
        {"ids": list(set(call_ids)), "trace_no": reader.trace_no},
    ).fetchall()
    return dict(rows)


def values_at(reader: TraceReader, wanted: Sequence[tuple[int, int, str]]) -> dict[tuple[int, int, str], str]:
    """Return the last recorded changes of a variable before a line began, as JSON objects.

    Args:
        reader: The trace.
        wanted: (call, position, variable); variables that did not change are left out of the result.
    """
    if not wanted:
        return {}
    rows = reader.con.execute(
        """
        WITH wanted AS (
            SELECT unnest($calls::BIGINT[]) AS call_id, unnest($positions::INTEGER[]) AS at,
                   unnest($names::VARCHAR[]) AS name)
        SELECT w.call_id, w.at, w.name, arg_max(l.changes, l.position)
        FROM wanted w JOIN line_records l ON l.trace_no = $trace_no AND l.call_id = w.call_id AND l.position <= w.at
             AND contains(l.changes, '"' || w.name || '":')
        GROUP BY ALL
        """,
        {
            "calls": [each[0] for each in wanted],
            "positions": [each[1] for each in wanted],
            "names": [each[2] for each in wanted],
            "trace_no": reader.trace_no,
        },
    ).fetchall()
    return {(call, at, name): changes for call, at, name, changes in rows}


# SQL: what was before the failure comes first, the nearest to it at the beginning; then what was after it.
_NEAREST = """
    coalesce({0} > $failed::BIGINT, false),
    CASE WHEN coalesce({0} > $failed::BIGINT, false) THEN {0} ELSE -{0} END
"""


def _contains(column: str, texts: Sequence[str]) -> tuple[str, dict[str, str]]:
    names = {f"text_{number}": text for number, text in enumerate(texts)}
    return " OR ".join(f"contains({column}, ${name})" for name in names), names


def _owned(narrowed: Narrowed | None, parameters: dict[str, Any], process: str, function: str, *columns: str) -> str:
    """Return a condition for the owners, and add its parameters."""
    if narrowed is None:
        return "true"
    pairs = ", ".join(f"({int(a)}, {int(b)})" for a, b in narrowed.functions)
    conditions = [f"({process}, {function}) IN ({pairs})"] if pairs else []
    if narrowed.text:
        parameters["owner"] = narrowed.text
        conditions += [f"coalesce(contains({column}, $owner), false)" for column in dict.fromkeys(columns)]
    return f"({' OR '.join(conditions)})" if conditions else "false"
