"""What each thread is doing, and where its calls are written."""

from __future__ import annotations

import sys

from .open_calls import ROOT
from .spool import CallSegments, SpoolWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from .open_calls import OpenCall


class ThreadState(CallSegments):
    """What one thread is doing, and where it is written.

    ``top`` is its innermost open call, ``task`` the number of the asyncio task that it runs.
    """

    __slots__ = ("_held_calls", "_held_write", "first_call", "held_events", "name", "number", "task", "top")

    def __init__(self, spool: SpoolWriter, number: int) -> None:
        super().__init__(spool)
        self.number = number
        self.name = ""  # as it was told last
        self.first_call = 0  # later ones in a stream that was another thread's before are this thread's
        self.top: OpenCall = (*ROOT[:4], {})  # without a call site: the first call asks for it, see CallLog.site
        self.task = 0
        self.held_events: Optional[List[bytes]] = None  # while records are held back

    def hold_back(self) -> None:
        """Keep the records of this thread in memory until ``release``."""
        self.held_events = []
        self._held_calls: List[bytes] = []
        self._held_write = self.write
        self.write = self._held_calls.append  # type: ignore[assignment]

    def release(self) -> None:
        """Write the calls that were held back, and go on as before."""
        self.held_events = None
        self.write = self._held_write
        for record in self._held_calls:
            write_record(self, record)


def write_record(thread: ThreadState, record: bytes) -> None:
    """Append a record to the calls of a thread."""
    try:
        thread.write(record)
    except ValueError:  # the segment is full
        thread.write_over(record)


def thread_name(ident: int, unnamed: str, main_thread: int) -> str:
    """The name of a thread, without making one known to threading that is not; *unnamed* where it has none.

    main_thread: which is the main one, where threading has not been imported.
    """
    threading = sys.modules.get("threading")
    name = getattr(getattr(threading, "_active", {}).get(ident), "_name", None)
    if type(name) is str:
        return name
    main = getattr(getattr(threading, "_main_thread", None), "_ident", main_thread)
    return "MainThread" if ident == main else unnamed
