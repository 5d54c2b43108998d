"""Tell clients that watch the report of a run when there is more of it, and when the run has ended.

Clients of the protocol 2026-07-28 listen on a stream (``subscriptions/listen``), which the SDK serves from a bus. Those
of earlier ones call ``resources/subscribe`` in their session. Both get the same events from here.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.abc
from mcp.server.connection import Connection
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent, SubscriptionBus

from breadcrumb_server.mcp_server.resources import report_uri
from breadcrumb_server.runs.run import Run
from breadcrumb_storage.trace_rows import LATEST


class Subscriptions(SubscriptionBus):
    """The bus of the SDK, and the sessions that subscribed to resources."""

    def __init__(self) -> None:
        self._streams = InMemorySubscriptionBus()
        self._sessions: dict[str, set[Connection]] = {}  # by URI
        self._newest: dict[str, tuple[float, str]] = {}  # by project: start and trace id of the newest run
        self._due: set[tuple[Connection, str]] = set()
        self._sending: set[tuple[Connection, str]] = set()
        self._tasks: anyio.abc.TaskGroup | None = None

    @asynccontextmanager
    async def delivering(self) -> AsyncGenerator[None]:
        """Deliver events while the context lasts."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    def watch_run(self, run: Run) -> None:
        """Announce that there is more of a run's report. Sessions hear nothing of a run after its end."""
        project, trace_id = run.state.project, run.state.trace_id
        this = run.started_at, trace_id
        self._newest[project] = newest = max(this, self._newest.get(project, this))
        uri = report_uri(project, trace_id)
        self._announce(uri)
        if this == newest:
            self._announce(report_uri(project, LATEST))
        if run.finished.is_set():
            self._sessions.pop(uri, None)

    def add(self, connection: Connection, uri: str) -> None:
        """Subscribe a session to a resource, until it unsubscribes or ends."""
        if not any(connection in subscribed for subscribed in self._sessions.values()):
            connection.exit_stack.callback(self._forget, connection)
        self._sessions.setdefault(uri, set()).add(connection)

    def remove(self, connection: Connection, uri: str) -> None:
        """Unsubscribe a session from a resource."""
        subscribed = self._sessions.get(uri, set())
        subscribed.discard(connection)
        if not subscribed:
            self._sessions.pop(uri, None)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Add a listener for a stream; return what removes it."""
        return self._streams.subscribe(listener)

    async def publish(self, event: ServerEvent) -> None:
        """Deliver an event to streams and sessions. A session whose client does not read holds up nobody else."""
        if isinstance(event, ResourceUpdated):
            for connection in self._sessions.get(event.uri, ()):
                self._send_soon(connection, event.uri)
        await self._streams.publish(event)

    def _announce(self, uri: str) -> None:
        if self._tasks is not None:
            for connection in self._sessions.get(uri, ()):  # now: at the end they are forgotten
                self._send_soon(connection, uri)
            self._tasks.start_soon(self._streams.publish, ResourceUpdated(uri))

    def _send_soon(self, connection: Connection, uri: str) -> None:
        self._due.add((connection, uri))
        if self._tasks is not None and (connection, uri) not in self._sending:
            self._sending.add((connection, uri))
            self._tasks.start_soon(self._send, connection, uri)

    async def _send(self, connection: Connection, uri: str) -> None:
        """Send until nothing is due: events that come meanwhile are one."""
        try:
            while (connection, uri) in self._due:
                self._due.discard((connection, uri))
                await connection.send_resource_updated(uri)
        finally:
            self._sending.discard((connection, uri))

    def _forget(self, connection: Connection) -> None:
        for uri in list(self._sessions):
            self.remove(connection, uri)
        self._due = {(other, uri) for other, uri in self._due if other is not connection}
