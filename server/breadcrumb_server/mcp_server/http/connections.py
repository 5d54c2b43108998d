"""Notice that the connection of a request broke before it had its answer."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from breadcrumb_server.runs.waiting_client import WaitingClient

_KEY = "breadcrumb.client"


class WatchConnections:
    """Give each request a `WaitingClient`, which learns when its connection breaks.

    The SDK does not tell: in sessions a call goes on unaware, and in the protocol 2026-07-28 it is cancelled as if the
    client had asked for it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope[_KEY] = WaitingClient()
        is_answered = False

        async def watched_send(message: Message) -> None:
            nonlocal is_answered
            await send(message)
            is_answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        async def watched_receive() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not is_answered:
                client.leave()
            return message

        await self._app(scope, watched_receive, watched_send)


def client_of(request: Request | None) -> WaitingClient:
    """Return the client of a request; without one, over stdin, a client that never leaves."""
    client = request.scope.get(_KEY) if request is not None else None
    return client if isinstance(client, WaitingClient) else WaitingClient()
