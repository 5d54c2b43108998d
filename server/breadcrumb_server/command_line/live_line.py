"""Show on a terminal how far a run is, in one line that is written over."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

CLEAR = "\r\x1b[K"


class LiveLine:
    """The line. In a pipe or a file nothing is written.

    Args:
        stream: The terminal, or whatever stderr is.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._write("")

    async def show(self, elapsed_seconds: float, message: str) -> None:
        """Replace the line.

        Args:
            elapsed_seconds: Not shown: the message names it.
            message: What to show.
        """
        self._write(message)

    def _write(self, text: str) -> None:
        if self._is_terminal:
            self._stream.write(CLEAR + text)
            self._stream.flush()
