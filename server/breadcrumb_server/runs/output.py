"""Capture the beginning and the end of a command's output in memory, and redact it when it is read."""

from collections import deque
from typing import Protocol

# Raw bytes kept in memory for each stream; far more than is stored, because redaction needs the context.
KEPT_HEAD_BYTES = 64 * 1024
KEPT_TAIL_BYTES = 256 * 1024
# Bytes at the edges of the kept parts. A secret cut in two there would not be recognised, so nothing is stored up to
# the next line (or word, where lines are longer than this).
EDGE_BYTES = 8 * 1024
# Stored with the trace; the run report shows less.
STORED_HEAD_CHARS = 2_000
STORED_TAIL_CHARS = 14_000


class TextRedactor(Protocol):
    """The part of the tracer's redactor that output needs."""

    def redact_text(self, text: str) -> str:
        """Return the text with its secrets replaced."""
        ...


class OutputCapture:
    """The output of one stream of a command, in bounded memory."""

    def __init__(self) -> None:
        self.total_bytes = 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0

    def feed(self, data: bytes) -> None:
        """Add what was read from the stream."""
        self.total_bytes += len(data)
        room = KEPT_HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._tail_bytes += len(data)
        while self._tail_bytes - len(self._tail[0]) >= KEPT_TAIL_BYTES:
            self._tail_bytes -= len(self._tail.popleft())

    def text(self, redactor: TextRedactor) -> str:
        """Return the redacted output, with the middle of a long one replaced by its size."""
        dropped = self.total_bytes - len(self._head) - self._tail_bytes
        if dropped == 0:
            whole = _decode(redactor, bytes(self._head) + b"".join(self._tail))
            if len(whole) <= STORED_HEAD_CHARS + STORED_TAIL_CHARS:
                return whole
            left_out = len(whole) - STORED_HEAD_CHARS - STORED_TAIL_CHARS
            return _join(whole[:STORED_HEAD_CHARS], f"{left_out:,} characters", whole[-STORED_TAIL_CHARS:])
        head = _decode(redactor, _without_cut_end(bytes(self._head)))[:STORED_HEAD_CHARS]
        tail = _decode(redactor, _without_cut_beginning(b"".join(self._tail)))[-STORED_TAIL_CHARS:]
        return _join(
            head, f"about {dropped + KEPT_HEAD_BYTES + self._tail_bytes - len(head) - len(tail):,} bytes", tail
        )


def _without_cut_beginning(data: bytes) -> bytes:
    for separator in (b"\n", b" "):
        at = data.find(separator, 0, EDGE_BYTES)
        if at >= 0:
            return data[at + 1 :]
    return data[EDGE_BYTES:]


def _without_cut_end(data: bytes) -> bytes:
    for separator in (b"\n", b" "):
        at = data.rfind(separator, max(len(data) - EDGE_BYTES, 0))
        if at >= 0:
            return data[: at + 1]
    return data[:-EDGE_BYTES]


def _decode(redactor: TextRedactor, data: bytes) -> str:
    # NUL cannot stand in every SQL literal, and no reader needs it.
    return redactor.redact_text(data.decode("utf-8", errors="replace")).replace("\x00", "\\x00")


def _join(head: str, left_out: str, tail: str) -> str:
    return f"{head}\n[... {left_out} left out ...]\n{tail}"
