"""Write the spool: memory-mapped segments, counters and learned secrets (docs/spool-format.md).

Without locks, because a fork could leave one locked in the child, and a signal handler could wait for its own thread's.
None is needed: ``mmap.write`` copies and advances in one C call under the GIL, so records never mix.
"""

from __future__ import annotations

import itertools
import sys
from _weakref import ref
from os import O_APPEND, O_CLOEXEC, O_CREAT, O_EXCL, O_NONBLOCK, O_RDWR, O_WRONLY

from .. import record_format
from ..json_text import quote, utf8
from ..runtime.interruptions import raised_by_program, starts_guarded
from ..runtime.mapped_files import map_file
from ..runtime.process_key import process_key
from ..runtime.system import system
from ..value_format import REDACTED

# Sizes of segments. The first is small, because most threads and forked children write little; each next one is four
# times as large, as long as the maps of the whole process stay near 16 MiB: they count as its resident memory.
FIRST_SEGMENT_BYTES = 1 << 14
LAST_SEGMENT_BYTES = 1 << 22
MAPPED_BUDGET_BYTES = 1 << 24

# Sizes of the counters file, which grows likewise; the last bounds it in programs that create functions without end.
FIRST_COUNTER_SLOTS = 1 << 10
COUNTER_SLOTS = 1 << 14

GROWTH = 4

# Looking at a file takes two microseconds.
MAX_CHECKED_SEGMENTS = 1000

# How far back in the current segments a newly learned secret is erased.
ERASE_BACK_BYTES = 1 << 20

# Preallocated, so that a new segment needs no memory where a program has run out of it.
_ZEROS = bytes(1 << 16)

_CALLS = (record_format.KIND_CALL.encode(), record_format.KIND_LATE_CALL.encode())
_END = record_format.KIND_RETURN.encode()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap
    from typing import Any, Callable, Dict, List, Optional, Tuple


def _map_zeros(path: str, size: int, existing: int = 0) -> mmap:
    """Create a file of *size* zeros, or extend one of *existing* bytes to *size*, and map it.

    Writing the zeros makes a full disk an OSError here and not a SIGBUS later. Compared with posix_fallocate it halves
    the cost of page faults.

    Raises:
        OSError: The file cannot be created, extended or mapped.
    """
    mode = O_APPEND if existing else O_CREAT | O_EXCL
    fd = system.open(path, O_RDWR | mode | O_CLOEXEC, 0o600)
    try:
        while existing < size:
            existing += system.write(fd, _ZEROS if size - existing >= len(_ZEROS) else _ZEROS[: size - existing])
        return map_file(fd, size)
    finally:
        system.close(fd)


def _calls_bytes(folder: str) -> int:
    """Return the bytes of the calls files of all processes of the trace."""
    taken = 0
    try:  # not scandir: programs replace methods of its iterator
        for name in system.listdir(folder):
            if name.endswith(record_format.CALLS_SUFFIX):
                taken += system.stat("%s/%s" % (folder, name)).st_size
    except OSError as error:  # the folder is gone: opening the segment will report that
        if raised_by_program(error):
            raise
    return taken


def _discard(data: bytes) -> int:
    """Drop a record: the ``write`` of a segment after the spool could not be written."""
    return len(data)


