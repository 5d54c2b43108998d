"""Receive the secrets that traced processes learn, for the redactor of the captured output.

They come through a named pipe, so that they are never written to a disk.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import anyio

from breadcrumb.record_format import NAME_PATTERN_MARK
from breadcrumb.redaction.redactor import Redactor

_READ_BYTES = 64 * 1024


class SecretsPipe:
    """The reading end. Its items are UTF-8 texts, each ended by a NUL byte: secrets and patterns of secret names."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._redactor = redactor
        self._rest = b""
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # With a writing end open here, reading waits instead of reaching the end of the file between two processes.
        self._writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    async def read(self) -> None:
        """Learn secrets as they arrive, until cancelled."""
        while True:
            await anyio.wait_readable(self._reader)
            self.read_now()

    def read_now(self) -> None:
        """Learn the secrets that are in the pipe now."""
        try:
            while data := os.read(self._reader, _READ_BYTES):
                *items, self._rest = (self._rest + data).split(b"\0")
                learn_items(self._redactor, items)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends."""
        os.close(self._reader)
        os.close(self._writer)


def learn_items(redactor: Redactor, items: Iterable[bytes]) -> None:
    """Learn what a tracer has sent: secrets, and patterns of secret names."""
    for item in items:
        text = item.decode("utf-8", errors="surrogateescape")
        if item.startswith(NAME_PATTERN_MARK):
            redactor.add_name_patterns([text[len(NAME_PATTERN_MARK) :]])
        elif text:
            redactor.learn_exactly(text)  # without a check: the tracer has made it
