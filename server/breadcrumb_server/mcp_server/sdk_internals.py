"""Reach what the SDK keeps for itself in a request. Each function may go when the SDK offers the same openly."""

from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext


def connection_of(ctx: ServerRequestContext[Any, Any]) -> Connection:
    """Return the connection of a request: in a session one for all its requests."""
    return ctx.session._connection  # pyright: ignore[reportPrivateUsage]


def cancellation_of(ctx: ServerRequestContext[Any, Any]) -> anyio.Event:
    """Return the event that ``notifications/cancelled`` sets; the end of a session cancels requests without it."""
    return ctx.session._request_outbound.cancel_requested  # pyright: ignore[reportPrivateUsage]
