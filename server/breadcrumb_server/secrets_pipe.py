"""Secrets that the traced processes saw, on their way to the redactor of the captured output.

Through a named pipe, so that they never lie on a disk.
"""

import os
from pathlib import Path

import anyio

from breadcrumb.capture.secret_redactor import Redactor

_READ_BYTES = 64 * 1024


class SecretsPipe:
    """The reading end; each item is UTF-8 text that ends with a NUL byte."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._redactor = redactor
        self._rest = b""
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # As long as somebody holds a writing end open, reading waits instead of seeing the end of the file.
        self._writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    async def read(self) -> None:
        """Learn for ever; to be cancelled."""
        while True:
            await anyio.wait_readable(self._reader)
            self.read_now()

    def read_now(self) -> None:
        """Learn what is in the pipe."""
        try:
            while data := os.read(self._reader, _READ_BYTES):
                *items, self._rest = (self._rest + data).split(b"\0")
                for item in items:
                    self._redactor.learn(item.decode("utf-8", errors="replace"))
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)