class Segments:
    """A sequence of segment files with one writer.

    ``write`` appends one record to the current segment. If the record does not fit, it raises ValueError: call
    ``write_over`` then. It is a bare method of the map, or of what the core in C has for it, as no write is cheaper.

    Args:
        spool: The spool of the process.
        stem: The files' names, with ``%d`` for the segment's number.
    """

    __slots__ = ("_numbers", "_size", "_spool", "_stem", "write")

    def __init__(self, spool: SpoolWriter, stem: str) -> None:
        self._spool = spool
        self._stem = stem
        self._numbers = itertools.count()
        self._size = FIRST_SEGMENT_BYTES
        self.write: Callable[[bytes], int] = _discard
        self._open(0)

    def _open(self, needed: int) -> None:
        spool = self._spool
        size = max(self._size, needed + 1)
        self._size = spool.next_size(self._size)
        name = self._stem % next(self._numbers)
        try:
            mapped = _map_zeros("%s/%s" % (spool.folder, name), size)
            writer: Any = mapped if spool.compiled is None else spool.compiled(mapped)
            spool.segments[self._stem] = (mapped, writer)
            spool.names[self._stem] = name
            self.write = writer.write
        except OSError as error:
            if raised_by_program(error):
                raise
            self.write = _discard
            spool.stop_recording("its spool cannot be written (%s)" % (error.strerror or error))

    @property
    def stem(self) -> str:
        """The files' names, with ``%d`` for the segment's number."""
        return self._stem

    def skip(self) -> None:
        """Open the next segment though the current one is not full."""
        self._open(0)

    @starts_guarded
    def write_over(self, record: bytes) -> None:
        """Open the next segment and write a record to it; called while handling the ValueError of ``write``."""
        try:
            is_written = raised_by_program(sys.exc_info()[1])  # not full: a signal handler raised after the write
            if not is_written:
                self._open(len(record))
        except BaseException:  # opening takes long: signals strike here most often
            self._open(len(record))
            self.write(record)
            raise
        if is_written:
            raise
        self.write(record)


class _StreamInUse(ref):  # type: ignore[type-arg]  # no Generic up to 3.8
    """A weak reference to a CallSegments, with the stream that becomes free when it is gone."""

    __slots__ = ("numbers", "stem", "stream")
    numbers: itertools.count[int]
    stem: str
    stream: int


class CallSegments(Segments):
    """The segments of one thread's calls, which the size limit of the trace applies to.

    A new thread continues the stream of an ended one: many programs start a thread per request, and the empty tails of
    a file each would fill the disk. A weak reference with a callback in C notices that a thread has ended. A finalizer
    would run in any thread, and lose what a signal handler or another thread raises in it.
    """

    __slots__ = ("__weakref__", "_ends", "_first_dropped", "stream")

    def __init__(self, spool: SpoolWriter) -> None:
        self._ends: Optional[Segments] = None
        self._first_dropped = 0
        ended = spool.take_ended_stream()
        if ended is None:
            self.stream, stem = spool.new_stream()
            super().__init__(spool, stem)
        else:
            self.stream, self._stem, self._numbers, self._spool = ended.stream, ended.stem, ended.numbers, spool
            mapped, writer = spool.segments[ended.stem]
            self._size = spool.next_size(len(mapped))
            self.write = writer.write
        in_use = _StreamInUse(self, spool.ended_streams.append)
        in_use.stream, in_use.stem, in_use.numbers = self.stream, self._stem, self._numbers
        spool.streams_in_use[self.stream] = in_use

    def _open(self, needed: int) -> None:
        if self._spool.is_full(max(self._size, needed)):
            self.write = self._write_end
        else:
            super()._open(needed)

    def _write_end(self, record: bytes) -> int:
        """Write the ends of recorded calls only: the ``write`` of a full trace.

        Without them these calls would seem never to have ended.
        """
        call = int(record[2 : record.index(b"\t", 2)])
        if record.startswith(_CALLS):
            self._first_dropped = self._first_dropped or call
        elif record.startswith(_END) and (not self._first_dropped or call < self._first_dropped):
            if self._ends is None:
                self._ends = Segments(self._spool, self._spool.new_stream()[1])
            try:
                self._ends.write(record)
            except ValueError:
                self._ends.write_over(record)
        return len(record)


