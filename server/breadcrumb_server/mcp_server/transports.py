"""Serve MCP until the client leaves or a signal comes, and end all commands then."""

import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import anyio

from breadcrumb_server.mcp_server.server import BreadcrumbServer
from breadcrumb_server.mcp_server.taken_session import client_input

if TYPE_CHECKING:
    import uvicorn

# Loopback only, because whoever reaches the port can run commands. The SDK checks Host and Origin by
# itself only for localhost names.
HTTP_HOST = "127.0.0.1"
HTTP_GRACE_SECONDS = 1  # whole seconds, as uvicorn takes them

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


def listen(port: int) -> socket.socket:
    """Bind a socket on loopback, so that a port in use is noticed before anything else is set up.

    Raises:
        OSError: The port is in use or not allowed.
    """
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HTTP_HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


async def serve_http(server: BreadcrumbServer, listener: socket.socket) -> None:
    """Serve Streamable HTTP at ``http://127.0.0.1:<port>/mcp`` until a signal comes."""
    import uvicorn  # comes with the SDK

    app = server.streamable_http_app(host=HTTP_HOST)
    # Without a limit uvicorn would wait for the answer to a call of "run", however long its command takes.
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=HTTP_GRACE_SECONDS)
    http = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_exit_on_hangup, http)
        await http.serve(sockets=[listener])
        tasks.cancel_scope.cancel()


async def _exit_on_hangup(http: "uvicorn.Server") -> None:
    """Exit on SIGHUP, which uvicorn does not handle, unlike SIGTERM and SIGINT."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    with anyio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            http.should_exit = True


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
