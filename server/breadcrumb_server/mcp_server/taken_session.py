"""Take over a session on stdio whose beginning was answered by the front door."""

from __future__ import annotations

import fcntl
import io
import logging
import os
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCResponse

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

logger = logging.getLogger(__name__)


def client_input(ahead: bytes, ended: bool) -> TextIO:
    """Return the lines of the client, and leave nothing of them to others who read stdin.

    Args:
        ahead: What has been read of stdin already.
        ended: Whether stdin has ended.
    """
    source = _Input(ahead, None if ended else _take_stdin())
    return io.TextIOWrapper(io.BufferedReader(source), encoding="utf-8", errors="replace")  # as the SDK reads


def _take_stdin() -> int:
    """Return a descriptor of stdin, and let descriptor 0 read nothing: the SDK does so where it opens stdin itself."""
    try:
        taken = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    except OSError:  # no descriptor is left
        return 0
    return taken


class _Input(io.RawIOBase):
    """Bytes that were read ahead, and then those of a descriptor, which is never closed: a thread may wait in it."""

    def __init__(self, ahead: bytes, descriptor: int | None) -> None:
        super().__init__()
        self._ahead = memoryview(ahead)
        self._descriptor = descriptor

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer, and return how much."""
        if self._ahead:
            space = memoryview(buffer)
            count = min(len(space), len(self._ahead))
            space[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
            return count
        return 0 if self._descriptor is None else os.readv(self._descriptor, [buffer])


class _Stream(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...
    async def aclose(self) -> None: ...


class AnswersWithout:
    """The stream of messages to the client, without the answers that it has already.

    Args:
        stream: The stream.
        replayed: The ids of the requests that were answered.
    """

    def __init__(self, stream: _Stream, replayed: frozenset[str]) -> None:
        self._stream = stream
        self._replayed = replayed

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message, unless the client has it."""
        message = item.message
        if not isinstance(message, JSONRPCResponse | JSONRPCError) or message.id not in self._replayed:
            await self._stream.send(item)
        elif isinstance(message, JSONRPCError):
            logger.warning("a request that was answered at once is refused by the server: %s", message.error.message)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None
