"""Writes the spool: memory-mapped segments, counters, and learned secrets (docs/spool-format.md).

No lock is held anywhere here: ``mmap.write`` copies and advances in one C call under the GIL, so
records never mix; a thread that forks cannot leave a lock behind in the child, and a signal
handler cannot meet one.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from _weakref import ref

# Bound now: tests replace these in their module for as long as they run, and segments are made all the time.
from os import close as os_close
from os import listdir as os_listdir
from os import open as os_open
from os import stat as os_stat
from os import write as os_write

from .. import record_format
from ..json_text import quote, utf8
from ..runtime.interruptions import raised_by_program, starts_guarded
from ..runtime.mapped_files import map_file
from ..value_format import REDACTED

# The first segment is small (most threads and forked children say little), each next one four times as large, up
# to what keeps the mapped memory of the whole process near 16 MiB: it is part of the process's resident size.
FIRST_SEGMENT_BYTES = 1 << 14
LAST_SEGMENT_BYTES = 1 << 22
MAPPED_BUDGET_BYTES = 1 << 24

# So does the file of the counters grow. Its last size bounds what a program that makes functions without end takes.
FIRST_COUNTER_SLOTS = 1 << 10
COUNTER_SLOTS = 1 << 14

GROWTH = 4

# So far back a secret is taken out of a segment that was written before it was known for one.
ERASE_BACK_BYTES = 1 << 20

# Made once: where memory has run out, what there is to tell of it must not be in want of more.
_ZEROS = bytes(1 << 16)

_CALLS = (record_format.KIND_CALL.encode(), record_format.KIND_LATE_CALL.encode())
_END = record_format.KIND_RETURN.encode()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap
    from typing import Callable, Dict, List, Optional, Tuple

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"


def _map_zeros(path: str, size: int, existing: int = 0) -> mmap:
    """Map a file that is made, or has *existing* some bytes and grows, to *size* bytes; the new ones are zeros.

    Writing the zeros, rather than posix_fallocate, makes a full disk an OSError here and halves the cost of the
    page faults later. Raises OSError.
    """
    mode = os.O_APPEND if existing else os.O_CREAT | os.O_EXCL
    fd = os_open(path, os.O_RDWR | mode | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        while existing < size:
            existing += os_write(fd, _ZEROS if size - existing >= len(_ZEROS) else _ZEROS[: size - existing])
        return map_file(fd, size)
    finally:
        os_close(fd)


def _calls_bytes(folder: str) -> int:
    """What the calls files of all processes take. (Not with scandir: programs replace methods of its iterator.)"""
    taken = 0
    try:
        for name in os_listdir(folder):
            if name.endswith(record_format.CALLS_SUFFIX):
                taken += os_stat("%s/%s" % (folder, name)).st_size
    except OSError as error:  # the folder is gone; opening the segment says what there is to say
        if raised_by_program(error):
            raise
    return taken


def _discard(data: bytes) -> int:
    """Stands in for a segment's write once the spool cannot take any more."""
    return len(data)


