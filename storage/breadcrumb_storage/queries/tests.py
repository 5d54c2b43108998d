"""The tests that ran in a trace, and which calls ran under them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from breadcrumb_storage.ids import ID_SPACE
from breadcrumb_storage.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from breadcrumb_storage.queries.trace_reader import TraceReader

# More ranges are joined: an expression with so many constants takes longer than that.
_MAX_LITERAL_RANGES = 300

# Whether the process {0} was started by that of the test {1} while this ran.
_STARTED_IN = (
    "{0}.parent_process_id = {1}.process_id AND {0}.started_at >= {1}.started_at AND ({1}.duration_ms IS NULL"
    " OR {0}.started_at <= {1}.started_at + to_microseconds(({1}.duration_ms * 1000)::BIGINT))"
)


@dataclass(frozen=True, slots=True)
class CallRange:
    """Calls of one process that follow each other: those with ids from the first to the last."""

    process_id: int
    first_call_id: int
    last_call_id: int


def test_ranges(reader: TraceReader, test: str) -> list[CallRange]:
    """The calls that ran under the tests which ``test`` names, as ranges of ids, in their order.

    Whole processes are among them: those that were started while such a test ran. (A pool's workers belong to the
    test that needed the first of them.)

    Args:
        test: a node id; with ``*`` or ``?`` a glob over the whole of it, or over what stands behind a ``::`` or a dot;
            anything else is a substring of one. A node id that is there as it stands means that test alone.
    """
    # Most tests follow each other without a call in between: a thousand of them are then one range.
    return merge_ranges(_ranges(reader, *_node_condition(test)))


def test_failures(reader: TraceReader, test: str) -> list[int]:
    """The ids of the exceptions that the tests which ``test`` names (see ``test_ranges``) failed with."""
    condition, parameters = _node_condition(test)
    rows = reader.con.execute(
        f"SELECT exception_id FROM tests WHERE trace_id = $trace AND exception_id IS NOT NULL AND ({condition})",
        {"trace": reader.trace_id, **parameters},
    ).fetchall()
    return [row[0] for row in rows]


def test_ranges_by_id(reader: TraceReader, node_ids: Sequence[str]) -> list[CallRange]:
    """The calls that ran under the tests with these node ids, a range for each run of one."""
    return _ranges(reader, "node_id IN (SELECT unnest($tests::VARCHAR[]))", {"tests": list(node_ids)})


def _ranges(reader: TraceReader, condition: str, parameters: dict[str, Any]) -> list[CallRange]:
    """The calls under the tests for which ``condition`` is true, in the order of their ids."""
    result = reader.con.execute(
        f"""
        WITH RECURSIVE named AS (
            SELECT * FROM tests WHERE trace_id = $trace AND ({condition})),
        started AS (  -- by a test, and by what it started
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
    """The node ids of a trace's tests, each once, in the order in which they ran, but those that failed first."""
    rows = reader.con.execute(
        """
        SELECT node_id FROM tests WHERE trace_id = ? GROUP BY node_id
        ORDER BY bool_or(outcome IN ('failed', 'error')) DESC NULLS LAST, min(started_at), node_id
        """,
        [reader.trace_id],
    ).fetchall()
    return [row[0] for row in rows]


def tests_of_calls(reader: TraceReader, call_ids: Sequence[int]) -> dict[int, str]:
    """The node id of the test that each of these calls ran under, by call id; calls outside of tests are left out."""
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
    """The test during which a process was started, or the process that started it."""
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
    """These ranges, given in the order of their ids, where those that touch each other are one."""
    found: list[CallRange] = []
    for each in ranges:
        last = found[-1] if found else None
        if last and last.process_id == each.process_id and each.first_call_id <= last.last_call_id + 1:
            found[-1] = replace(last, last_call_id=max(each.last_call_id, last.last_call_id))
        else:
            found.append(each)
    return found


def in_ranges(ranges: Sequence[CallRange], call_id: str = "c.call_id") -> str:
    """SQL that is true for the calls in these ranges, which do not overlap; ``call_id`` is the column.

    (A call's id tells its process.)
    """
    if not ranges:
        return "false"
    bounds = sorted((int(each.first_call_id), int(each.last_call_id)) for each in ranges)
    # The outermost bounds on their own let DuckDB skip row groups.
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
    """A binary search for a call's range, as an expression: several times as fast as one condition after the other."""
    if len(bounds) == 1:
        return f"{call_id} BETWEEN {bounds[0][0]} AND {bounds[0][1]}"
    middle = len(bounds) // 2
    lower, upper = _range_search(bounds[:middle], call_id), _range_search(bounds[middle:], call_id)
    return f"CASE WHEN {call_id} < {bounds[middle][0]} THEN {lower} ELSE {upper} END"


def _node_condition(test: str) -> tuple[str, dict[str, Any]]:
    """SQL over ``tests`` that is true for those which ``test`` names, and its parameters."""
    if "*" in test or "?" in test:
        # Brackets are literal: those of a parametrised test's id.
        glob = test.replace("[", "[[]")
        condition = "node_id = $test OR node_id GLOB $glob OR node_id GLOB '*::' || $glob OR node_id GLOB '*.' || $glob"
        return condition, {"test": test, "glob": glob}
    exact = "EXISTS (SELECT 1 FROM tests e WHERE e.trace_id = $trace AND e.node_id = $test)"
    return f"CASE WHEN {exact} THEN node_id = $test ELSE contains(node_id, $test) END", {"test": test}
