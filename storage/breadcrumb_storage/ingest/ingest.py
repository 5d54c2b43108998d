"""Read the new records of a trace's spool folder into the database.

Chunks of whole records are copied into one file, which DuckDB's readers load into the tables, never row by row through
Python. One transaction holds the rows of some chunks and the position up to which their segments are read, so that each
record is read exactly once, even after a crash.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb.record_format import (
    CALLS_SUFFIX,
    COUNTERS_SUFFIX,
    EVENTS_SUFFIX,
    FAILED_SUFFIX,
    NOTICE_RECORDING_STOPPED,
    NOTICE_SPOOL_DAMAGED,
)
from breadcrumb_storage.database import checkpoint
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.ingest.batch import Batch, Process, TraceKey
from breadcrumb_storage.ingest.calls import drop_pending, insert_calls
from breadcrumb_storage.ingest.counters import update_counters
from breadcrumb_storage.ingest.events import insert_events
from breadcrumb_storage.ingest.spool_files import Chunk, SpoolFile, batches, copy_records, list_spool, unread_chunks
from breadcrumb_storage.rows import fetch_with
from breadcrumb_storage.transaction import transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCRATCH_PREFIX = "ingest-"

# Batches. Until a checkpoint the write-ahead log grows and DuckDB holds the new rows uncompressed.
CHECKPOINT_BATCHES = 8

_PROCESSES = """
SELECT process_key, process_id, started_at_ns - coalesce(clock_origin_ns, 0) AS clock_zero_ns
FROM processes WHERE trace_id = ?
"""
_ADD_PROCESSES = """
INSERT INTO processes (trace_id, process_id, process_key, pid, started_at, started_at_ns)
SELECT $1, process_id, process_key, pid, make_timestamp_ns(started_at_ns)::TIMESTAMP, started_at_ns
FROM (SELECT unnest($2::INTEGER[]) AS process_id, unnest($3::VARCHAR[]) AS process_key, unnest($4::INTEGER[]) AS pid,
             unnest($5::BIGINT[]) AS started_at_ns)
"""
_LEDGER = "SELECT name, bytes_read FROM segments WHERE trace_id = ?"
_ADVANCE_LEDGER = """
INSERT INTO segments SELECT $1, unnest($2::VARCHAR[]), unnest($3::BIGINT[])
ON CONFLICT DO UPDATE SET bytes_read = excluded.bytes_read
"""
# A final ingest may be repeated after a crash, but gives this notice once.
_INSERT_STOPPED_NOTICE = f"""
INSERT INTO notices (trace_id, process_id, code, message)
SELECT $1, p.process_id, '{NOTICE_RECORDING_STOPPED}',
       'Recording stopped in process ' || coalesce(p.pid::VARCHAR, $2) || ' before its end: its spool could not be '
       || 'written (is the disk full?). What was recorded until then is here.'
