"""List the files of a spool folder and read their new records.

A process writes its segments through memory maps while ingest reads them. A segment never shrinks, its unwritten bytes
are NUL, and each byte is written once. Records before the first NUL that end with a newline are therefore final.

Other code can reach the files as well. What the tracer never writes, a carriage return or a NUL within a record, is
damage to that record alone: it is left out and counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

from breadcrumb.record_format import CALLS_SUFFIX, COUNTERS_SUFFIX, EVENTS_SUFFIX, FAILED_SUFFIX, SPOOLS_SUFFIX
from breadcrumb_storage.regular_file import open_regular

SCAN_BLOCK_BYTES = 1 << 18

# A batch is loaded into memory at once; larger ones are no faster (benchmarks/ingest.py).
BATCH_BYTES = 32 << 20

# A segment has 4 MiB, or one record that is longer: DuckDB reads records of 16 MiB. What is larger was made by another
# program, perhaps with a hole of terabytes; a batch is held in memory.
MAX_SEGMENT_BYTES = 64 << 20

# Numbers that the columns of the database can hold.
_KEY = re.compile(r"(?P<pid>\d{1,9})-(?P<start>[0-9a-z]{1,12})")
_NAME = re.compile(
    rf"(?P<key>{_KEY.pattern})"
    rf"(?:{re.escape(COUNTERS_SUFFIX)}|-(?P<segment>\d{{1,9}}){re.escape(EVENTS_SUFFIX)}"
    rf"|-(?P<stream>\d{{1,9}})-(?P<call_segment>\d{{1,9}}){re.escape(CALLS_SUFFIX)})"
)

# A lone surrogate in JSON, for which DuckDB refuses the whole record. The first two alternatives consume escaped
# backslashes and surrogate pairs, which would otherwise match.
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_ANY_SURROGATE = re.compile(rb"\\u[dD]")  # finds that there is none several times as fast
_REPLACEMENT_CHARACTER = rb"\ufffd"

# Bytes that no record holds. DuckDB's CSV reader would take the first for the end of a record and then refuse the file.
_DAMAGE = (b"\r", b"\0")


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file of a spool folder, with the parts of its name."""

    path: Path
    suffix: str
    process_key: str
    pid: int
    started_at_ns: int
    stream: int
    segment: int

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a segment that are written and not yet read. The last record may be incomplete."""

    file: SpoolFile
    start: int
    end: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.end - self.start

    def records(self) -> tuple[bytes, ReadChunk]:
        """Return the complete records as DuckDB can read them, without damaged ones, and what was read for them."""
        data = self._complete_records()
        read = ReadChunk(self.file, self.start + len(data), data.count(b"\n"))
        return _replace_lone_surrogates(_without_damaged(data)), read

    def halves(self) -> tuple[Chunk, Chunk] | None:
        """Split the chunk between two records near its middle; None if it has only one."""
        data = self._complete_records()
        middle = len(data) // 2
        end = (data.rfind(b"\n", 0, middle) + 1) or (data.find(b"\n", middle) + 1)
        if end in (0, len(data)):
            return None
        return Chunk(self.file, self.start, self.start + end), Chunk(self.file, self.start + end, self.end)

    def _complete_records(self) -> bytes:
        # One read may return less than there is.
        with BufferedReader(open_regular(self.file.path)) as source:
            source.seek(self.start)
            data = source.read(self.size)
        return data[: data.rfind(b"\n") + 1]


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """A chunk whose records have been copied."""

    file: SpoolFile
    read_to: int  # end of the records in the segment, in bytes
    records: int  # their number, damaged ones included
    copied_bytes: int = 0  # what was written into the copy, which is no less than the longest record


def copy_records(
    chunks: Iterable[Chunk],
    target: Path,
    redact_records: Callable[[bytes], bytes] = bytes,
    *,
    with_positions: bool = True,
) -> list[ReadChunk]:
    """Copy the complete records of chunks into one private file, each with its chunk's position in the result.

    DuckDB cannot read the segments themselves: it would read their unwritten ends too, and takes milliseconds for each
    file, of which short-lived threads and processes make thousands.

    Args:
        chunks: Chunks of files with the same suffix.
        target: The new file.
        redact_records: Removes secrets from records that were written before the secrets were known.
        with_positions: False leaves the positions out, which takes half the time. For chunks of one stream of calls.

    Returns:
        The chunks that had a complete record.
    """
    found: list[ReadChunk] = []
    with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as copy:
        for chunk in chunks:
            data, read = chunk.records()
            if read.records:
                written = 0
                if data:
                    data = redact_records(data)
                    written = copy.write(_with_source(data, chunk.file.suffix, len(found)) if with_positions else data)
                found.append(replace(read, copied_bytes=written))
    return found


def _with_source(data: bytes, suffix: str, position: int) -> bytes:
    """Insert a chunk's position into its records: as the key `_source` of events, as the first column of calls."""
    if suffix == EVENTS_SUFFIX:
        begin, mark = b"\n{", b'\n{"_source": %d, ' % position
    else:
        begin, mark = b"\n", b"\n%d\t" % position
    return (b"\n" + data[:-1]).replace(begin, mark)[1:] + b"\n"


