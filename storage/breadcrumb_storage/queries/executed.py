"""Read the lines that tests executed: each failed one's in their order, and how many passing ones executed a line.

The processes of a program without tests have such lines too. Its earlier runs stand where passing tests do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from breadcrumb.record_format import WHOLE_PROGRAM
from breadcrumb_storage.executed_lines import ExecutedFunction, ExecutedLine, decoded

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Failed tests that are compared; more have the same few causes.
MAX_FAILED_TESTS = 50


@dataclass(frozen=True, slots=True)
class FailedTestLines:
    """The lines that a test which failed, or did not end, executed; or a process of a program without tests."""

    process_id: int
    test_id: int
    suite: str
    lines: Sequence[ExecutedLine]  # those before its failure, in the order of first execution
    later: Sequence[ExecutedLine]  # those that it executed first after its failure


@dataclass(slots=True)
class PassedLines:
    """The passing tests of some suites: their number, and how many of them executed each line."""

    tests: int = 0
    counts: dict[ExecutedLine, int] = field(default_factory=dict[ExecutedLine, int])

    def add(self, line: ExecutedLine, tests: int) -> None:
        """Count tests that executed a line."""
        self.counts[line] = self.counts.get(line, 0) + tests


def failed_test_lines(reader: TraceReader) -> list[FailedTestLines]:
    """Return the lines of the first tests that failed or did not end, in the order in which they ran."""
    return _read(reader, f"test_id <> {WHOLE_PROGRAM} AND outcome <> 'passed'")


def program_lines(reader: TraceReader) -> list[FailedTestLines]:
    """Return the lines of the processes of a program without tests.

    Returns:
        Those of the processes that an exception ended, or that were ended from outside; those of all if there are none.
    """
    found = _read(reader, f"test_id = {WHOLE_PROGRAM} AND outcome <> 'ended'")
    return found or _read(reader, f"test_id = {WHOLE_PROGRAM}")


def _read(reader: TraceReader, condition: str) -> list[FailedTestLines]:
    rows = reader.con.execute(
        f"""
        SELECT process_id, test_id, suite, failed_at, executed FROM executed_records
        WHERE trace_id = ? AND {condition} ORDER BY process_id, test_id LIMIT {MAX_FAILED_TESTS}
        """,
        [reader.trace_id],
    ).fetchall()
    if not rows:
        return []
    functions = functions_by_id(reader.con, reader.trace_id)
    found: list[FailedTestLines] = []
    for process_id, test_id, suite, failed_at, executed in rows:
        lines = list(decoded(executed, process_id, functions))
        # A line whose function is not known is left out: none, as a function is written before its lines.
        cut = len(lines) if failed_at is None else failed_at
        found.append(FailedTestLines(process_id, test_id, suite, lines[:cut], lines[cut:]))
    return found


def passed_lines(reader: TraceReader, suites: Iterable[str]) -> PassedLines:
    """Return the lines of the passing tests of suites: of this run, and of the pass before it."""
    wanted = sorted(set(suites))
    found = PassedLines()
    ((found.tests,),) = reader.con.execute(
        """
        SELECT (SELECT count(*) FROM executed_records
                WHERE trace_id = $1 AND outcome = 'passed' AND suite IN (SELECT unnest($2::VARCHAR[])))
             + (SELECT coalesce(sum(passed), 0)::BIGINT FROM
                (SELECT DISTINCT suite, passed FROM neighbour_records
                 WHERE trace_id = $1 AND suite IN (SELECT unnest($2::VARCHAR[]))))
        """,
        [reader.trace_id, wanted],
    ).fetchall()
    rows = reader.con.execute(
        """
        WITH numbers AS (
            SELECT process_id, test_id, unnest(executed) AS number, generate_subscripts(executed, 1) AS position
            FROM executed_records
            WHERE trace_id = $1 AND outcome = 'passed' AND suite IN (SELECT unnest($2::VARCHAR[]))),
        -- The lines of a function follow its id, which is negative.
        placed AS (
            SELECT process_id, test_id, number AS line,
                   last_value(CASE WHEN number < 0 THEN -number END IGNORE NULLS) OVER (
                       PARTITION BY process_id, test_id ORDER BY position ROWS UNBOUNDED PRECEDING) AS function_id
            FROM numbers QUALIFY number > 0)
        SELECT f.file, f.function_name, f.line, p.line, count(*)
        FROM placed p
        JOIN functions f ON f.trace_id = $1 AND f.process_id = p.process_id AND f.function_id = p.function_id
        WHERE f.file IS NOT NULL AND f.line IS NOT NULL
        GROUP BY ALL
        UNION ALL
        SELECT file, function_name, function_line, unnest(lines), unnest(tests) FROM neighbour_records
        WHERE trace_id = $1 AND suite IN (SELECT unnest($2::VARCHAR[])) AND file IS NOT NULL
        """,
        [reader.trace_id, wanted],
    ).fetchall()
    functions: dict[tuple[str, str, int], ExecutedFunction] = {}
    for file, name, first_line, line, tests in rows:
        function = functions.setdefault((file, name, first_line), ExecutedFunction(file, name, first_line))
        found.add(ExecutedLine(function, line), tests)
    return found


def functions_by_id(con: DuckDBPyConnection, trace_id: str) -> dict[tuple[int, int], ExecutedFunction]:
    """Return the functions of a trace by process and id."""
    rows = con.execute(
        """
        SELECT process_id, function_id, file, function_name, line FROM functions
        WHERE trace_id = ? AND file IS NOT NULL AND line IS NOT NULL
        """,
        [trace_id],
    ).fetchall()
    return {(process_id, number): ExecutedFunction(*rest) for process_id, number, *rest in rows}
