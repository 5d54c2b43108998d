"""Serve MCP until the client is gone or a signal comes; in both cases no command is left running."""

import logging
import os
import signal
import sys

import anyio

from breadcrumb_server.mcp_server import BreadcrumbServer

# 127.0.0.1 and nothing else: whoever reaches the port can run commands. The SDK checks Host and
# Origin by itself only for localhost names.
HTTP_HOST = "127.0.0.1"
DEFAULT_HTTP_PORT = 8765

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Finishing the traces of what runs takes about a second; clients send SIGKILL after a few.
FINISH_SECONDS = 10.0


def log_to_stderr() -> None:
    """Standard output belongs to the protocol. Set up before the SDK does, whose handler draws tables."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


async def serve_stdio(server: BreadcrumbServer) -> None:
    """Serve one client on stdin and stdout until stdin ends."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, server)
        await server.run_stdio_async()
        tasks.cancel_scope.cancel()


async def serve_http(server: BreadcrumbServer, port: int) -> None:
    """Serve Streamable HTTP at ``http://127.0.0.1:<port>/mcp``. uvicorn handles the signals."""
    await server.run_streamable_http_async(host=HTTP_HOST, port=port)


async def _end_on_signal(server: BreadcrumbServer) -> None:
    # A signal that is ignored on purpose (nohup) stays ignored.
    wanted = [number for number in _ENDING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(*wanted) as signals:
        async for number in signals:
            with anyio.move_on_after(FINISH_SECONDS):
                await server.end_runs()
            # Cancelling would not do: the SDK's reader thread sits in read() on stdin until a
            # line comes. Die by the signal, so that the parent sees the true reason.
            sys.stderr.flush()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
