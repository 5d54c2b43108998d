"""What the traced processes know to be secret, on its way to the redactor of the captured output.

Through a named pipe, so that it never lies on a disk.
"""

import os
from pathlib import Path

import anyio

from breadcrumb.record_format import NAME_PATTERN_MARK
from breadcrumb.redaction.redactor import Redactor

_READ_BYTES = 64 * 1024


class SecretsPipe:
    """The reading end. Each item is UTF-8 text and ends with a NUL byte: a secret, or a pattern of secret names."""

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
                    self._learn(item)
        except BlockingIOError:
            return

    def _learn(self, item: bytes) -> None:
        text = item.decode("utf-8", errors="surrogateescape")
        if item.startswith(NAME_PATTERN_MARK):
            self._redactor.add_name_patterns([text[len(NAME_PATTERN_MARK) :]])
        elif text:
            self._redactor.learn_exactly(text)  # the tracer has judged it

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)
