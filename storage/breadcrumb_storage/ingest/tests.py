"""Define the statements by which `ingest_events` fills `tests` from the events of test runners.

A runner reports an outcome for each phase of a test. The outcome of the test is the first failure or error, otherwise
the first outcome other than success.
"""

from __future__ import annotations

from breadcrumb.record_format import EVENT_TEST, EVENT_TEST_END, EVENT_TEST_REPORT
from breadcrumb_storage.ids import ID_SPACE_SQL
from breadcrumb_storage.ingest.batch import MOMENT_SQL

_MOMENT = MOMENT_SQL.format("p")

_TESTS = f"""
INSERT INTO tests (trace_id, process_id, test_id, node_id, thread_id, started_at, first_call_id)
SELECT $1, e.process_id, e.id, coalesce(e.name, '?'), e.thread, {_MOMENT},
       e.process_id * {ID_SPACE_SQL} + coalesce(e.first_call, 0)
FROM events e JOIN processes p ON p.trace_id = $1 AND p.process_id = e.process_id
WHERE e.k = '{EVENT_TEST}' AND e.id IS NOT NULL
ON CONFLICT DO NOTHING
"""

_RANK = "CASE WHEN {0} IN ('failed', 'error') THEN 0 WHEN {0} = 'passed' THEN 2 WHEN {0} IS NULL THEN 3 ELSE 1 END"
_REPORTS = f"""
UPDATE tests
SET outcome = e.outcome, phase = e.phase, exception_id = e.process_id * {ID_SPACE_SQL} + nullif(e.exception, 0),
    exception_type = e."type", message = e.message
FROM (
    SELECT *, {_RANK.format("outcome")} AS rank FROM events
    WHERE k = '{EVENT_TEST_REPORT}' AND id IS NOT NULL AND outcome IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY process_id, id ORDER BY rank, rowid) = 1
) e
WHERE tests.trace_id = $1 AND tests.process_id = e.process_id AND tests.test_id = e.id
  AND e.rank < {_RANK.format("tests.outcome")}
"""

_ENDS = f"""
UPDATE tests
SET last_call_id = e.process_id * {ID_SPACE_SQL} + e.last_call,
    duration_ms = epoch_us(e.ended_at - tests.started_at) / 1000
FROM (
    SELECT e.process_id, e.id, e.last_call, {_MOMENT} AS ended_at
    FROM events e JOIN processes p ON p.trace_id = $1 AND p.process_id = e.process_id
    WHERE e.k = '{EVENT_TEST_END}'
) e
WHERE tests.trace_id = $1 AND tests.process_id = e.process_id AND tests.test_id = e.id
"""

# $1 is the trace; the temporary table `events` holds the records of the batch.
TEST_STATEMENTS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({EVENT_TEST}), _TESTS),
    (frozenset({EVENT_TEST_REPORT}), _REPORTS),
    (frozenset({EVENT_TEST_END}), _ENDS),
)
