"""Serve MCP on stdin and stdout until the client leaves or a signal comes, and end all commands then."""

import logging
import os
import signal
import sys

import anyio

from breadcrumb_server.mcp_server.server import BreadcrumbServer
from breadcrumb_server.mcp_server.taken_session import client_input

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Finishing the traces of running commands takes about a second; clients send SIGKILL after a few.
FINISH_SECONDS = 10.0


def log_to_stderr() -> None:
    """Log to stderr, because stdout carries the protocol.

    Call it before the SDK installs its own handler, which draws tables.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


async def serve_stdio(server: BreadcrumbServer, ahead: bytes, ended: bool, replayed: frozenset[str]) -> None:
    """Serve one client on stdin and stdout until stdin ends.

    Args:
        server: The server.
        ahead: What has been read of stdin already.
        ended: Whether stdin has ended.
        replayed: The ids of requests in ``ahead`` whose answers the client has already.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, server)
        await server.run_stdio(client_input(ahead, ended), replayed)
        tasks.cancel_scope.cancel()


async def _end_on_signal(server: BreadcrumbServer) -> None:
    # An ignored signal (nohup) stays ignored.
    wanted = [number for number in _ENDING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(*wanted) as signals:
        async for number in signals:
            with anyio.move_on_after(FINISH_SECONDS):
                await server.end_runs()
            # Cancelling is not enough: the SDK's reader thread stays in read() on stdin until a line
            # comes. Die of the signal, so that the parent sees the true reason.
            sys.stderr.flush()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
