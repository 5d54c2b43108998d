"""Read the exceptions that fit a text, in the order in which they were raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.queries.exception_filter import TEST_END
from breadcrumb_storage.rows import fetch, fetch_one, fetch_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Exceptions of one history: the first ones.
MAX_RAISES = 5_000


@dataclass(frozen=True, slots=True)
class Raise:
    """An exception object, raised once."""

    exception_id: int
    type: str
    message: str
    call_id: int | None  # the innermost traced call
    module: str
    name: str  # of the function that raised it, traced or not
    file: str | None
    line: int | None
    cause_id: int | None
    context_id: int | None
    uncaught: bool
    handled: bool | None
    handled_by: str | None  # module:function:line
    expected: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exception was raised."""

    exception_id: int
    type: str
    file: str | None
    line: int | None


_COLUMNS = """
    exception_id, exception_type AS type, coalesce(exception_message, '') AS message, nullif(call_id, 0) AS call_id,
    coalesce(module_name, '') AS module, coalesce(function_name, '') AS name, file, line, cause_id, context_id,
    uncaught, handled, handled_by, coalesce(expected, false) AS expected
"""


def raises(
    reader: TraceReader, text: str, functions: Sequence[tuple[str, str]] | None, call_pattern: str
) -> tuple[list[Raise], int]:
    """Return the first `MAX_RAISES` exceptions that fit, in the order of time, and the number of all.

    They are those of a type of this name, with or without its module. If there are none, those with the text in their
    type or message. A text with `*` or `?` is a glob over either. Control flow, such as StopIteration, has to be named.

    Args:
        reader: The trace.
        text: The type, or a part of it or of the message.
        functions: (module, function) of those that raised it; None for all.
        call_pattern: A regular expression for the arguments of the call; "" for any.
    """
    shown = "(uncaught OR NOT control_flow)"
    if "*" in text or "?" in text:
        conditions = [f"(exception_type GLOB $text OR exception_message GLOB $text) AND {shown}"]
    else:
        conditions = [
            "(exception_type = $text OR ends_with(exception_type, '.' || $text))",
            f"(contains(lower(exception_type), lower($text)) OR contains(exception_message, $text)) AND {shown}",
        ]
    parameters: dict[str, Any] = {"trace": reader.trace_id, "text": text}
    owned = "true"
    if call_pattern:
        owned = """
            call_id IN (SELECT call_id FROM call_records
                        WHERE trace_no = $trace_no AND coalesce(regexp_matches(args, $of_call), false))"""
        parameters |= {"trace_no": reader.trace_no, "of_call": call_pattern}
    elif functions is not None:
        owned = "list_contains($owners, coalesce(module_name, '') || ':' || function_name)"
        parameters["owners"] = [f"{module}:{name}" for module, name in functions]
    for condition in conditions:
        result = reader.con.execute(
            f"""
            SELECT {_COLUMNS}, count(*) OVER () AS total FROM exceptions
            WHERE trace_id = $trace AND {condition} AND {owned} ORDER BY raised_at, exception_id LIMIT {MAX_RAISES}
            """,
            parameters,
        )
        rows, total = fetch_page(result, Raise)
        if rows:
            return rows, total
    return [], 0


def raises_by_id(reader: TraceReader, exception_ids: Sequence[int]) -> dict[int, Raise]:
    """Return exceptions by id."""
    if not exception_ids:
        return {}
    numbers = ", ".join(str(int(each)) for each in set(exception_ids))
    result = reader.con.execute(
        f"SELECT {_COLUMNS} FROM exceptions WHERE trace_id = ? AND exception_id IN ({numbers})", [reader.trace_id]
    )
    return {each.exception_id: each for each in fetch(result, Raise)}


def retold(reader: TraceReader, exception_ids: Sequence[int]) -> list[Raise]:
    """Return the exceptions that were raised from one of these, or while one was handled, in the order of time."""
    if not exception_ids:
        return []
    numbers = ", ".join(str(int(each)) for each in set(exception_ids))
    result = reader.con.execute(
        f"""
        SELECT {_COLUMNS} FROM exceptions
        WHERE trace_id = ? AND (cause_id IN ({numbers}) OR (cause_id IS NULL AND context_id IN ({numbers})))
        ORDER BY raised_at, exception_id LIMIT {MAX_RAISES}
        """,
        [reader.trace_id],
    )
    return fetch(result, Raise)


def first_new_raise(reader: TraceReader) -> Place | None:
    """Return the first exception of a failed test at a line where no passing test raised one of its type.

    Returns:
        None if no test passed, since then every exception would be new, or if there is no such exception.
    """
    result = reader.con.execute(
        f"""
        WITH raised AS (
            SELECT e.exception_id, e.exception_type, e.file, e.line, e.raised_at,
                   coalesce(e.expected, false) AS expected, t.outcome
            FROM (FROM exceptions WHERE trace_id = $trace AND NOT control_flow) e
            ASOF JOIN (FROM tests WHERE trace_id = $trace) t
              ON t.process_id = e.process_id AND t.started_at <= e.raised_at
            WHERE t.duration_ms IS NULL OR e.raised_at <= {TEST_END}),
        usual AS (SELECT DISTINCT exception_type, file, line FROM raised WHERE outcome = 'passed')
        SELECT exception_id, exception_type AS type, file, line FROM raised
        WHERE outcome IN ('failed', 'error') AND NOT expected
          AND (exception_type, coalesce(file, ''), coalesce(line, 0)) NOT IN (
              SELECT (exception_type, coalesce(file, ''), coalesce(line, 0)) FROM usual)
          AND EXISTS (FROM tests WHERE trace_id = $trace AND outcome = 'passed')
        ORDER BY raised_at, exception_id LIMIT 1
        """,
        {"trace": reader.trace_id},
    )
    return fetch_one(result, Place)


def further_raises(reader: TraceReader, types: Sequence[str]) -> int:
    """Count the raises of types that were only counted, since many equal ones had been recorded."""
    ((count,),) = reader.con.execute(
        """
        SELECT coalesce(sum(further_count), 0)::BIGINT FROM exception_counts
        WHERE trace_id = ? AND list_contains(?, exception_type)
        """,
        [reader.trace_id, list(types)],
    ).fetchall()
    return int(count)
