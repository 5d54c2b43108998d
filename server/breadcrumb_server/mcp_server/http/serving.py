"""Serve Streamable HTTP until a signal comes, and end all commands then."""

import signal
import socket
from dataclasses import dataclass

import anyio
import uvicorn  # comes with the SDK
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from breadcrumb_server.mcp_server.http.authorization import RequireToken
from breadcrumb_server.mcp_server.http.bearer_token import BearerToken
from breadcrumb_server.mcp_server.http.connections import WatchConnections
from breadcrumb_server.mcp_server.http.sessions import IDLE_SECONDS, MAX_SESSIONS
from breadcrumb_server.mcp_server.server import BreadcrumbServer

PATH = "/mcp"
GRACE_SECONDS = 1  # whole seconds, as uvicorn takes them


@dataclass(frozen=True)
class HttpSettings:
    """Who may connect, and how long sessions live.

    Attributes:
        token: What every request has to bring.
        security: The Host and Origin headers that are let through.
        idle_seconds: Time without a request after which a session is closed.
        max_sessions: Number of sessions that may be open at once.
    """

    token: BearerToken
    security: TransportSecuritySettings
    idle_seconds: float = IDLE_SECONDS
    max_sessions: int = MAX_SESSIONS


def make_app(server: BreadcrumbServer, settings: HttpSettings) -> ASGIApp:
    """Make the web application of a server. The token is checked first, so that a stranger learns nothing else."""
    manager = server.make_session_manager(
        security_settings=settings.security,
        session_idle_timeout=settings.idle_seconds,
        max_sessions=settings.max_sessions,
    )
    app = Starlette(routes=[Route(PATH, endpoint=StreamableHTTPASGIApp(manager))], lifespan=lambda _: manager.run())
    return RequireToken(WatchConnections(app), settings.token.text)


async def serve_http(server: BreadcrumbServer, listener: socket.socket, settings: HttpSettings) -> None:
    """Serve Streamable HTTP on a socket until a signal comes."""
    config = uvicorn.Config(
        make_app(server, settings),
        log_level="warning",  # below it, uvicorn logs each request
        ws="none",
        server_header=False,
        # Without a limit uvicorn would wait for the answer to a call of "run", however long its command takes.
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    http = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_exit_on_hangup, http)
        await http.serve(sockets=[listener])
        tasks.cancel_scope.cancel()


async def _exit_on_hangup(http: uvicorn.Server) -> None:
    """Exit on SIGHUP, which uvicorn does not handle, unlike SIGTERM and SIGINT."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    with anyio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            http.should_exit = True
