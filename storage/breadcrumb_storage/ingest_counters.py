"""Copies the counters files, which their processes update in place, into `functions`, `gap_records` and
`exception_counts`."""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING

from breadcrumb.record_format import COUNTER_SLOT_BYTES
from breadcrumb_storage.ingest_batch import TraceKey
from breadcrumb_storage.spool_files import SpoolFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SLOTS = """
SELECT slot FROM functions WHERE trace_id = $1 AND process_id = $2 AND slot IS NOT NULL
UNION
SELECT slot FROM gap_records WHERE trace_id = $1 AND process_id = $2
UNION
SELECT slot FROM exception_counts WHERE trace_id = $1 AND process_id = $2
"""
_READINGS = """
(SELECT unnest($3::INTEGER[]) AS slot, unnest($4::BIGINT[]) AS call_count, unnest($5::BIGINT[]) AS time_ns) r
"""
_FUNCTIONS = f"""
UPDATE functions SET started_count = r.call_count, counted_ns = r.time_ns FROM {_READINGS}
WHERE functions.trace_id = $1 AND functions.process_id = $2 AND functions.slot = r.slot
  AND (functions.started_count, functions.counted_ns) IS DISTINCT FROM (r.call_count, r.time_ns)
"""
_EXCEPTIONS = f"""
UPDATE exception_counts SET further_count = r.call_count FROM {_READINGS}
WHERE exception_counts.trace_id = $1 AND exception_counts.process_id = $2 AND exception_counts.slot = r.slot
  AND exception_counts.further_count IS DISTINCT FROM r.call_count AND r.time_ns >= 0
"""
_GAPS = f"""
UPDATE gap_records SET call_count = r.call_count, time_ns = r.time_ns FROM {_READINGS}
WHERE gap_records.trace_id = $1 AND gap_records.process_id = $2 AND gap_records.slot = r.slot
  AND (gap_records.call_count, gap_records.time_ns) IS DISTINCT FROM (r.call_count, r.time_ns)
"""

_LARGEST = (1 << 63) - 1  # a BIGINT; a real counter is far below


def update_counters(con: DuckDBPyConnection, trace: TraceKey, process_id: int, file: SpoolFile) -> None:
    """Writes the present counts of a process over the former ones, inside the caller's transaction."""
    pairs = array("Q")
    data = file.path.read_bytes()
    pairs.frombytes(data[: len(data) - len(data) % COUNTER_SLOT_BYTES])
    if sys.byteorder == "big":
        pairs.byteswap()
    slots = [
        int(slot)
        for (slot,) in con.execute(_SLOTS, [trace.trace_id, process_id]).fetchall()
        if 0 <= slot < len(pairs) // 2
    ]
    if not slots:
        return
    counts = [min(pairs[2 * slot], _LARGEST) for slot in slots]
    times = [min(pairs[2 * slot + 1], _LARGEST) for slot in slots]
    for statement in (_FUNCTIONS, _GAPS, _EXCEPTIONS):
        con.execute(statement, [trace.trace_id, process_id, slots, counts, times])
