"""Waits for a started program without sleeping."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import anyio.to_thread

# Far more than anything here takes: what hits it has hung.
HANG_SECONDS = 100


class Gate:
    """A named pipe on which a program says that it has come so far, or waits to be let on.

    The program: ``open(path, "w").write("text")``.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path

    async def message(self) -> str:
        """Return what the program wrote, once it has opened the pipe and closed it again."""
        with anyio.fail_after(HANG_SECONDS):
            return await anyio.to_thread.run_sync(self.path.read_text, abandon_on_cancel=True)
