"""Define the statements by which ingest keeps the lines that tests executed, or programs without tests.

The lines of a passing test serve to be compared with those of a failed one, so that at the end only the passing tests
of files with a test that did not pass are kept. Those of a program are kept: later runs are compared with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breadcrumb.record_format import EVENT_TEST_LINES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EXECUTED = f"""
INSERT INTO executed_records (trace_id, process_id, test_id, suite, outcome, failed_at, executed)
SELECT $1, process_id, id, coalesce(suite, ''), outcome, failed_at, executed
FROM events WHERE k = '{EVENT_TEST_LINES}' AND id IS NOT NULL AND outcome IS NOT NULL AND executed IS NOT NULL
"""

# $1 is the trace; the temporary table `events` holds the records of the batch.
EXECUTED_STATEMENTS: tuple[tuple[frozenset[str], str], ...] = ((frozenset({EVENT_TEST_LINES}), _EXECUTED),)

_DROP_NEEDLESS = """
DELETE FROM executed_records
WHERE trace_id = $1 AND outcome = 'passed' AND suite NOT IN
    (SELECT suite FROM executed_records WHERE trace_id = $1 AND outcome <> 'passed')
"""


def drop_needless_lines(con: DuckDBPyConnection, trace_id: str) -> None:
    """Delete the lines of passing tests of files in which every test passed; called at the end of a trace."""
    con.execute(_DROP_NEEDLESS, [trace_id])
