"""Run a part of a trial in a process of its own, which may be killed or crash.

The processes are forked from one that has loaded what they need: a trial takes the time of its fault, not of imports.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PRELOADED = [
    "duckdb",
    "mcp",
    "pydantic",
    "benchmarks.reliability.kinds",
    "breadcrumb_server.mcp_server.server",
    "breadcrumb_server.mcp_server.tools",
    "breadcrumb_server.runs.recovery",
    "breadcrumb_storage.compaction",
    "breadcrumb_storage.ingest.ingest",
]
LONGEST_SECONDS = 900.0
READY = "ready"

_CONTEXT = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Load in the process that is forked what its children need."""
    _CONTEXT.set_forkserver_preload(PRELOADED)


class ChildFailed(Exception):
    """A child crashed, hung, or raised."""


class Child:
    """A function that runs in another process; it gets a callback that says it has begun, and the arguments."""

    def __init__(self, work: Callable[..., Any], *arguments: object) -> None:
        self._work = work
        self._receiver, sender = _CONTEXT.Pipe(duplex=False)
        descriptor, name = tempfile.mkstemp(prefix="reliability-", suffix=".err")
        os.close(descriptor)
        self._errors = Path(name)
        self.process = _CONTEXT.Process(target=_do, args=(sender, name, work, arguments))
        self.process.start()
        sender.close()

    def wait_until_ready(self) -> None:
        """Wait until the function has said that it begins."""
        self._receive()

    def kill(self) -> bool:
        """Kill the process; return whether it had not ended."""
        self.process.kill()
        self.process.join()
        self._errors.unlink(missing_ok=True)
        return self.process.exitcode == -signal.SIGKILL

    def result(self) -> Any:
        """Return what the function returns.

        Raises:
            ChildFailed: It raised, crashed or hung.
        """
        try:
            while True:
                kind, value = self._receive()
                if kind == "failed":
                    raise ChildFailed(f"{self._work.__name__}: {value}")
                if kind == "done":
                    return value
        finally:
            self.kill()

    def _receive(self) -> tuple[str, Any]:
        name = self._work.__name__
        if not self._receiver.poll(LONGEST_SECONDS):
            self.kill()
            raise ChildFailed(f"{name} hung")
        try:
            message: tuple[str, Any] = self._receiver.recv()
        except EOFError:
            self.process.join()
            errors = self._errors.read_text(errors="replace")[-2000:]
            raise ChildFailed(f"{name} crashed with {self.process.exitcode}: {errors}") from None
        return message


def call(work: Callable[..., Any], *arguments: object) -> Any:
    """Call a function in another process and return its result.

    Raises:
        ChildFailed: It raised, crashed or hung.
    """
    return Child(work, *arguments).result()


def _do(sender: Connection, errors: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    descriptor = os.open(errors, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 2)
    try:
        sender.send(("done", work(lambda: sender.send((READY, None)), *arguments)))
    except Exception:
        sender.send(("failed", traceback.format_exc(limit=-4)))
