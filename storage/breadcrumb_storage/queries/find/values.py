"""Find the executed lines that gave a variable a value with a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.rows import fetch_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# The first lines that had the text.
MAX_LINES = 1_000


@dataclass(frozen=True, slots=True)
class ValueLine:
    """A change of variables that has the text."""

    call_id: int
    process_id: int
    function_id: int
    line: int | None  # whose execution made it; None: variables from outside, at the first line of the call
    at_ns: int  # since the epoch
    changes: str  # JSON object


def lines_with_text(
    reader: TraceReader,
    spellings: Sequence[str],
    pattern: str,
    functions: Sequence[tuple[int, int]] | None,
    call_pattern: str,
) -> tuple[list[ValueLine], int]:
    """Return the first `MAX_LINES` lines that changed a variable to a value with a text, and the number of all.

    Args:
        reader: The trace.
        spellings: The forms of the text in JSON.
        pattern: A regular expression that the changes must match; "" for any.
        functions: (process, function) of the functions that are wanted; None for all.
        call_pattern: A regular expression for the arguments of the call; "" for any.
    """
    values = {f"text_{number}": text for number, text in enumerate(spellings)}
    contained = " OR ".join(f"contains(changes, ${name})" for name in values)
    owned = "true"
    if functions is not None:
        pairs = ", ".join(f"({int(process)}, {int(function)})" for process, function in functions)
        owned = f"(c.process_id, c.function_id) IN ({pairs})" if pairs else "false"
    result = reader.con.execute(
        f"""
        WITH with_text AS (SELECT DISTINCT call_id FROM line_records WHERE trace_no = $trace_no AND ({contained})),
        stepped AS (
            SELECT call_id, position, at_ns, changes, lag(line) OVER (PARTITION BY call_id ORDER BY position) AS line
            FROM line_records SEMI JOIN with_text USING (call_id) WHERE trace_no = $trace_no),
        fitting AS (
            SELECT s.call_id, c.process_id, c.function_id, s.line, coalesce(s.at_ns, c.started_ns) AS at_ns, s.changes,
                   s.position
            FROM stepped s JOIN call_records c ON c.trace_no = $trace_no AND c.call_id = s.call_id
            WHERE ({contained}) AND ($pattern = '' OR regexp_matches(s.changes, $pattern)) AND {owned}
              AND ($call_pattern = '' OR coalesce(regexp_matches(c.args, $call_pattern), false)))
        SELECT * EXCLUDE (position), count(*) OVER () AS total FROM fitting
        ORDER BY at_ns, call_id, position LIMIT {MAX_LINES}
        """,
        {"trace_no": reader.trace_no, "pattern": pattern, "call_pattern": call_pattern, **values},
    )
    return fetch_page(result, ValueLine)
