"""Find the tests of a trace, and the calls that ran under them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.ids import ID_SPACE
from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# More ranges are joined as a table: an expression with so many constants is slower.
_MAX_LITERAL_RANGES = 300

# True if the process of the test {1} started the process {0} during the test.
_STARTED_IN = (
    "{0}.parent_process_id = {1}.process_id AND {0}.started_at >= {1}.started_at AND ({1}.duration_ms IS NULL"
    " OR {0}.started_at <= {1}.started_at + to_microseconds(({1}.duration_ms * 1000)::BIGINT))"
)


@dataclass(frozen=True, slots=True)
class CallRange:
    """The calls of one process with ids from the first to the last, both included."""

    process_id: int
    first_call_id: int
    last_call_id: int


def test_ranges(reader: TraceReader, test: str) -> list[CallRange]:
    """Return the calls that ran under tests, as ranges in the order of their ids.

    Processes that were started during such a test belong to it as a whole: a pool's workers to the test that first
    needed them.

    Args:
        test: A node id, or a substring of node ids if no test has this id. With `*` or `?` a glob, over a node id or
            its part after a `::` or a dot.
    """
    # Most tests have no calls between them, so that a thousand of them become one range.
    return merge_ranges(_ranges(reader, *_node_condition(test)))


def test_failures(reader: TraceReader, test: str) -> list[int]:
    """Return the ids of the exceptions that tests failed with.

    Args:
        test: As in `test_ranges`.
    """
    condition, parameters = _node_condition(test)
    rows = reader.con.execute(
        f"SELECT exception_id FROM tests WHERE trace_id = $trace AND exception_id IS NOT NULL AND ({condition})",
        {"trace": reader.trace_id, **parameters},
    ).fetchall()
    return [row[0] for row in rows]


def test_ranges_by_id(reader: TraceReader, node_ids: Sequence[str]) -> list[CallRange]:
    """Return the calls that ran under the tests with these node ids, as ranges in the order of their ids.

    There is a range for each run of a test and for each process that was started during one.
    """
    return _ranges(reader, "node_id IN (SELECT unnest($tests::VARCHAR[]))", {"tests": list(node_ids)})


def _ranges(reader: TraceReader, condition: str, parameters: dict[str, Any]) -> list[CallRange]:
    """Return the calls under the tests for which `condition` is true, in the order of their ids."""
    result = reader.con.execute(
        f"""
        WITH RECURSIVE named AS (
            SELECT * FROM tests WHERE trace_id = $trace AND ({condition})),
        started AS (  -- during a test, or by such a process
            SELECT p.process_id FROM processes p JOIN named t ON {_STARTED_IN.format("p", "t")}
            WHERE p.trace_id = $trace
            UNION
            SELECT p.process_id FROM processes p JOIN started s ON p.parent_process_id = s.process_id
            WHERE p.trace_id = $trace)
        SELECT process_id, first_call_id,
               coalesce(last_call_id, (process_id + 1) * {ID_SPACE}::BIGINT - 1) AS last_call_id
        FROM named
        UNION ALL
        SELECT process_id, process_id * {ID_SPACE}::BIGINT, (process_id + 1) * {ID_SPACE}::BIGINT - 1 FROM started
        ORDER BY ALL
        """,
        {"trace": reader.trace_id, **parameters},
    )
    return fetch(result, CallRange)


def test_names(reader: TraceReader) -> list[str]:
    """Return the different node ids of tests: failed ones first, then in the order in which they ran."""
    rows = reader.con.execute(
        """
        SELECT node_id FROM tests WHERE trace_id = ? GROUP BY node_id
        ORDER BY bool_or(outcome IN ('failed', 'error')) DESC NULLS LAST, min(started_at), node_id
        """,
        [reader.trace_id],
    ).fetchall()
    return [row[0] for row in rows]


def tests_of_calls(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, str]:
    """Return the node id of the test under which each call ran, by call id; calls outside of tests are left out."""
    if not call_ids:
        return {}
    rows = reader.con.execute(
        f"""
        SELECT c.call_id, t.node_id FROM (SELECT unnest(?::BIGINT[]) AS call_id) c
        ASOF JOIN (FROM tests WHERE trace_id = ?) t ON c.call_id >= t.first_call_id
        WHERE c.call_id // {ID_SPACE} = t.process_id AND (t.last_call_id IS NULL OR c.call_id <= t.last_call_id)
        """,
        [list(call_ids), reader.trace_id],
    ).fetchall()
    found: dict[int, str] = dict(rows)
    for call_id in set(call_ids) - found.keys():
        test = _test_that_started(reader, call_id // ID_SPACE)
        if test is not None:
            found[call_id] = test
    return found


def _test_that_started(reader: TraceReader, process_id: int) -> str | None:
    """Return the test during which a process, or the nearest possible ancestor of it, was started."""
    rows = reader.con.execute(
        f"""
        WITH RECURSIVE up AS (
            SELECT process_id, parent_process_id, started_at, 0 AS steps
            FROM processes WHERE trace_id = $trace AND process_id = $process
            UNION
            SELECT p.process_id, p.parent_process_id, p.started_at, up.steps + 1
            FROM up JOIN processes p ON p.trace_id = $trace AND p.process_id = up.parent_process_id)
        SELECT t.node_id FROM up JOIN tests t ON t.trace_id = $trace AND {_STARTED_IN.format("up", "t")}
        ORDER BY up.steps LIMIT 1
        """,
        {"trace": reader.trace_id, "process": process_id},
    ).fetchall()
    return rows[0][0] if rows else None


def merge_ranges(ranges: Iterable[CallRange]) -> list[CallRange]:
    """Merge adjacent and overlapping ranges, given in the order of their ids."""
    found: list[CallRange] = []
    for each in ranges:
        last = found[-1] if found else None
        if last and last.process_id == each.process_id and each.first_call_id <= last.last_call_id + 1:
            found[-1] = replace(last, last_call_id=max(each.last_call_id, last.last_call_id))
        else:
            found.append(each)
    return found


def in_ranges(ranges: Sequence[CallRange], call_id: str = "c.call_id") -> str:
    """Return an SQL condition for the calls in ranges, by id alone, since an id belongs to one process.

    Args:
        ranges: Ranges that do not overlap.
        call_id: SQL of the column with the call's id.
    """
    if not ranges:
        return "false"
    bounds = sorted((int(each.first_call_id), int(each.last_call_id)) for each in ranges)
    # The outermost bounds as a condition let DuckDB skip row groups.
    within = f"{call_id} BETWEEN {bounds[0][0]} AND {max(last for _, last in bounds)}"
    if len(bounds) == 1:
        return within
    if len(bounds) <= _MAX_LITERAL_RANGES:
        return f"({within} AND {_range_search(bounds, call_id)})"
    firsts, lasts = (", ".join(map(str, column)) for column in zip(*bounds, strict=True))
    return (
        f"({within} AND {call_id} IN (SELECT ids.call_id FROM call_records ids ASOF JOIN "
        f"(SELECT unnest([{firsts}])::BIGINT AS first, unnest([{lasts}])::BIGINT AS last) AS ranges "
        "ON ids.call_id >= ranges.first WHERE ids.call_id <= ranges.last))"
    )


def _range_search(bounds: Sequence[tuple[int, int]], call_id: str) -> str:
    """Return SQL of a binary search for a call's range, several times as fast as a sequence of conditions."""
    if len(bounds) == 1:
        return f"{call_id} BETWEEN {bounds[0][0]} AND {bounds[0][1]}"
    middle = len(bounds) // 2
    lower, upper = _range_search(bounds[:middle], call_id), _range_search(bounds[middle:], call_id)
    return f"CASE WHEN {call_id} < {bounds[middle][0]} THEN {lower} ELSE {upper} END"


def _node_condition(test: str) -> tuple[str, dict[str, Any]]:
    """Return an SQL condition over `tests` for those that `test` matches (see `test_ranges`), and its parameters."""
    if "*" in test or "?" in test:
        # Brackets are literal: ids of parametrised tests contain them.
        glob = test.replace("[", "[[]")
        condition = "node_id = $test OR node_id GLOB $glob OR node_id GLOB '*::' || $glob OR node_id GLOB '*.' || $glob"
        return condition, {"test": test, "glob": glob}
    exact = "EXISTS (SELECT 1 FROM tests e WHERE e.trace_id = $trace AND e.node_id = $test)"
    return f"CASE WHEN {exact} THEN node_id = $test ELSE contains(node_id, $test) END", {"test": test}
