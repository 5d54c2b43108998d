"""Capture the beginning and the end of a command's output in memory, and redact it when it is read.

While the command runs, its output is never written to a disk: a secret in it may be learned only later.
"""

import codecs
import re
from collections import deque
from typing import Protocol

from breadcrumb_server.runs.unfinished_output import SecretRules, without_unfinished_secret

# Raw bytes kept in memory for each stream; far more than is stored, because redaction needs the context.
KEPT_HEAD_BYTES = 64 * 1024
KEPT_TAIL_BYTES = 256 * 1024
# Bytes at the edges of the kept parts. A secret cut in two there would not be recognised, so nothing is stored up to
# the next line (or word, where lines are longer than this).
EDGE_BYTES = 8 * 1024
# Stored with the trace; the run report shows less.
STORED_HEAD_CHARS = 2_000
STORED_TAIL_CHARS = 14_000
# Bytes of the end that are read while the command runs, at each look: a report shows a few lines.
RUNNING_TAIL_BYTES = 32 * 1024

# Escape sequences of terminals (ECMA-48): colours and cursor movements, titles and links, the others. A program may be
# writing the last one. They are taken out first, since a secret may be coloured in part.
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*(?:[@-~]|\Z)"
    r"|\][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\|\Z)"
    r"|[ -/]*[0-Z\\^-~]"
    r"|\Z)"
)


class TextRedactor(SecretRules, Protocol):
    """The part of the tracer's redactor that output needs."""

    @property
    def generation(self) -> int:
        """Return a number that changes when a secret is learned."""
        ...

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
        self._running: tuple[int, int, str] | None = None  # the last look at it: total bytes, redactor's state, text

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

    def running_text(self, redactor: TextRedactor) -> str:
        """Return the redacted end of the output so far, without an end that may be a part of a secret.

        Args:
            redactor: Knows the secrets learned so far.
        """
        if self._running is not None and self._running[:2] == (self.total_bytes, redactor.generation):
            return self._running[2]
        data = self._last_bytes(RUNNING_TAIL_BYTES)
        dropped = self.total_bytes - len(data)
        if dropped:
            data = _without_cut_beginning(data)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        unfinished = _plain(decoder.decode(data))  # without the first bytes of a character
        text = _redacted(redactor, without_unfinished_secret(unfinished, redactor))[-STORED_TAIL_CHARS:]
        if dropped:
            text = _join("", f"about {self.total_bytes - len(text):,} bytes", text)
        self._running = (self.total_bytes, redactor.generation, text)
        return text

    def _last_bytes(self, count: int) -> bytes:
        parts: list[bytes] = []
        for part in reversed(self._tail):
            if count <= 0:
                break
            parts.append(part[-count:])
            count -= len(parts[-1])
        # Where the tail is shorter than that, nothing was dropped between it and the head.
        return (bytes(self._head[-count:]) if count > 0 else b"") + b"".join(reversed(parts))


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
    return _redacted(redactor, _plain(data.decode("utf-8", errors="replace")))


def _plain(text: str) -> str:
    return _ESCAPE_SEQUENCE.sub("", text) if "\x1b" in text else text


def _redacted(redactor: TextRedactor, text: str) -> str:
    # NUL cannot stand in every SQL literal, and no reader needs it.
    return redactor.redact_text(text).replace("\x00", "\\x00")


def _join(head: str, left_out: str, tail: str) -> str:
    return f"{head}\n[... {left_out} left out ...]\n{tail}"