def spools_of(database: Path) -> Path:
    """Return the folder with the spool folders of the programs that trace themselves into a database."""
    return database.with_name(database.name + SPOOLS_SUFFIX)


def list_spool(folder: Path) -> list[SpoolFile]:
    """Return the spool files of a folder, sorted by the start of the process, then by stream and segment."""
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


def failed_processes(folder: Path) -> list[str]:
    """Return the keys of the processes whose spool could not take more records."""
    keys = (path.name.removesuffix(FAILED_SUFFIX) for path in folder.glob(f"*{FAILED_SUFFIX}"))
    return sorted(key for key in keys if _KEY.fullmatch(key))


@dataclass(frozen=True, slots=True)
class DamagedSegment:
    """A segment of which something else than the tracer has removed records."""

    name: str
    process_key: str
    fate: str  # what was done to it


def damaged_segments(
    files: Sequence[SpoolFile], read_before: Mapping[str, int], streams: Iterable[tuple[str, int]]
) -> list[DamagedSegment]:
    """Return the segments that must exist and do not, or are shorter than what was read of them, or empty.

    Args:
        files: The files of a spool folder.
        read_before: Number of bytes read, by file name.
        streams: The process keys and numbers of streams of which there must be a file.
    """
    sizes = {file.name: _size(file.path) for file in files}
    found: dict[str, DamagedSegment] = {}

    def look(name: str, key: str) -> None:
        size = sizes.get(name)
        if size is None:
            found[name] = DamagedSegment(name, key, "removed")
        elif size < max(read_before.get(name, 0), 1):
            found[name] = DamagedSegment(name, key, f"cut off to {size} bytes")

    failed = {file.process_key for file in files if file.path.with_name(file.process_key + FAILED_SUFFIX).exists()}
    for key, stream in streams:
        look(f"{key}-{stream}-0{CALLS_SUFFIX}", key)
    sequences: dict[tuple[str, str, str], set[int]] = {}  # key, beginning and end of the name: numbers
    for name in (*sizes, *read_before):
        match = _NAME.fullmatch(name)
        group = None if match is None else "segment" if match["segment"] else "call_segment"
        if match is None or group is None or match[group] is None or match["key"] in failed:
            continue
        look(name, match["key"])
        sequences.setdefault((match["key"], name[: match.start(group)], Path(name).suffix), set()).add(
            int(match[group])
        )
        sequences.setdefault((match["key"], f"{match['key']}-", EVENTS_SUFFIX), set())
    for (key, begin, end), numbers in sequences.items():
        first_missing = next(number for number in range(len(numbers) + 1) if number not in numbers)
        if first_missing < max(numbers, default=1):
            look(f"{begin}{first_missing}{end}", key)
    return sorted(found.values(), key=lambda each: each.name)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # it has just been removed
        return 0


def unread_chunks(files: Iterable[SpoolFile], read_before: dict[str, int], *, final: bool = False) -> list[Chunk]:
    """Return the bytes of files that are written and not yet read.

    Args:
        files: Segments.
        read_before: Number of bytes read, by file name.
        final: Whether nobody writes any more: records after a NUL are read too.
    """
    chunks: list[Chunk] = []
    for file in files:
        start = read_before.get(file.name, 0)
        end = (_last_data_end if final else _data_end)(file.path, start)
        if end > start:
            chunks.append(Chunk(file, start, end))
    return chunks


def batches(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Group chunks into batches of about `BATCH_BYTES`, since each transaction has a fixed cost."""
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


def split(chunks: Sequence[Chunk]) -> tuple[Sequence[Chunk], Sequence[Chunk]] | None:
    """Split chunks into two parts with about half of them, or of a single one's records; None for a single record."""
    if len(chunks) > 1:
        middle = len(chunks) // 2
        return chunks[:middle], chunks[middle:]
    halves = chunks[0].halves()
    return ([halves[0]], [halves[1]]) if halves else None


def _data_end(path: Path, start: int) -> int:
    """Return the position of the first NUL from `start` on, or the end of the file."""
    position = start
    with open_regular(path) as file:
        file.seek(start)
        while position < MAX_SEGMENT_BYTES and (block := file.read(SCAN_BLOCK_BYTES)):
            nul = block.find(b"\0")
            if nul >= 0:
                return position + nul
            position += len(block)
    return position


def _last_data_end(path: Path, start: int) -> int:
    """Return the position after the last byte from `start` on that is not NUL, `start` if there is none."""
    position = end = start
    with open_regular(path) as file:
        file.seek(start)
        while position < MAX_SEGMENT_BYTES and (block := file.read(SCAN_BLOCK_BYTES)):
            if data := block.rstrip(b"\0"):
                end = position + len(data)
            position += len(block)
    return end


def _without_damaged(data: bytes) -> bytes:
    """Leave out the records that hold a byte which no tracer writes."""
    if not any(byte in data for byte in _DAMAGE):
        return data
    lines = data[:-1].split(b"\n")  # splitlines would end a line at a carriage return too
    return b"".join(line + b"\n" for line in lines if not any(byte in line for byte in _DAMAGE))


def _replace_lone_surrogates(data: bytes) -> bytes:
    if b"\\" not in data or _ANY_SURROGATE.search(data) is None:
        return data
    return _SURROGATES.sub(lambda match: _REPLACEMENT_CHARACTER if match["lone"] else match[0], data)
