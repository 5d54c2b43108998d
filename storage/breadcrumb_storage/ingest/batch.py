"""Define what the parts of ingest share: the batch of chunks, its trace and its processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb.record_format import NOTICE_SPOOL_DAMAGED
from breadcrumb_storage.ingest.spool_files import ReadChunk

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Timestamps of ns since the epoch, and of e.at_ns, a reading of the monotonic clock of the row {0} of `processes`.
TIME_SQL = "make_timestamp_ns({})::TIMESTAMP"
MOMENT_SQL = TIME_SQL.format("{0}.started_at_ns - coalesce({0}.clock_origin_ns, 0) + e.at_ns")

_SOURCES = """
CREATE OR REPLACE TEMP TABLE sources AS
SELECT unnest($1::INTEGER[]) AS source, unnest($2::INTEGER[]) AS process_id,
       unnest($3::INTEGER[]) AS stream, unnest($4::BIGINT[]) AS clock_zero_ns
"""


@dataclass(frozen=True, slots=True)
class TraceKey:
    """The two keys of a trace: some tables use one, some the other."""

    trace_id: str
    trace_no: int


@dataclass(frozen=True, slots=True)
class Process:
    """The part of a row of `processes` that ingest needs."""

    process_id: int
    clock_zero_ns: int  # zero of its monotonic clock, in ns since the epoch


class PositionsNeeded(Exception):
    """Records of a batch without positions could not be read: which chunk they were in must be told."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks whose records are inserted in one transaction."""

    trace: TraceKey
    path: Path  # the copied records
    chunks: Sequence[ReadChunk]
    processes: Mapping[str, Process]  # by process key
    has_positions: bool  # whether each record has the position of its chunk; otherwise all are of one stream

    def process_of(self, chunk: ReadChunk) -> Process:
        """Return the process that wrote a chunk."""
        return self.processes[chunk.file.process_key]

    def owners(self) -> tuple[list[int], list[int], list[int]]:
        """Return the process ids, the streams and the zeros of the clocks of the chunks, in their order."""
        owners = [self.process_of(chunk) for chunk in self.chunks]
        return (
            [owner.process_id for owner in owners],
            [chunk.file.stream for chunk in self.chunks],
            [owner.clock_zero_ns for owner in owners],
        )

    def create_sources(self, con: DuckDBPyConnection) -> None:
        """Create the temporary table `sources`: process and stream of each chunk, by its position."""
        con.execute(_SOURCES, [list(range(len(self.chunks))), *self.owners()])


def report_unreadable(con: DuckDBPyConnection, batch: Batch, read: Mapping[int, int]) -> int:
    """Insert a notice for each chunk with unreadable records.

    Args:
        con: A connection inside the caller's transaction.
        batch: The chunks.
        read: Number of readable records by position of the chunk.

    Returns:
        The number of unreadable records.
    """
    total = 0
    for position, chunk in enumerate(batch.chunks):
        lost = chunk.records - read.get(position, 0)
        if lost > 0:
            total += lost
            text = f"{lost} of {chunk.records} records in a part of {chunk.file.name} could not be read."
            insert_damage_notice(con, batch.trace, batch.process_of(chunk).process_id, text)
    return total


def insert_damage_notice(con: DuckDBPyConnection, trace: TraceKey, process_id: int | None, message: str) -> None:
    """Insert a notice that a part of the spool could not be read, unless the trace has it."""
    con.execute(
        """
        INSERT INTO notices (trace_id, process_id, code, message)
        SELECT $1, $2, $3, $4 WHERE NOT EXISTS (FROM notices WHERE trace_id = $1 AND code = $3 AND message = $4)
        """,
        [trace.trace_id, process_id, NOTICE_SPOOL_DAMAGED, message],
    )
