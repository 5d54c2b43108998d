"""Keep the sessions of clients of the protocol before 2026-07-28; later ones have none."""

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from breadcrumb_server.mcp_server.http.event_store import SessionEvents

# A session without a request in flight is closed after this time. No run belongs to a session, so none ends with it.
IDLE_SECONDS = 30 * 60
# Each keeps up to event_store.MAX_CHARS. Agents open one or a few.
MAX_SESSIONS = 100
# After a broken connection, clients come back after this time (the ``retry`` of SSE, SEP-1699).
RETRY_MILLISECONDS = 1_000


class SessionManager(StreamableHTTPSessionManager):
    """The SDK's manager, with a store of events for each session instead of one for all of them."""

    def _admit_session(
        self,
        requestor: AuthorizationContext | None,  # codespell:ignore requestor
    ) -> StreamableHTTPServerTransport | None:
        self.event_store = SessionEvents()  # read by the next line alone, under a lock
        return super()._admit_session(requestor)  # codespell:ignore requestor
