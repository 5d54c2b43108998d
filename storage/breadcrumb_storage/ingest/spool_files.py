"""The files of a spool folder, and what of them has not been read yet.

A segment is a memory map that its process writes while we read: it never shrinks, its tail is NUL bytes, and each
byte changes once, from NUL to what it stays. So what stands before the first NUL and ends with a newline is final.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from breadcrumb.record_format import CALLS_SUFFIX, COUNTERS_SUFFIX, EVENTS_SUFFIX

SCAN_BLOCK_BYTES = 1 << 18

# A batch is loaded into memory at once; larger ones gain nothing (benchmarks/ingest.py).
BATCH_BYTES = 32 << 20

_NAME = re.compile(
    rf"(?P<key>(?P<pid>\d+)-(?P<start>[0-9a-z]+))"
    rf"(?:{re.escape(COUNTERS_SUFFIX)}|-(?P<segment>\d+){re.escape(EVENTS_SUFFIX)}"
    rf"|-(?P<stream>\d+)-(?P<call_segment>\d+){re.escape(CALLS_SUFFIX)})"
)

# A lone surrogate in a JSON text, which DuckDB refuses together with its whole record. What stands before it in the
# alternation is consumed first, so that an escaped backslash or a true pair is never mistaken for one.
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_REPLACEMENT_CHARACTER = rb"\ufffd"


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """One file of a spool folder, by what its name says."""

    path: Path
    suffix: str
    process_key: str
    pid: int
    started_at_ns: int
    stream: int
    segment: int

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a segment that have been written but not read: whole records only, after `records`."""

    file: SpoolFile
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start

    def records(self) -> tuple[bytes, int]:
        """The whole records as DuckDB can read them, and how far the segment has been read with them."""
        with self.file.path.open("rb") as source:
            source.seek(self.start)
            data = source.read(self.size)
        data = data[: data.rfind(b"\n") + 1]
        return _without_lone_surrogates(data), self.start + len(data)


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """A chunk whose records stand in a copy, and how far its segment has been read with it."""

    file: SpoolFile
    read_to: int
    records: int


def copy_records(
    chunks: Iterable[Chunk], target: Path, without_secrets: Callable[[bytes], bytes] = bytes
) -> list[ReadChunk]:
    """Copies the whole records of the chunks, all of one kind, to one file, readable by its owner alone.

    Each record begins with its chunk's position in the result. (DuckDB reads files to their end, and the end of a
    segment in use is neither final nor text. And it needs milliseconds for each file, of which short-lived threads and
    processes make thousands.)

    Args:
        without_secrets: Takes out of records what was not known to be secret when they were written.
    """
    found: list[ReadChunk] = []
    with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as copy:
        for chunk in chunks:
            data, read_to = chunk.records()
            if data:  # or else a record is being written, or its process was killed in the middle of it
                copy.write(_marked(without_secrets(data), chunk.file.suffix, len(found)))
                found.append(ReadChunk(chunk.file, read_to, data.count(b"\n")))
    return found


def _marked(data: bytes, suffix: str, number: int) -> bytes:
    """The records with the number at their beginnings: as the first column, or as the first key `_source`."""
    if suffix == EVENTS_SUFFIX:
        begin, mark = b"\n{", b'\n{"_source": %d, ' % number
    else:
        begin, mark = b"\n", b"\n%d\t" % number
    return (b"\n" + data[:-1]).replace(begin, mark)[1:] + b"\n"


def list_spool(folder: Path) -> list[SpoolFile]:
    """The spool files of a folder: processes by their start, then streams, then segments. Other files are left out."""
    found: list[SpoolFile] = []
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            found.append(
                SpoolFile(
                    path=path,
                    suffix=path.suffix,
                    process_key=match["key"],
                    pid=int(match["pid"]),
                    started_at_ns=int(match["start"], 36),
                    stream=int(match["stream"] or 0),
                    segment=int(match["segment"] or match["call_segment"] or 0),
                )
            )
    return sorted(found, key=lambda file: (file.started_at_ns, file.pid, file.suffix, file.stream, file.segment))


def unread_chunks(files: Iterable[SpoolFile], read_before: dict[str, int]) -> list[Chunk]:
    """What stands in the files at this moment beyond what was read before.

    Args:
        read_before: Bytes read, by file name.
    """
    chunks: list[Chunk] = []
    for file in files:
        start = read_before.get(file.name, 0)
        end = _data_end(file.path, start)
        if end > start:
            chunks.append(Chunk(file, start, end))
    return chunks


def batches(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Groups of whole chunks, in order, of about `BATCH_BYTES`: a transaction costs the same for a line or for many."""
    batch: list[Chunk] = []
    size = 0
    for chunk in chunks:
        if batch and size + chunk.size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(chunk)
        size += chunk.size
    if batch:
        yield batch


def _data_end(path: Path, start: int) -> int:
    """Where the data ends: at the first NUL at or after `start`, or with the file."""
    position = start
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while block := file.read(SCAN_BLOCK_BYTES):
            nul = block.find(b"\0")
            if nul >= 0:
                return position + nul
            position += len(block)
    return position


def _without_lone_surrogates(data: bytes) -> bytes:
    if rb"\ud" not in data and rb"\uD" not in data:
        return data
    return _SURROGATES.sub(lambda match: _REPLACEMENT_CHARACTER if match["lone"] else match[0], data)
