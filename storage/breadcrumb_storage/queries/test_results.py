"""Read the results of tests, and the calls of single tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breadcrumb_storage.ids import ID_SPACE
from breadcrumb_storage.rows import fetch, fetch_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# Characters of a stack: its innermost frames are enough to distinguish failures.
_STACK_END_CHARS = 1_500
# Calls of one test that are read to draw a tree of its last ones.
MAX_LINKS = 2_000
# Calls of the function of one test: it may be run again, or in subtests.
_MAX_CALLS_OF_TEST = 20


@dataclass(frozen=True, slots=True)
class FailedTest:
    """A run of a test that failed, also in its set-up, teardown or collection."""

    process_id: int
    node_id: str
    outcome: str  # failed or error
    phase: str | None  # setup, call or teardown; collect: its file could not be imported
    first_call_id: int
    last_call_id: int  # the last possible id of the process, if the test had not ended
    exception_id: int | None
    exception_type: str | None
    message: str | None
    file: str | None  # where the exception was raised, in traced code or not
    line: int | None
    stack_end: str  # the innermost frames of the stack trace
    passed_later: bool  # another run of the test passed


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """How one run of a test ended."""

    __test__ = False  # pytest takes the name for that of a test class

    node_id: str
    outcome: str | None  # None: it did not end


@dataclass(frozen=True, slots=True)
class CalledLink:
    """A call under a test, with what is needed to draw a tree."""

    call_id: int
    parent_call_id: int | None
    function_name: str
    kind: str | None


def count_tests(reader: TraceReader) -> dict[str, int]:
    """Count the runs of tests by outcome, which is `unfinished` for those without one."""
    rows = reader.con.execute(
        """
        SELECT coalesce(outcome, 'unfinished') AS kind, count(*) FROM tests WHERE trace_id = ? GROUP BY kind
        ORDER BY list_position(['failed', 'error', 'unfinished', 'passed', 'skipped', 'xfailed', 'xpassed'], kind)
                 NULLS LAST, kind
        """,
        [reader.trace_id],
    ).fetchall()
    return dict(rows)


def list_outcomes(reader: TraceReader, limit: int) -> list[TestOutcome]:
    """Return the runs of tests in the order in which they began."""
    result = reader.con.execute(
        "SELECT node_id, outcome FROM tests WHERE trace_id = ? ORDER BY started_at, process_id, test_id LIMIT ?",
        [reader.trace_id, limit],
    )
    return fetch(result, TestOutcome)


def unfinished_tests(reader: TraceReader, limit: int) -> list[str]:
    """Return the node ids of tests without an outcome, the one that started last first."""
    rows = reader.con.execute(
        "SELECT node_id FROM tests WHERE trace_id = ? AND outcome IS NULL ORDER BY started_at DESC LIMIT ?",
        [reader.trace_id, limit],
    ).fetchall()
    return [row[0] for row in rows]


def failed_tests(reader: TraceReader, limit: int) -> list[FailedTest]:
    """Return failed tests in the order in which they ran, those of which another run passed at the end."""
    result = reader.con.execute(
        f"""
        SELECT t.process_id, t.node_id, t.outcome, t.phase, t.first_call_id,
               coalesce(t.last_call_id, (t.process_id + 1) * {ID_SPACE}::BIGINT - 1) AS last_call_id,
               t.exception_id, t.exception_type, t.message, e.file, e.line,
               coalesce(right(e.stack_trace, {_STACK_END_CHARS}), '') AS stack_end,
               t.node_id IN (SELECT node_id FROM tests WHERE trace_id = $trace AND outcome = 'passed') AS passed_later
        FROM tests t LEFT JOIN exceptions e ON e.trace_id = t.trace_id AND e.exception_id = t.exception_id
        WHERE t.trace_id = $trace AND t.outcome IN ('failed', 'error')
        ORDER BY passed_later, t.started_at, t.process_id, t.test_id LIMIT $limit
        """,
        {"trace": reader.trace_id, "limit": limit},
    )
    return fetch(result, FailedTest)


def last_calls(reader: TraceReader, first_call_id: int, last_call_id: int, limit: int) -> tuple[list[CalledLink], int]:
    """Return the last outermost calls between two ids of a process, in their order, and the number of outermost calls.

    Bodies of modules and classes are left out.

    Args:
        first_call_id: The first id, included.
        last_call_id: The last id, included.
        limit: Maximum number of calls to return.
    """
    within = f"c.call_id BETWEEN {int(first_call_id)} AND {int(last_call_id)}"
    return _calls(
        reader,
        f"{within} AND (c.parent_call_id IS NULL OR c.parent_call_id NOT BETWEEN {int(first_call_id)} AND "
        f"{int(last_call_id)})",
        limit,
    )


def calls_of_test_function(reader: TraceReader, first_call_id: int, last_call_id: int, name: str) -> list[CalledLink]:
    """Return the calls between two ids of a process whose function has the name of a test, in their order.

    A plugin of the project may have made them, so they need not be the outermost ones.

    Args:
        first_call_id: The first id, included.
        last_call_id: The last id, included.
        name: The name without class or module.
    """
    links, _ = _calls(
        reader,
        f"c.call_id BETWEEN {int(first_call_id)} AND {int(last_call_id)} "
        "AND (f.function_name = ? OR ends_with(f.function_name, '.' || ?))",
        _MAX_CALLS_OF_TEST,
        [name, name],
    )
    return links


def last_children(reader: TraceReader, parents: Sequence[int], limit: int) -> tuple[list[CalledLink], int]:
    """Return the last direct callees of calls, in their order, and the number of such callees.

    Bodies of modules and classes are left out.
    """
    numbers = ", ".join(str(int(parent)) for parent in parents)
    return _calls(reader, f"c.parent_call_id IN ({numbers})", limit) if numbers else ([], 0)


def _calls(reader: TraceReader, where: str, limit: int, values: Sequence[str] = ()) -> tuple[list[CalledLink], int]:
    result = reader.con.execute(
        f"""
        SELECT c.call_id, c.parent_call_id, f.function_name, f.kind, count(*) OVER () AS total
        FROM call_records c
        JOIN functions f ON f.trace_id = ? AND f.process_id = c.process_id AND f.function_id = c.function_id
        WHERE c.trace_no = ? AND {where} AND f.kind IS DISTINCT FROM 'module' AND f.kind IS DISTINCT FROM 'class'
        ORDER BY c.call_id DESC LIMIT {int(limit)}
        """,
        [reader.trace_id, reader.trace_no, *values],
    )
    newest_first, total = fetch_page(result, CalledLink)
    return newest_first[::-1], total


def calls_between(reader: TraceReader, first_call_id: int, last_call_id: int) -> list[CalledLink]:
    """Return the first `MAX_LINKS` calls between two ids, both included, in their order."""
    result = reader.con.execute(
        f"""
        SELECT c.call_id, c.parent_call_id, f.function_name, f.kind
        FROM call_records c
        JOIN functions f ON f.trace_id = ? AND f.process_id = c.process_id AND f.function_id = c.function_id
        WHERE c.trace_no = ? AND c.call_id BETWEEN {int(first_call_id)} AND {int(last_call_id)}
        ORDER BY c.call_id LIMIT {MAX_LINKS}
        """,
        [reader.trace_id, reader.trace_no],
    )
    return fetch(result, CalledLink)