class SpoolWriter:
    """The writer of this process's spool files; a forked child makes another one.

    Args:
        folder: The trace's spool folder.
        max_bytes: Limit of the calls files of all processes of the trace.
        when_full: Called once, when the limit is reached.
        compiled: Makes what writes to a map in C; None: the map itself writes.
    """

    def __init__(
        self,
        folder: str,
        max_bytes: int,
        when_full: Callable[[], None],
        compiled: Optional[Callable[[mmap], Any]] = None,
    ) -> None:
        self.folder = folder
        self.compiled = compiled
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._bytes_until_look = FIRST_SEGMENT_BYTES  # a short-lived process never lists the folder
        self._is_full = False
        self.started_at_ns = system.wall_ns()
        self.clock_origin_ns = system.now_ns()
        self.process_key = process_key(self.started_at_ns)
        self.writers = 1
        self.failure: Optional[str] = None  # why recording stopped; None while it goes on
        self._streams = itertools.count()
        self.streams_in_use: Dict[int, _StreamInUse] = {}  # keeps the weak references, or no callback comes
        self.ended_streams: List[_StreamInUse] = []
        self._unsent: List[bytes] = []
        # By stem, the current segment of each stream: its map, and what writes to it, the map itself or an object in C.
        self.segments: Dict[str, Tuple[mmap, Any]] = {}
        self.names: Dict[str, str] = {}  # of their files
        self._events = Segments(self, self.process_key + "-%d" + record_format.EVENTS_SUFFIX)
        self._counters: Optional[memoryview] = None
        self._slots = itertools.count()

    def stop_recording(self, why: str) -> None:
        """Note that records are lost from now on: by a notice and a marker file, as far as either can be written.

        Args:
            why: The reason, as the end of a sentence.
        """
        if self.failure is None:
            self.failure = why
            text = "recording stopped before the end of process %d: %s" % (system.getpid(), why)
            notice = (
                record_format.EVENT_NOTICE.encode(),
                record_format.NOTICE_RECORDING_STOPPED.encode(),
                utf8(quote(text)),
            )
            try:  # a segment may have room left, even if no file can be made: the program dropped its rights
                self._events.write(b'{"k": "%b", "code": "%b", "message": %b}\n' % notice)
            except (AttributeError, ValueError):
                pass
            marker = "%s/%s" % (self.folder, self.process_key + record_format.FAILED_SUFFIX)
            try:  # an empty file needs no block: possible on a full disk
                system.close(system.open(marker, O_CREAT | O_WRONLY, 0o600))
            except OSError as error:
                if raised_by_program(error):
                    raise

    def damaged_segments(self) -> List[str]:
        """Return what has become of current segments that are gone or shorter than their maps.

        First segments that are gone or empty are left to ingest, which knows that they must be there. A write beyond
        the end of a file would end the process (SIGBUS): events go into a new segment then.
        """
        found: List[str] = []
        for stem, (mapped, _) in list(self.segments.items())[:MAX_CHECKED_SEGMENTS]:
            name = self.names[stem]
            try:
                size = system.stat("%s/%s" % (self.folder, name)).st_size
            except OSError as error:
                if raised_by_program(error):
                    raise
                size = -1
            if size < len(mapped):
                if size > 0 or name != stem % 0:
                    found.append("%s was %s" % (name, "removed" if size < 0 else "cut off to %d bytes" % size))
                if stem == self._events.stem:
                    self._events.skip()
        return found

    def new_stream(self) -> Tuple[int, str]:
        """Return the number of a new stream (segments with one writer at a time), and the stem of its files."""
        stream = next(self._streams)
        self.writers = stream + 1
        return stream, "%s-%d-%%d%s" % (self.process_key, stream, record_format.CALLS_SUFFIX)

    def take_ended_stream(self) -> Optional[_StreamInUse]:
        """Take over the stream of an ended thread; returns None if there is none, or if recording has stopped."""
        if self.failure is not None or self._is_full:
            return None
        try:
            return self.ended_streams.pop()
        except IndexError:
            return None

    def next_size(self, size: int) -> int:
        """Return the bytes of the segment after one of *size* bytes."""
        return min(size * GROWTH, LAST_SEGMENT_BYTES, max(FIRST_SEGMENT_BYTES, MAPPED_BUDGET_BYTES // self.writers))

    def is_full(self, size: int) -> bool:
        """Return whether the trace has no room for a segment of *size* bytes; once full, it stays full."""
        self._bytes_until_look -= size
        if not self._is_full and self._bytes_until_look < 0:
            self._bytes_until_look = min(LAST_SEGMENT_BYTES, self._max_bytes // 8)
            taken = _calls_bytes(self.folder)
            if taken + size > self._max_bytes:
                self._is_full = True
                self._when_full()
        return self._is_full

    def event(self, line: bytes) -> None:
        """Append one event: a JSON object with its newline."""
        events = self._events
        try:
            events.write(line)
        except ValueError:
            events.write_over(line)

    def append(self, suffix: str, line: bytes) -> None:
        """Append a line to a small file of this process, which is not kept open; do nothing if that fails.

        Args:
            suffix: The end of the file's name.
            line: The line, with its newline.
        """
        flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC
        try:
            file = system.open("%s/%s" % (self.folder, self.process_key + suffix), flags, 0o600)
            try:
                system.write(file, line)
            finally:
                system.close(file)
        except OSError as error:
            if raised_by_program(error):
                raise

    def new_slot(self) -> int:
        """Return a free counter slot, or -1 if all are taken or the file cannot be written.

        May replace ``counters``. The former object stays valid for the slots that it has.
        """
        slot = next(self._slots)
        if slot >= COUNTER_SLOTS or self.counters is None:
            return -1
        if 2 * slot >= len(self.counters):
            self._map_counters(GROWTH * len(self.counters) // 2)
        return slot if 2 * slot < len(self.counters) else -1

    @property
    def counters(self) -> Optional[memoryview]:
        """The counters as unsigned 64-bit numbers, or None if their file cannot be written.

        Item ``2 * slot`` counts calls, item ``2 * slot + 1`` sums nanoseconds.
        """
        if self._counters is None and self.failure is None:
            self._map_counters(FIRST_COUNTER_SLOTS)
        return self._counters

    def _map_counters(self, slots: int) -> None:
        path = "%s/%s" % (self.folder, self.process_key + record_format.COUNTERS_SUFFIX)
        existing = self._counters.nbytes if self._counters is not None else 0
        try:
            mapped = _map_zeros(path, slots * record_format.COUNTER_SLOT_BYTES, existing)
        except OSError as error:
            if raised_by_program(error):
                raise
            self.stop_recording("its counters cannot be written (%s)" % (error.strerror or error))
        else:
            self._counters = memoryview(mapped).cast("Q")

    def send_secret(self, value: str) -> None:
        """Send a learned secret to the server through the pipe; keep it for a later attempt if nobody reads."""
        self._send(value.encode("utf-8", "surrogateescape"))

    def send_name_pattern(self, pattern: str) -> None:
        """Send a pattern of secret names to the server, likewise."""
        self._send(record_format.NAME_PATTERN_MARK + pattern.encode("utf-8", "surrogateescape"))

    def _send(self, item: bytes) -> None:
        # The pipe is not kept open: after the program has closed all descriptors, its number may be one of its files.
        self._unsent.append(item)
        try:
            flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC
            fifo = system.open("%s/%s" % (self.folder, record_format.SECRETS_FIFO), flags)
            try:
                while self._unsent:
                    whole = self._unsent[0] + b"\0"
                    written = system.write(fifo, whole)
                    if written < len(whole):  # more than the pipe takes at once (512 bytes are sure): the rest later
                        self._unsent[0] = whole[written:-1]
                    else:
                        self._unsent.pop(0)
            finally:
                system.close(fifo)
        except (OSError, ValueError) as error:  # the pipe is full for the moment, or nobody reads
            if raised_by_program(error):
                raise

    def unsent_secrets(self) -> bytes:
        """Return what could not be sent to a server, as nobody reads the pipe; each item ends with NUL."""
        return b"".join([item + b"\0" for item in self._unsent])

    def erase(self, secret: bytes) -> None:
        """Overwrite a secret in recent records, which keep their lengths.

        Args:
            secret: As the records hold it: UTF-8, escaped as in JSON.
        """
        mark = (REDACTED.encode() + b"*" * len(secret))[: len(secret)]
        for mapped, writer in list(self.segments.values()):
            end = writer.tell()
            at = mapped.find(secret, max(end - ERASE_BACK_BYTES, 0), end)
            while at >= 0:
                mapped[at : at + len(secret)] = mark
                at = mapped.find(secret, at, end)