FROM (SELECT 1) LEFT JOIN processes p ON p.trace_id = $1 AND p.process_key = $2
WHERE NOT EXISTS (
    SELECT 1 FROM notices n
    WHERE n.trace_id = $1 AND n.code = '{NOTICE_RECORDING_STOPPED}' AND n.process_id IS NOT DISTINCT FROM p.process_id
)
"""


@dataclass(frozen=True, slots=True)
class IngestStats:
    """The numbers of what one ingest added."""

    calls: int
    events: int
    segments: int  # segments with new records
    unreadable: int  # damaged records; `notices` names their files


def ingest_trace(
    con: DuckDBPyConnection,
    spool: Path,
    trace_id: str,
    *,
    final: bool = False,
    redact_records: Callable[[bytes], bytes] = bytes,
) -> IngestStats:
    """Insert everything recorded since the last ingest. May be called at any time, and again after a crash.

    Args:
        con: A connection of `Database.write`, outside any transaction.
        spool: The trace's folder.
        trace_id: A trace added by `insert_trace`.
        final: Whether all processes of the run have ended. Afterwards the folder may be removed.
        redact_records: Removes secrets from records that were written before the secrets were known.

    Returns:
        The numbers of inserted and unreadable records.

    Raises:
        BreadcrumbError: The trace or the folder does not exist, or a file cannot be read or copied.
    """
    rows = con.execute("SELECT trace_no FROM traces WHERE trace_id = ?", [trace_id]).fetchall()
    if not rows:
        raise BreadcrumbError(f"There is no trace {trace_id} to read a spool into.")
    try:
        for left_over in spool.glob(f"{SCRATCH_PREFIX}*"):  # of a killed ingest, since we hold the write lock
            shutil.rmtree(left_over)
        with tempfile.TemporaryDirectory(dir=spool, prefix=SCRATCH_PREFIX) as scratch:
            trace = TraceKey(trace_id, rows[0][0])
            return _Ingest(con, spool, trace, Path(scratch), redact_records).run(final=final)
    except OSError as error:
        raise BreadcrumbError(
            f"The spool of trace {trace_id} could not be read.",
            why=str(error),
            hint="Nothing that was read is lost. Fix that and ask again.",
        ) from error


class _Ingest:
    """One ingest of a trace."""

    def __init__(
        self,
        con: DuckDBPyConnection,
        spool: Path,
        trace: TraceKey,
        scratch: Path,
        redact_records: Callable[[bytes], bytes],
    ) -> None:
        self._con = con
        self._redact_records = redact_records
        self._spool = spool
        self._trace = trace
        self._scratch = scratch
        self._segments = 0
        self._batches_since_checkpoint = 0

    def run(self, *, final: bool) -> IngestStats:
        read_before = {
            str(name): int(size) for name, size in self._con.execute(_LEDGER, [self._trace.trace_id]).fetchall()
        }
        # A function's record is written before its calls: events that are listed after the calls contain it.
        calls_files = [file for file in list_spool(self._spool) if file.suffix == CALLS_SUFFIX]
        new_calls = unread_chunks(calls_files, read_before)
        other_files = [file for file in list_spool(self._spool) if file.suffix != CALLS_SUFFIX]
        new_events = unread_chunks([file for file in other_files if file.suffix == EVENTS_SUFFIX], read_before)

        events, bad_events = self._read(new_events, insert_events)
        calls, bad_calls = self._read(new_calls, insert_calls)
        self._read_counters(file for file in other_files if file.suffix == COUNTERS_SUFFIX)
        if final:
            self._insert_final_notices()
        return IngestStats(calls, events, self._segments, bad_events + bad_calls)

    def _read(
        self, chunks: list[Chunk], insert: Callable[[DuckDBPyConnection, Batch], tuple[int, int]]
    ) -> tuple[int, int]:
        inserted = unreadable = 0
        for group in batches(chunks):
            copy = self._scratch / "records"
            read = copy_records(group, copy, self._redact_records)
            if read:
                with transaction(self._con):
                    batch = Batch(self._trace, copy, read, self._known_processes(chunk.file for chunk in read))
                    counts = insert(self._con, batch)
                    self._con.execute(
                        _ADVANCE_LEDGER,
                        [self._trace.trace_id, [chunk.file.name for chunk in read], [chunk.read_to for chunk in read]],
                    )
                inserted += counts[0]
                unreadable += counts[1]
            copy.unlink()
            self._segments += len(read)
            self._checkpoint_when_due()
        return inserted, unreadable

    def _known_processes(self, files: Iterable[SpoolFile]) -> dict[str, Process]:
        """Return the trace's processes by key; those of the files that are new are added first."""
        result = self._con.execute(_PROCESSES, [self._trace.trace_id])
        known = {str(key): process for process, (key,) in fetch_with(result, Process, "process_key")}
        added: list[SpoolFile] = []
        for file in files:
            if file.process_key not in known:
                known[file.process_key] = Process(len(known), file.started_at_ns)
                added.append(file)
        if added:
            columns = [
                [known[file.process_key].process_id for file in added],
                [file.process_key for file in added],
                [file.pid for file in added],
                [file.started_at_ns for file in added],
            ]
            self._con.execute(_ADD_PROCESSES, [self._trace.trace_id, *columns])
        return known

    def _read_counters(self, files: Iterable[SpoolFile]) -> None:
        with transaction(self._con):
            processes = self._known_processes(())
            known = {
                process.process_id: file for file in files if (process := processes.get(file.process_key)) is not None
            }
            update_counters(self._con, self._trace, known)

    def _insert_final_notices(self) -> None:
        with transaction(self._con):
            for marker in self._spool.glob(f"*{FAILED_SUFFIX}"):
                self._con.execute(
                    _INSERT_STOPPED_NOTICE, [self._trace.trace_id, marker.name.removesuffix(FAILED_SUFFIX)]
                )
            if lost := drop_pending(self._con, self._trace):
                self._con.execute(
                    "INSERT INTO notices (trace_id, code, message) VALUES (?, ?, ?)",
                    [
                        self._trace.trace_id,
                        NOTICE_SPOOL_DAMAGED,
                        f"The beginnings of {lost} ended calls could not be read.",
                    ],
                )

    def _checkpoint_when_due(self) -> None:
        self._batches_since_checkpoint += 1
        if self._batches_since_checkpoint == CHECKPOINT_BATCHES:
            checkpoint(self._con)
            self._batches_since_checkpoint = 0