class Segments:
    """A sequence of segments with one writer. ``write`` takes one record; if it raises ValueError, ``write_over`` does.

    stem: the files' names, with ``%d`` for the segment's number.
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
            mapped = spool.mapped[self._stem] = _map_zeros("%s/%s" % (spool.folder, name), size)
            self.write = mapped.write
        except OSError as error:
            if raised_by_program(error):
                raise
            self.write = _discard
            spool.stop_recording("its spool cannot be written (%s)" % (error.strerror or error))

    @starts_guarded
    def write_over(self, record: bytes) -> None:
        """Write a record that the current segment had no room for: its write raised the ValueError being handled."""
        try:
            is_written = raised_by_program(sys.exc_info()[1])  # and a signal handler has raised just then
            if not is_written:
                self._open(len(record))
        except BaseException:  # this takes so long that signals meet it more often than anything else
            self._open(len(record))
            self.write(record)
            raise
        if is_written:
            raise
        self.write(record)


class _StreamInUse(ref):  # type: ignore[type-arg]  # no Generic up to 3.8
    """Watches a CallSegments, and remembers the stream that it writes when it is gone."""

    __slots__ = ("numbers", "stem", "stream")
    numbers: itertools.count[int]
    stem: str
    stream: int


class CallSegments(Segments):
    """The segments of one thread's calls. It is these that grow without bound, so the limit of the trace is theirs.

    A thread that begins goes on in the stream of segments of one that has ended: many programs start a thread for
    each request, and a file for each would fill the disk with their empty tails. That one has ended is noted without
    a finalizer: whichever thread is traced next may be the one to drop this, and what a signal handler or another
    thread raises in a finalizer would be lost.
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
            mapped = spool.mapped[ended.stem]
            self._size = spool.next_size(len(mapped))
            self.write = mapped.write
        in_use = _StreamInUse(self, spool.ended_streams.append)
        in_use.stream, in_use.stem, in_use.numbers = self.stream, self._stem, self._numbers
        spool.streams_in_use[self.stream] = in_use

    def _open(self, needed: int) -> None:
        if self._spool.is_full(max(self._size, needed)):
            self.write = self._write_end
        else:
            super()._open(needed)

    def _write_end(self, record: bytes) -> int:
        """Stands in for ``write`` in a full trace: only the ends of calls that had begun before are written.

        Without them it would look as if the program had never left these calls.
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
    """The spool files of this process.

    folder: the trace's spool folder; max_bytes: of the calls of all processes of the trace; when_full: is called once.
    A forked child makes a SpoolWriter of its own.
    """

    def __init__(self, folder: str, max_bytes: int, when_full: Callable[[], None]) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._bytes_until_look = FIRST_SEGMENT_BYTES  # a short-lived child among a thousand looks at no folder
        self._is_full = False
        self.started_at_ns = time.time_ns()
        self.clock_origin_ns = time.perf_counter_ns()
        self.process_key = "%d-%s" % (os.getpid(), _base36(self.started_at_ns))
        self.writers = 1
        self.failure: Optional[str] = None  # why recording stopped, if it did
        self._streams = itertools.count()
        self.streams_in_use: Dict[int, _StreamInUse] = {}  # what is watched by something that is gone is not told of
        self.ended_streams: List[_StreamInUse] = []
        self._unsent: List[bytes] = []
        self.mapped: Dict[str, mmap] = {}  # the segment of each stream that is being written
        self._events = Segments(self, self.process_key + "-%d" + record_format.EVENTS_SUFFIX)
        self._counters: Optional[memoryview] = None
        self._slots = itertools.count()

    def stop_recording(self, why: str) -> None:
        """Remember, and say as far as that is possible, that records are being lost."""
        if self.failure is None:
            self.failure = why
            text = "recording stopped before the end of process %d: %s" % (os.getpid(), why)
            notice = (
                record_format.EVENT_NOTICE.encode(),
                record_format.NOTICE_RECORDING_STOPPED.encode(),
                utf8(quote(text)),
            )
            try:  # there may be room still, also for who may not make files any more: it has given up its rights
                self._events.write(b'{"k": "%b", "code": "%b", "message": %b}\n' % notice)
            except (AttributeError, ValueError):
                pass
            marker = "%s/%s" % (self.folder, self.process_key + record_format.FAILED_SUFFIX)
            try:  # an empty file needs no block: its name tells even on a full disk
                os_close(os_open(marker, os.O_CREAT | os.O_WRONLY, 0o600))
            except OSError as error:
                if raised_by_program(error):
                    raise

    def new_stream(self) -> Tuple[int, str]:
        """The number of a sequence of calls segments with one writer at a time, and the stem of their names."""
        stream = next(self._streams)
        self.writers = stream + 1
        return stream, "%s-%d-%%d%s" % (self.process_key, stream, record_format.CALLS_SUFFIX)

    def take_ended_stream(self) -> Optional[_StreamInUse]:
        """The stream of a thread that has ended, for another; None where there is none that takes calls still."""
        if self.failure is not None or self._is_full:
            return None
        try:
            return self.ended_streams.pop()
        except IndexError:
            return None

    def next_size(self, size: int) -> int:
        """The bytes of the segment that follows one of *size* bytes in its stream."""
        return min(size * GROWTH, LAST_SEGMENT_BYTES, max(FIRST_SEGMENT_BYTES, MAPPED_BUDGET_BYTES // self.writers))

    def is_full(self, size: int) -> bool:
        """Whether the trace has no room for a segment of so many bytes; once it had not, for none."""
        self._bytes_until_look -= size
        if not self._is_full and self._bytes_until_look < 0:
            self._bytes_until_look = min(LAST_SEGMENT_BYTES, self._max_bytes // 8)
            taken = _calls_bytes(self.folder)
            if taken + size > self._max_bytes:
                self._is_full = True
                self._when_full()
        return self._is_full

    def event(self, line: bytes) -> None:
        """Append one event, a JSON object and its newline."""
        events = self._events
        try:
            events.write(line)
        except ValueError:
            events.write_over(line)

    def new_slot(self) -> int:
        """A counter slot, or -1 where all are taken or the file cannot be made.

        ``counters`` may be another object afterwards; the former one still counts for the slots that it has.
        """
        slot = next(self._slots)
        if slot >= COUNTER_SLOTS or self.counters is None:
            return -1
        if 2 * slot >= len(self.counters):
            self._map_counters(GROWTH * len(self.counters) // 2)
        return slot if 2 * slot < len(self.counters) else -1

    @property
    def counters(self) -> Optional[memoryview]:
        """The counters as unsigned 64-bit numbers: [2 * slot] counts, [2 * slot + 1] sums nanoseconds."""
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
        """Hand a learned secret to the server through the pipe; without a reader it goes nowhere."""
        self._send(value.encode("utf-8", "surrogateescape"))

    def send_name_pattern(self, pattern: str) -> None:
        """Hand it a pattern of names that are secret."""
        self._send(record_format.NAME_PATTERN_MARK + pattern.encode("utf-8", "surrogateescape"))

    def _send(self, item: bytes) -> None:
        # The pipe is not kept open: a program may close all its descriptors, and what gets the number then is its own.
        self._unsent.append(item)
        try:
            flags = os.O_WRONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
            fifo = os_open("%s/%s" % (self.folder, record_format.SECRETS_FIFO), flags)
            try:
                while self._unsent:
                    os_write(fifo, self._unsent[0] + b"\0")
                    self._unsent.pop(0)
            finally:
                os_close(fifo)
        except (OSError, ValueError) as error:  # the pipe is full for the moment, or nobody reads
            if raised_by_program(error):
                raise

    def erase(self, secret: bytes) -> None:
        """Overwrite what has been written of late and turned out to be secret. The records keep their lengths."""
        mark = (REDACTED.encode() + b"*" * len(secret))[: len(secret)]
        for mapped in list(self.mapped.values()):
            end = mapped.tell()
            at = mapped.find(secret, max(end - ERASE_BACK_BYTES, 0), end)
            while at >= 0:
                mapped[at : at + len(secret)] = mark
                at = mapped.find(secret, at, end)
