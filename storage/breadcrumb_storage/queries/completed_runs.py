"""Read the lines that earlier runs of a program executed, of those that ended well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from breadcrumb.record_format import WHOLE_PROGRAM
from breadcrumb_storage.executed_lines import ExecutedFunction, decoded, lines_by_function
from breadcrumb_storage.queries.executed import functions_by_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """A run that ended well.

    Attributes:
        trace_id: Its trace.
        started_at: When it started, in UTC.
        executed: The lines of own functions that its processes executed.
        digests: The digests of its source files whose text was kept, by path.
    """

    trace_id: str
    started_at: datetime
    executed: Mapping[ExecutedFunction, Sequence[int]]
    digests: Mapping[str, str]


def completed_runs(con: DuckDBPyConnection, program: str, cwd: str, count: int) -> list[CompletedRun]:
    """Return the newest runs of a program that completed and whose lines are known, the newest first.

    Args:
        con: A connection to the project's database.
        program: The redacted shell line of the program, without the arguments that may differ.
        cwd: The folder in which it ran.
        count: The number of runs at most.
    """
    traces = con.execute(
        """
        SELECT trace_id, started_at FROM traces t
        WHERE status = 'completed' AND cwd = $cwd AND (command = $program OR starts_with(command, $program || ' '))
          AND EXISTS (FROM executed_records e WHERE e.trace_id = t.trace_id AND e.test_id = $whole)
        ORDER BY trace_no DESC LIMIT $count
        """,
        {"cwd": cwd, "program": program, "whole": WHOLE_PROGRAM, "count": count},
    ).fetchall()
    return [
        CompletedRun(trace_id, started_at, _executed(con, trace_id), _digests(con, trace_id))
        for trace_id, started_at in traces
    ]


def _executed(con: DuckDBPyConnection, trace_id: str) -> dict[ExecutedFunction, list[int]]:
    functions = functions_by_id(con, trace_id)
    records = con.execute(
        "SELECT process_id, executed FROM executed_records WHERE trace_id = ? AND test_id = ?",
        [trace_id, WHOLE_PROGRAM],
    ).fetchall()
    return lines_by_function(line for process, executed in records for line in decoded(executed, process, functions))


def _digests(con: DuckDBPyConnection, trace_id: str) -> dict[str, str]:
    return dict(con.execute("SELECT file, digest FROM source_files WHERE trace_id = ?", [trace_id]).fetchall())
