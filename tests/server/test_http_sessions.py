"""Test how long sessions live, how many there are, and what is kept for a client that comes back.

The server is in this process, and so is its clock: half an hour takes no time.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
from mcp.types import JSONRPCNotification, JSONRPCResponse

from breadcrumb_server.mcp_server.http.addresses import resolve, security_settings
from breadcrumb_server.mcp_server.http.bearer_token import find_token
from breadcrumb_server.mcp_server.http.event_store import SessionEvents
from breadcrumb_server.mcp_server.http.serving import HttpSettings, make_app
from http_servers import ACCEPT, RawSession

pytestmark = pytest.mark.anyio
URL = "http://127.0.0.1/mcp"


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    skipped = 0.0

    def time(self) -> float:
        return super().time() + self.skipped


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"loop_factory": SkippingLoop}


async def skip(minutes: float) -> None:
    """Put the clock forward, and let everything happen that is due."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SkippingLoop)
    loop.skipped += minutes * 60
    last = asyncio.Event()
    loop.call_at(loop.time(), last.set)  # after all that was due before
    await last.wait()
    await anyio.wait_all_tasks_blocked()


@asynccontextmanager
async def lifespan(app):
    """Run the start and the end of a web application."""
    to_app: asyncio.Queue[Any] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, {"type": "lifespan"}, to_app.get, from_app.put)
        for moment in ("startup", "shutdown"):
            await to_app.put({"type": f"lifespan.{moment}"})
            assert (await from_app.get())["type"] == f"lifespan.{moment}.complete"
            if moment == "startup":
                yield


@pytest.fixture
def make_client(server, home):
    @asynccontextmanager
    async def make(**settings):
        token, address = find_token(home, None, {}), resolve("127.0.0.1", 80)
        app = make_app(server, HttpSettings(token, security_settings(address, ()), **settings))
        headers = {"authorization": f"Bearer {token.text}", **ACCEPT}
        async with (
            lifespan(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), headers=headers) as client,
        ):
            yield client

    return make


async def status(session: RawSession) -> int:
    request = session.request("ping", {})
    return (await session.http.post(URL, json=request, headers=session.headers)).status_code


async def test_a_session_is_closed_half_an_hour_after_its_last_request(make_client) -> None:
    async with make_client() as client:
        session, other = await RawSession(client, URL).open(), await RawSession(client, URL).open()
        await skip(29)
        assert await status(session) == 200
        await skip(29)
        assert await status(session) == 200  # each request counts
        assert await status(other) == 404
        await skip(31)
        assert await status(session) == 404
        assert await status(await RawSession(client, URL).open()) == 200


async def test_a_run_goes_on_when_its_session_is_closed(make_client, hanging, gate, workspace) -> None:
    async with make_client(idle_seconds=60) as client:
        session = await RawSession(client, URL).open()
        await session.answer(session.call("init_project", project="shop", workspace=str(workspace)))
        run = session.call("run", project="shop", command=hanging, timeout_seconds=80_000, wait_seconds=0)
        trace_id = (await session.answer(run))["structuredContent"]["trace_id"]
        await gate.message()
        await skip(2)
        assert await status(session) == 404
        later = await RawSession(client, URL).open()
        report = await later.answer(later.call("wait_for_run", project="shop", trace_id=trace_id, wait_seconds=0))
        assert report["structuredContent"]["status"] == "running"


async def test_a_run_goes_on_when_the_session_of_its_lost_client_is_closed(
    make_client, server, hanging, gate, workspace
) -> None:
    async with make_client(idle_seconds=60) as client:
        session = await RawSession(client, URL).open()
        await session.answer(session.call("init_project", project="shop", workspace=str(workspace)))
        call = session.call("run", project="shop", command=hanging, timeout_seconds=80_000, wait_seconds=1800)
        breaks = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post_until, breaks, client, session, call)
            await gate.message()
            while not server._runs.of_project("shop"):  # the program may be faster than the server that started it
                await anyio.lowlevel.checkpoint()
            breaks.set()
        await anyio.wait_all_tasks_blocked()  # until the server has noticed it: else the session takes the call with it
        await skip(2)
        assert await status(session) == 404
        (run,) = server._runs.of_project("shop")
        assert not run.stop_requested.is_set()
        later = await RawSession(client, URL).open()
        listed = (await later.answer(later.call("list_traces", project="shop")))["structuredContent"]
        assert run.state.trace_id in listed["notes"][0]


async def post_until(breaks: anyio.Event, client: httpx2.AsyncClient, session: RawSession, message: dict) -> None:
    """Send a request over a connection that breaks at an event."""
    request = client.build_request("POST", URL, json=message, headers=session.headers)
    parts = iter([{"type": "http.request", "body": request.content, "more_body": False}])

    async def receive():
        if part := next(parts, None):
            return part
        await breaks.wait()
        return {"type": "http.disconnect"}

    async def send(_) -> None:
        pass

    headers = [(name.lower(), value) for name, value in request.headers.raw]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
    assert isinstance(client._transport, httpx2.ASGITransport)
    await client._transport.app(scope, receive, send)


async def test_more_sessions_than_allowed_are_refused_until_one_ends(make_client) -> None:
    async with make_client(max_sessions=2) as client:
        first, _ = await RawSession(client, URL).open(), await RawSession(client, URL).open()
        third = RawSession(client, URL)
        refused = await client.post(URL, json=third.request("ping", {}))
        assert (refused.status_code, refused.json()["error"]["message"]) == (503, "Too many open sessions")
        assert await status(first) == 200
        assert (await client.delete(URL, headers=first.headers)).status_code == 200
        assert await status(first) == 404
        assert await status(await third.open()) == 200


def progress(text: str) -> JSONRPCNotification:
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/progress", params={"message": text})


async def replay(events: SessionEvents, event_id: str) -> tuple[list[str], str | None]:
    """Return the ids of the events that are sent again, and the stream that goes on."""
    ids: list[str] = []

    async def note(event) -> None:
        ids.append(event.event_id)

    return ids, await events.replay_events_after(event_id, note)


async def test_the_later_events_of_a_stream_are_replayed_and_none_of_another() -> None:
    events = SessionEvents()
    first = await events.store_event("1", None)
    await events.store_event("2", progress("other"))
    second = await events.store_event("1", progress("mine"))
    assert await replay(events, first) == ([second], "1")
    assert await replay(events, second) == ([], "1")
    answer = await events.store_event("1", JSONRPCResponse(jsonrpc="2.0", id=1, result={}))
    assert await replay(events, first) == ([second, answer], None)  # nothing follows an answer
    assert await replay(events, "unknown") == ([], None)


@pytest.mark.parametrize("limits", [{"max_events": 3}, {"max_chars": 330}])
async def test_of_too_many_events_the_oldest_go_and_the_newest_stays(limits) -> None:
    events = SessionEvents(**limits)
    ids = [await events.store_event("1", progress("x" * 30)) for _ in range(9)]
    assert await replay(events, ids[0]) == ([], None)
    assert await replay(events, ids[-3]) == (ids[-2:], "1")
    large = await events.store_event("1", progress("x" * 5_000))
    assert (await replay(events, large))[1] == "1"
