"""Keep the open calls of each thread, and write its records."""

from __future__ import annotations

import sys

from .open_calls import ROOT
from .spool import CallSegments, SpoolWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from .open_calls import OpenCall


class ThreadState(CallSegments):
    """A traced thread, and the writer of its calls.

    ``top`` is its innermost open call, ``task`` the number of the asyncio task that it runs (0: none), and
    ``held_events`` the events that are held back (None: nothing is).

    Args:
        spool: The spool of the process.
        number: The thread's number in the process, from 0.
    """

    __slots__ = ("_held_calls", "_held_write", "first_call", "held_events", "name", "number", "task", "top")

    def __init__(self, spool: SpoolWriter, number: int) -> None:
        super().__init__(spool)
        self.number = number
        self.name = ""  # as last written
        self.first_call = 0  # of this thread, in a stream taken over from an ended one: its calls have higher ids
        self.top: OpenCall = (*ROOT[:4], {})  # its empty call sites make the first call ask CallLog.site
        self.task = 0
        self.held_events: Optional[List[bytes]] = None

    def hold_back(self) -> None:
        """Keep the records of this thread in memory until ``release``."""
        self.held_events = []
        self._held_calls: List[bytes] = []
        self._held_write = self.write
        self.write = self._held_calls.append  # type: ignore[assignment]

    def release(self) -> None:
        """Write the calls that were held back, and stop holding back; the caller writes ``held_events`` before."""
        self.held_events = None
        self.write = self._held_write
        for record in self._held_calls:
            write_record(self, record)


def write_record(thread: ThreadState, record: bytes) -> None:
    """Append a record to the calls of a thread, in a new segment if it does not fit."""
    try:
        thread.write(record)
    except ValueError:  # the segment is full
        thread.write_over(record)


def thread_name(ident: int, unnamed: str, main_thread: int) -> str:
    """Return the name of a thread, without registering it in threading as ``current_thread`` would.

    Args:
        ident: The thread's identifier.
        unnamed: The name for a thread that threading does not know.
        main_thread: The identifier of the main thread, used until threading is imported.
    """
    threading = sys.modules.get("threading")
    name = getattr(getattr(threading, "_active", {}).get(ident), "_name", None)
    if type(name) is str:
        return name
    main = getattr(getattr(threading, "_main_thread", None), "_ident", main_thread)
    # gevent lets threading know the main thread by another identifier.
    return "MainThread" if ident in (main, main_thread) else unnamed
