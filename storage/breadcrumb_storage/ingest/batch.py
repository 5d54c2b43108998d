"""What the parts of ingest share: which trace, which process a chunk belongs to, and the numbering of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb.record_format import NOTICE_SPOOL_DAMAGED
from breadcrumb_storage.ingest.spool_files import ReadChunk

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A moment of a process's monotonic clock, e.at_ns; {0} is its row of `processes`: what it showed at the start.
TIME_SQL = "make_timestamp_ns({})::TIMESTAMP"
MOMENT_SQL = TIME_SQL.format("{0}.started_at_ns - coalesce({0}.clock_origin_ns, 0) + e.at_ns")

_SOURCES = """
CREATE OR REPLACE TEMP TABLE sources AS
SELECT unnest($1::INTEGER[]) AS source, unnest($2::INTEGER[]) AS process_id,
       unnest($3::INTEGER[]) AS stream, unnest($4::BIGINT[]) AS clock_zero_ns
"""


@dataclass(frozen=True, slots=True)
class TraceKey:
    """The two names of a trace in its tables."""

    trace_id: str
    trace_no: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process row, as far as ingest needs it."""

    process_id: int
    clock_zero_ns: int  # ns since the epoch when its monotonic clock showed 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks that are read together in one transaction."""

    trace: TraceKey
    path: Path  # their records, each with the position of its chunk
    chunks: Sequence[ReadChunk]
    processes: Mapping[str, Process]

    def process_of(self, chunk: ReadChunk) -> Process:
        return self.processes[chunk.file.process_key]

    def name_sources(self, con: DuckDBPyConnection) -> None:
        """Makes the temporary table `sources`: process and stream of each chunk."""
        owners = [self.process_of(chunk) for chunk in self.chunks]
        con.execute(
            _SOURCES,
            [
                list(range(len(self.chunks))),
                [owner.process_id for owner in owners],
                [chunk.file.stream for chunk in self.chunks],
                [owner.clock_zero_ns for owner in owners],
            ],
        )


def report_unreadable(con: DuckDBPyConnection, batch: Batch, read: Mapping[int, int]) -> int:
    """Says in `notices` which files held records that could not be read.

    Args:
        read: Records that could be read, by position of their chunk in the batch.

    Returns:
        How many could not be read, in all.
    """
    total = 0
    for position, chunk in enumerate(batch.chunks):
        lost = chunk.records - read.get(position, 0)
        if lost > 0:
            total += lost
            con.execute(
                "INSERT INTO notices (trace_id, process_id, code, message) VALUES (?, ?, ?, ?)",
                [
                    batch.trace.trace_id,
                    batch.process_of(chunk).process_id,
                    NOTICE_SPOOL_DAMAGED,
                    f"{lost} of {chunk.records} records in a part of {chunk.file.name} could not be read.",
                ],
            )
    return total
