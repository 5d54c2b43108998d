"""Copy counters files, which processes update in place, into functions, gaps and exception counts."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING

from breadcrumb.record_format import COUNTER_SLOT_BYTES
from breadcrumb_storage.ingest.batch import TraceKey
from breadcrumb_storage.ingest.spool_files import SpoolFile
from breadcrumb_storage.regular_file import read_regular

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SLOTS = """
SELECT process_id, slot FROM functions WHERE trace_id = $1 AND slot IS NOT NULL
UNION
SELECT process_id, slot FROM gap_records WHERE trace_id = $1
UNION
SELECT process_id, slot FROM exception_counts WHERE trace_id = $1
"""
# One statement updates all processes, since a command may have started a thousand.
_READINGS = """
(SELECT unnest($2::INTEGER[]) AS process_id, unnest($3::INTEGER[]) AS slot, unnest($4::BIGINT[]) AS call_count,
        unnest($5::BIGINT[]) AS time_ns) r
"""
_FUNCTIONS = f"""
UPDATE functions SET started_count = r.call_count, counted_ns = r.time_ns FROM {_READINGS}
WHERE functions.trace_id = $1 AND functions.process_id = r.process_id AND functions.slot = r.slot
  AND (functions.started_count, functions.counted_ns) IS DISTINCT FROM (r.call_count, r.time_ns)
"""
_EXCEPTIONS = f"""
UPDATE exception_counts SET further_count = r.call_count FROM {_READINGS}
WHERE exception_counts.trace_id = $1 AND exception_counts.process_id = r.process_id AND exception_counts.slot = r.slot
  AND exception_counts.further_count IS DISTINCT FROM r.call_count AND r.time_ns >= 0
"""
_GAPS = f"""
UPDATE gap_records SET call_count = r.call_count, time_ns = r.time_ns FROM {_READINGS}
WHERE gap_records.trace_id = $1 AND gap_records.process_id = r.process_id AND gap_records.slot = r.slot
  AND (gap_records.call_count, gap_records.time_ns) IS DISTINCT FROM (r.call_count, r.time_ns)
"""

_LARGEST = (1 << 63) - 1  # of a BIGINT; only a damaged counter exceeds it


def update_counters(con: DuckDBPyConnection, trace: TraceKey, files: Mapping[int, SpoolFile]) -> None:
    """Replace the counts of processes by the present ones, inside the caller's transaction.

    Args:
        con: A connection of `Database.write`.
        trace: The trace.
        files: Counters files by process id.
    """
    slots: dict[int, list[int]] = {}
    for process_id, slot in con.execute(_SLOTS, [trace.trace_id]).fetchall():
        slots.setdefault(process_id, []).append(slot)
    readings: list[tuple[int, int, int, int]] = []
    for process_id, file in files.items():
        if process_id in slots:
            pairs = _read_pairs(file)
            readings += [
                (process_id, slot, min(pairs[2 * slot], _LARGEST), min(pairs[2 * slot + 1], _LARGEST))
                for slot in slots[process_id]
                if 0 <= slot < len(pairs) // 2
            ]
    if readings:
        columns = [list(column) for column in zip(*readings, strict=True)]
        for statement in (_FUNCTIONS, _GAPS, _EXCEPTIONS):
            con.execute(statement, [trace.trace_id, *columns])


def _read_pairs(file: SpoolFile) -> array[int]:
    """Return the count and the nanoseconds of each slot, one after the other."""
    pairs = array("Q")
    data = read_regular(file.path)
    pairs.frombytes(data[: len(data) - len(data) % COUNTER_SLOT_BYTES])
    if sys.byteorder == "big":
        pairs.byteswap()
    return pairs
