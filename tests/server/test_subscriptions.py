"""Test that clients that subscribed to a report hear of it while its run goes on, at its end, and no more then."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceUpdatedNotification

from breadcrumb_server.mcp_server.resources import report_uri
from sessions import Session

# The client's method is deprecated as of 2026-07-28.
IGNORED = "ignore::mcp.shared.exceptions.MCPDeprecationWarning"
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("processes"), pytest.mark.filterwarnings(IGNORED)]


class Updates:
    """A session that collects the URIs of the resources that it is told about."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self._more = anyio.Event()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.uris.append(str(message.params.uri))
            self._more.set()

    async def until(self, uri: str, count: int = 1) -> None:
        """Wait until a resource was named so often."""
        with anyio.fail_after(100):
            while self.uris.count(uri) < count:
                self._more = anyio.Event()
                await self._more.wait()


@pytest.fixture
def updates() -> Updates:
    return Updates()


@pytest.fixture
async def subscriber(server, updates, workspace):
    async with Client(server, mode="legacy", message_handler=updates) as client:
        session = Session(client)
        await session.ok("init_project", project="shop", workspace=str(workspace))
        yield session


async def start(session: Session, command: list[str]) -> str:
    report = await session.ok("run", project="shop", command=command, timeout_seconds=300, wait_seconds=0)
    return report["trace_id"]


async def test_a_session_hears_of_progress_and_of_the_end_and_nothing_after_it(
    subscriber, updates, write, gate
) -> None:
    write("steps.py", f"def step(): pass\nstep()\nprint('one', flush=True)\nopen({str(gate.path)!r}).read()\n")
    trace_id = await start(subscriber, [sys.executable, "steps.py"])
    uri = report_uri("shop", trace_id)
    await subscriber.client.subscribe_resource(uri)
    await updates.until(uri)  # of the first regular ingest: the program waits at the gate
    await anyio.to_thread.run_sync(gate.path.write_text, "go on")
    await updates.until(uri, 2)
    report = await subscriber.ok("get_trace", project="shop", trace_id=trace_id)
    assert report["status"] == "completed"
    heard = len(updates.uris)
    await subscriber.ok("run", project="shop", command=[sys.executable, "-c", "pass"], timeout_seconds=60)
    assert len(updates.uris) == heard


async def test_an_unsubscribed_session_hears_nothing(subscriber, updates, hanging, gate) -> None:
    trace_id = await start(subscriber, hanging)
    await gate.message()
    uri, latest = report_uri("shop", trace_id), report_uri("shop", "latest")
    await subscriber.client.subscribe_resource(uri)
    await subscriber.client.subscribe_resource(latest)
    await subscriber.client.unsubscribe_resource(uri)
    await subscriber.ok("stop_run", project="shop", trace_id=trace_id)
    await updates.until(latest)
    assert uri not in updates.uris


async def test_latest_names_the_next_run_too(subscriber, updates) -> None:
    latest = report_uri("shop", "latest")
    await subscriber.client.subscribe_resource(latest)  # before there is any
    for _ in range(2):
        before = updates.uris.count(latest)
        await subscriber.ok("run", project="shop", command=[sys.executable, "-c", "pass"], timeout_seconds=60)
        await updates.until(latest, before + 1)


async def test_a_stream_of_the_newer_protocol_hears_the_same(server, workspace, hanging, gate) -> None:
    async with Client(server, mode="auto") as client:
        session = Session(client)
        await session.ok("init_project", project="shop", workspace=str(workspace))
        assert client.server_capabilities.resources and client.server_capabilities.resources.subscribe
        trace_id = await start(session, hanging)
        await gate.message()
        uri = report_uri("shop", trace_id)
        async with client.listen(resource_subscriptions=[uri]) as events:
            await session.ok("stop_run", project="shop", trace_id=trace_id)
            with anyio.fail_after(100):
                async for event in events:
                    assert event == ResourceUpdated(uri)
                    break


async def test_a_session_that_ends_is_forgotten(server, workspace, hanging, gate, updates) -> None:
    async with Client(server, mode="legacy") as first:
        await Session(first).ok("init_project", project="shop", workspace=str(workspace))
        await first.subscribe_resource("breadcrumb://projects/shop/traces/latest/report")
        assert server._events._sessions
    assert not server._events._sessions


@pytest.mark.parametrize(
    ("uri", "refusal"),
    [
        ("breadcrumb://projects/shpo/config", "There is no project 'shpo'"),
        ("breadcrumb://projects/shpo/traces/latest/report", "There is no project 'shpo'"),
        ("breadcrumb://projects/shop/traces/20250110-000000-0000/report", "no trace '20250110-000000-0000'"),
        ("breadcrumb://tables", "There is no resource 'breadcrumb://tables'"),
    ],
)
async def test_a_subscription_to_what_does_not_exist_is_refused(subscriber, uri, refusal) -> None:
    with pytest.raises(MCPError, match=refusal):
        await subscriber.client.subscribe_resource(uri)


async def test_a_subscription_by_a_part_of_the_id_is_refused_with_the_whole_uri(subscriber) -> None:
    command = [sys.executable, "-c", "pass"]
    trace_id = (await subscriber.ok("run", project="shop", command=command, timeout_seconds=60))["trace_id"]
    with pytest.raises(MCPError, match=f"Subscribe to {report_uri('shop', trace_id)}"):
        await subscriber.client.subscribe_resource(report_uri("shop", trace_id[:-1]))
