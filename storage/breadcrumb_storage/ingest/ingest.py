"""Read the new records of a trace's spool folder into the database.

Chunks of whole records are copied into one file, which DuckDB's readers load into the tables, never row by row through
Python. One transaction holds the rows of some chunks and the position up to which their segments are read, so that each
record is read exactly once, even after a crash.

What DuckDB refuses, such as a time beyond all times, is found by halves and left out: one odd record costs no other.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from breadcrumb.record_format import (
    CALLS_SUFFIX,
    COUNTERS_SUFFIX,
    EVENTS_SUFFIX,
    NOTICE_RECORDING_STOPPED,
    NOTICE_TRACE_FULL,
)
from breadcrumb_storage.database import checkpoint
from breadcrumb_storage.errors import PASSING_ERRORS, BreadcrumbError, SpoolUnreadable, is_refusal
from breadcrumb_storage.ingest.batch import Batch, PositionsNeeded, Process, TraceKey, insert_damage_notice
from breadcrumb_storage.ingest.calls import drop_pending, insert_calls
from breadcrumb_storage.ingest.counters import update_counters
from breadcrumb_storage.ingest.events import insert_events
from breadcrumb_storage.ingest.executed import drop_needless_lines
from breadcrumb_storage.ingest.spool_files import (
    MAX_SEGMENT_BYTES,
    Chunk,
    ReadChunk,
    SpoolFile,
    batches,
    copy_records,
    damaged_segments,
    failed_processes,
    list_spool,
    split,
    unread_chunks,
)
from breadcrumb_storage.regular_file import is_folder
from breadcrumb_storage.rows import fetch_with
from breadcrumb_storage.transaction import transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCRATCH_PREFIX = "ingest-"

# Of those that a program has removed.
MAX_NAMED_SEGMENTS = 3
_WITHOUT_SEGMENT = (
    "what was recorded in it and not read before is missing. Keep the program, and what it starts, out of the folder "
    "in BREADCRUMB_TRACE, and run again."
)

# Batches. Until a checkpoint the write-ahead log grows and DuckDB holds the new rows uncompressed.
CHECKPOINT_BATCHES = 8

# Attempts of one ingest that DuckDB may refuse before what is refused is left out without a search for the odd record:
# each odd one among n takes about log n of them, of some 10 ms.
MAX_REFUSALS = 200

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
# Each thread has made a file before its record is written, unless there was no room.
_STREAMS = f"""
SELECT DISTINCT p.process_key, t.stream FROM threads t JOIN processes p USING (trace_id, process_id)
WHERE trace_id = ? AND NOT EXISTS (
    FROM notices n WHERE n.trace_id = p.trace_id AND n.process_id = p.process_id
      AND n.code IN ('{NOTICE_TRACE_FULL}', '{NOTICE_RECORDING_STOPPED}')
)
"""
_DELETE_NOTICE = "DELETE FROM notices WHERE trace_id = ? AND message = ?"
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
        SpoolUnreadable: The folder does not exist or cannot be read.
        BreadcrumbError: The trace does not exist, or the records cannot be copied now, such as on a full disk.
    """
    rows = con.execute("SELECT trace_no FROM traces WHERE trace_id = ?", [trace_id]).fetchall()
    if not rows:
        raise BreadcrumbError(f"There is no trace {trace_id} to read a spool into.")
    try:
        if not is_folder(spool):  # of a link, the folder of another trace or program would be read, and cleared
            raise FileNotFoundError(errno.ENOENT, "no folder", str(spool))
        for left_over in spool.glob(f"{SCRATCH_PREFIX}*"):  # of a killed ingest, since we hold the write lock
            if left_over.is_dir() and not left_over.is_symlink():
                shutil.rmtree(left_over)
            else:
                left_over.unlink()
        with tempfile.TemporaryDirectory(dir=spool, prefix=SCRATCH_PREFIX) as scratch:
            trace = TraceKey(trace_id, rows[0][0])
            return _Ingest(con, spool, trace, Path(scratch), redact_records).run(final=final)
    except OSError as error:
        what = f"The spool of trace {trace_id} could not be read."
        if error.errno in PASSING_ERRORS:
            raise BreadcrumbError(what, why=str(error), hint="Nothing is lost. Fix that and ask again.") from error
        why = str(error) if is_folder(spool) else f"Its folder is gone: {spool}"
        raise SpoolUnreadable(what, why=why, hint="What was read before is kept.") from error


