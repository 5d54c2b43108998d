"""Let only requests with the bearer token through (RFC 6750)."""

import hmac
from http import HTTPStatus

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_REALM = 'Bearer realm="breadcrumb"'
_HOW = "Send the header Authorization: Bearer TOKEN. The server printed at its start where its token is."


class RequireToken:
    """Answer every request without the token itself, whatever it asks for, and pass on the others.

    Args:
        app: What the others are passed on to.
        token: The token.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) > 1:
            return _refuse(HTTPStatus.BAD_REQUEST, "invalid_request", "There is more than one Authorization header.")
        scheme, _, credentials = given[0].partition(b" ") if given else (b"", b"", b"")
        if scheme.lower() != b"bearer":  # no attempt to authenticate: RFC 6750 wants no error code then
            return _refuse(HTTPStatus.UNAUTHORIZED, None, "This server wants a bearer token.")
        # Bytes, because texts that are not ASCII cannot be compared in constant time.
        if not hmac.compare_digest(credentials.strip(b" "), self._token):
            return _refuse(HTTPStatus.UNAUTHORIZED, "invalid_token", "That is not the token of this server.")
        return None


def _refuse(status: HTTPStatus, error: str | None, description: str) -> JSONResponse:
    attributes = f', error="{error}", error_description="{description}"' if error else ""
    return JSONResponse(
        {"error": error or "unauthorized", "error_description": f"{description} {_HOW}"},
        status_code=status,
        headers={"WWW-Authenticate": _REALM + attributes},
    )
