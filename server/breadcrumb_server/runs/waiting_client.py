"""Tell a run whether the client that started it still waits for the answer."""

from collections.abc import Callable

import anyio


class WaitingClient:
    """The client of one call, as far as its transport can tell. Over stdin it is there as long as the server is.

    Attributes:
        is_gone: Whether its connection broke before it had the answer.
        cancelled: Set when it cancelled the call in so many words.
    """

    def __init__(self) -> None:
        self.is_gone = False
        self.cancelled = anyio.Event()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def wants_stop(self) -> bool:
        """Whether a call that is being cancelled is to end its command: a broken connection alone asks for nothing."""
        return self.cancelled.is_set() or not self.is_gone

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the connection breaks; at once if it has."""
        if self.is_gone:
            callback()
        else:
            self._callbacks.append(callback)

    def leave(self) -> None:
        """Note that the connection broke."""
        if not self.is_gone:
            self.is_gone = True
            for callback in self._callbacks:
                callback()
