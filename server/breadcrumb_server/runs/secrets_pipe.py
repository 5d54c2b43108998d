"""Receive the secrets that traced processes learn, for the redactor of the captured output.

They come through a named pipe, so that they are never written to a disk. Whatever the program writes into it costs the
server little time and memory, and reaches nothing but the texts of its own run.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import anyio

from breadcrumb.record_format import NAME_PATTERN_MARK, NOTICE_SECRETS_NOT_LEARNED
from breadcrumb.redaction.redactor import Redactor

# At once, so that the event loop goes on: of the shortest items these are a thousand.
_READ_BYTES = 8 * 1024
# What a pipe holds at most without a privilege; when it has been read, what was written before is known.
_PIPE_BYTES = 1024 * 1024
# Of one item. A secret has at most 512 characters, a pattern is one of a config.
_MAX_ITEM_BYTES = 4096
# Of all items together: what is remembered takes up to forty times as much.
_MAX_BYTES = 2 * 1024 * 1024
_MAX_PATTERNS = 1000

_TOO_MANY = (
    "The program sent more secrets than are remembered (2 MiB, 1,000 patterns of names): later ones are redacted in "
    "its output by their names and shapes only."
)


class SecretsPipe:
    """The reading end. Its items are UTF-8 texts, each ended by a NUL byte: secrets and patterns of secret names."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._redactor = redactor
        self._rest = b""
        self._is_skipping = False  # the rest of an item that is too long
        self._known: set[bytes] = set()
        self._bytes_left = _MAX_BYTES
        self._patterns_left = _MAX_PATTERNS
        self.notice: tuple[str, str] | None = None
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # With a writing end open here, reading waits instead of reaching the end of the file between two processes.
        self._writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    async def read(self) -> None:
        """Learn secrets as they arrive, until cancelled."""
        while True:
            await anyio.wait_readable(self._reader)
            self._read_some()

    def read_now(self) -> None:
        """Learn the secrets that are in the pipe now, though not what a program goes on to write into it."""
        for _ in range(_PIPE_BYTES // _READ_BYTES):
            if not self._read_some():
                return

    def close(self) -> None:
        """Close both ends."""
        os.close(self._reader)
        os.close(self._writer)

    def _read_some(self) -> bool:
        """Read a part of what is in the pipe; return False if there was nothing."""
        try:
            data = os.read(self._reader, _READ_BYTES)
        except BlockingIOError:
            return False
        *items, self._rest = (self._rest + data).split(b"\0")
        if items and self._is_skipping:
            self._is_skipping = False
            del items[0]
        learn_items(self._redactor, filter(self._is_taken, items))
        if len(self._rest) > _MAX_ITEM_BYTES:
            self._is_skipping, self._rest = True, b""
        return bool(data)

    def _is_taken(self, item: bytes) -> bool:
        """Return whether an item is learned: new, of a possible length, and within the limits."""
        if not item or len(item) > _MAX_ITEM_BYTES or item in self._known:
            return False
        is_pattern = item.startswith(NAME_PATTERN_MARK)
        if len(item) > self._bytes_left or (is_pattern and not self._patterns_left):
            self.notice = (NOTICE_SECRETS_NOT_LEARNED, _TOO_MANY)
            return False
        self._known.add(item)
        self._bytes_left -= len(item)
        self._patterns_left -= is_pattern
        return True


def learn_items(redactor: Redactor, items: Iterable[bytes]) -> None:
    """Learn what a tracer has sent: secrets, and patterns of secret names."""
    for item in items:
        text = item.decode("utf-8", errors="surrogateescape")
        if item.startswith(NAME_PATTERN_MARK):
            redactor.add_name_patterns([text[len(NAME_PATTERN_MARK) :]])
        elif text:
            redactor.learn_exactly(text)  # without a check: the tracer has made it