# Inserts the records of a batch; returns the numbers of inserted and of unreadable ones.
_Insert: TypeAlias = "Callable[[DuckDBPyConnection, Batch], tuple[int, int]]"


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """Records of one file that DuckDB refused, and the part of the file that holds them."""

    records: int
    start: int
    end: int

    def message(self, name: str) -> str:
        """Return the text of the notice about them."""
        return f"{self.records} records of {name} (bytes {self.start} to {self.end}) could not be read."


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
        self._refusals = 0
        self._left_out: dict[str, _LeftOut] = {}  # by file name

    def run(self, *, final: bool) -> IngestStats:
        read_before = {
            str(name): int(size) for name, size in self._con.execute(_LEDGER, [self._trace.trace_id]).fetchall()
        }
        # A function's record is written before its calls: events that are listed after the calls contain it.
        calls_files = [file for file in list_spool(self._spool) if file.suffix == CALLS_SUFFIX]
        new_calls = unread_chunks(filter(_is_readable, calls_files), read_before, final=final)
        other_files = [file for file in list_spool(self._spool) if file.suffix != CALLS_SUFFIX]
        events_files = [file for file in other_files if file.suffix == EVENTS_SUFFIX and _is_readable(file)]
        new_events = unread_chunks(events_files, read_before, final=final)

        events, bad_events = self._read(new_events, insert_events)
        calls, bad_calls = self._read(new_calls, insert_calls)
        self._read_counters(file for file in other_files if file.suffix == COUNTERS_SUFFIX and _is_readable(file))
        if final:
            self._insert_final_notices([file for file in (*calls_files, *other_files) if not _is_readable(file)])
        return IngestStats(calls, events, self._segments, bad_events + bad_calls)

    def _read(self, chunks: list[Chunk], insert: _Insert) -> tuple[int, int]:
        inserted = unreadable = 0
        for group in batches(chunks):
            counts = self._read_batch(group, insert)
            inserted += counts[0]
            unreadable += counts[1]
        return inserted, unreadable

    def _read_batch(self, chunks: Sequence[Chunk], insert: _Insert, *, with_positions: bool = False) -> tuple[int, int]:
        """Insert the records of chunks, without those that DuckDB refuses."""
        copy = self._scratch / "records"
        with_positions = with_positions or not _are_of_one_stream(chunks)
        read = copy_records(chunks, copy, self._redact_records, with_positions=with_positions)
        counts = 0, 0
        try:
            if read:
                with transaction(self._con):
                    processes = self._known_processes(chunk.file for chunk in read)
                    batch = Batch(self._trace, copy, read, processes, has_positions=with_positions)
                    counts = insert(self._con, batch)
                    self._advance_ledger(read)
        except PositionsNeeded:
            parts: Sequence[Sequence[Chunk]] = [chunks]
            with_positions = True
        except Exception as error:
            if not is_refusal(error):
                raise
            self._refusals += 1
            halves = split(chunks) if self._refusals <= MAX_REFUSALS else None
            if halves is None:
                return 0, self._leave_out(chunks, read)
            parts = halves
        else:
            self._segments += len(read)
            self._checkpoint_when_due()
            return counts
        finally:
            copy.unlink(missing_ok=True)
        done = [self._read_batch(part, insert, with_positions=with_positions) for part in parts]
        return sum(inserted for inserted, _ in done), sum(unreadable for _, unreadable in done)

    def _leave_out(self, chunks: Sequence[Chunk], read: Sequence[ReadChunk]) -> int:
        """Pass over the records of chunks, and say so in one notice for each file."""
        with transaction(self._con):
            processes = self._known_processes(chunk.file for chunk in read)
            starts = {chunk.file.name: chunk.start for chunk in chunks}
            for each in read:
                name, process_id = each.file.name, processes[each.file.process_key].process_id
                before = self._left_out.get(name)
                now = _LeftOut(
                    each.records + (before.records if before else 0),
                    before.start if before else starts[name],
                    each.read_to,
                )
                if before:
                    self._con.execute(_DELETE_NOTICE, [self._trace.trace_id, before.message(name)])
                insert_damage_notice(self._con, self._trace, process_id, now.message(name))
                self._left_out[name] = now
            self._advance_ledger(read)
        return sum(each.records for each in read)

    def _advance_ledger(self, read: Sequence[ReadChunk]) -> None:
        names, positions = [chunk.file.name for chunk in read], [chunk.read_to for chunk in read]
        self._con.execute(_ADVANCE_LEDGER, [self._trace.trace_id, names, positions])

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

    def _insert_final_notices(self, unreadable: Sequence[SpoolFile]) -> None:
        with transaction(self._con):
            processes = self._known_processes(unreadable)
            for file in unreadable:
                process_id = processes[file.process_key].process_id
                text = f"{file.name} could not be read: what was recorded in it is missing."
                insert_damage_notice(self._con, self._trace, process_id, text)
            for process_key in failed_processes(self._spool):
                self._con.execute(_INSERT_STOPPED_NOTICE, [self._trace.trace_id, process_key])
            self._insert_damaged_notices(processes)
            drop_needless_lines(self._con, self._trace.trace_id)
            if lost := drop_pending(self._con, self._trace):
                text = f"The beginnings of {lost} ended calls could not be read."
                insert_damage_notice(self._con, self._trace, None, text)

    def _insert_damaged_notices(self, processes: Mapping[str, Process]) -> None:
        """Tell of segments that were removed, or cut off below what was read of them."""
        read_before = {
            str(name): int(size) for name, size in self._con.execute(_LEDGER, [self._trace.trace_id]).fetchall()
        }
        streams = self._con.execute(_STREAMS, [self._trace.trace_id]).fetchall()
        damaged = damaged_segments(list_spool(self._spool), read_before, streams)
        for segment in damaged[:MAX_NAMED_SEGMENTS]:
            process = processes.get(segment.process_key)
            text = f"{segment.name} was {segment.fate} by the program or by something else: {_WITHOUT_SEGMENT}"
            insert_damage_notice(self._con, self._trace, process.process_id if process else None, text)
        if len(damaged) > MAX_NAMED_SEGMENTS:
            text = f"{len(damaged) - MAX_NAMED_SEGMENTS} more files of the spool were removed or cut off."
            insert_damage_notice(self._con, self._trace, None, text)

    def _checkpoint_when_due(self) -> None:
        self._batches_since_checkpoint += 1
        if self._batches_since_checkpoint == CHECKPOINT_BATCHES:
            checkpoint(self._con)
            self._batches_since_checkpoint = 0


def _are_of_one_stream(chunks: Sequence[Chunk]) -> bool:
    """Return whether all records are those of calls in one stream of one process."""
    first = chunks[0].file
    return first.suffix == CALLS_SUFFIX and all(
        (chunk.file.process_key, chunk.file.stream) == (first.process_key, first.stream) for chunk in chunks
    )


def _is_readable(file: SpoolFile) -> bool:
    """Return whether it is a file that may be read: the traced program has the same rights on it as the tracer."""
    try:
        found = file.path.lstat()
    except OSError:  # it has just been removed
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= MAX_SEGMENT_BYTES and os.access(file.path, os.R_OK)
