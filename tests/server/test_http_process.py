"""Test the real HTTP server process: who gets in, two clients at once, and clients that leave in the middle of a run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.types import ResourceUpdatedNotification

from breadcrumb_server.mcp_server.resources import report_uri
from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.runs import process_group
from breadcrumb_server.tool_sets import SMALL_SET
from http_servers import HANG_SECONDS, HttpServer, RawSession, free_port, http_server
from sessions import Session

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("processes")]

TOKEN = "dG9rZW4tb2YtdGhlLWh0dHAtdGVzdHMtb2YtYnJlYWRjcnVtYg"
MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])  # 2026-07-28 and the protocol before it


@pytest.fixture
def server(home, server_command):
    with http_server(server_command, home.folder) as started:
        yield started


@pytest.fixture
async def raw(server, workspace):
    """Open a session of the protocol before 2026-07-28 with the project "shop"."""
    async with server.http() as http:
        session = await RawSession(http, server.url).open()
        await session.answer(session.call("init_project", project="shop", workspace=str(workspace)))
        yield session


async def tool(session: RawSession, name: str, **arguments):
    return (await session.answer(session.call(name, **arguments)))["structuredContent"]


def test_the_server_names_a_command_that_adds_it_to_a_client_and_never_the_token(server: HttpServer) -> None:
    assert server.token not in server.greeting
    _, _, header = server.greeting.partition("--header ")
    expanded = subprocess.run(["sh", "-c", f"printf %s {header}"], capture_output=True, text=True)
    assert expanded.stdout == f"Authorization: Bearer {server.token}"


@MODES
async def test_a_client_with_the_token_has_the_tools(server: HttpServer, mode) -> None:
    async with server.client(mode) as client:
        assert len((await client.list_tools()).tools) == len(SMALL_SET & {tool.name for tool in all_tools()})


async def test_without_the_token_or_from_a_web_page_nobody_gets_in_and_the_token_is_not_logged(server) -> None:
    right = {"authorization": f"Bearer {server.token}"}
    wrong = "d3JvbmctdG9rZW4td3JvbmctdG9rZW4td3Jvbmc"
    port = server.url.split(":")[2].split("/")[0]
    expected = [
        ({}, 401),
        ({"authorization": f"Bearer {wrong}"}, 401),
        ({**right, "host": "evil.example"}, 421),
        ({**right, "host": f"evil.example:{port}"}, 421),
        ({**right, "origin": "https://evil.example"}, 403),
        ({**right, "origin": "null"}, 403),
        ({**right, "host": "localhost", "origin": "http://localhost:6274"}, 200),
        ({**right, "host": f"[::1]:{port}"}, 200),
    ]
    initialize = RawSession(httpx2.AsyncClient(), server.url)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with httpx2.AsyncClient() as http:
        for headers, status in expected:
            accept = {"accept": "application/json, text/event-stream", **headers}
            message = initialize.request("initialize", params)
            assert (await http.post(server.url, json=message, headers=accept)).status_code == status, headers
    server.process.send_signal(signal.SIGTERM)
    _, err = server.process.communicate(timeout=HANG_SECONDS)
    assert "evil.example" in err  # what is refused is logged
    assert server.token not in err and wrong not in err


async def test_two_clients_at_once_see_the_same_runs(server, workspace, hanging, gate) -> None:
    async with server.client("legacy") as one, server.client("auto") as two:
        first, second = Session(one), Session(two)
        await first.ok("init_project", project="shop", workspace=str(workspace))
        reports: list[dict] = []

        async def run() -> None:
            reports.append(await first.ok("run", project="shop", command=hanging, timeout_seconds=300))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await gate.message()
            stopped = await second.ok("stop_run", project="shop", trace_id="latest")
        assert (stopped["status"], reports[0]["status"]) == ("stopped", "stopped")
        assert reports[0]["trace_id"] == stopped["trace_id"]


@pytest.fixture
def waiting(write, tmp_path) -> tuple[list[str], Path, Path]:
    """Return a command that opens the first pipe, and then the second one, before it ends."""
    pipes = [tmp_path / name for name in ("begin", "end")]
    for pipe in pipes:
        os.mkfifo(pipe)
    begin, end = pipes
    script = write("wait.py", f"open({str(begin)!r}, 'w').write('here')\nopen({str(end)!r}).read()\n")
    return [sys.executable, str(script)], begin, end


async def read(pipe: Path) -> str:
    with anyio.fail_after(HANG_SECONDS):
        return await anyio.to_thread.run_sync(pipe.read_text, abandon_on_cancel=True)


async def let_end(pipe: Path) -> None:
    with anyio.fail_after(HANG_SECONDS):
        await anyio.to_thread.run_sync(pipe.write_text, "go on", abandon_on_cancel=True)


async def test_a_client_that_comes_back_gets_the_rest_of_its_call(raw, waiting) -> None:
    command, begin, end = waiting
    call = raw.call("run", project="shop", command=command, timeout_seconds=300)
    async with raw.events("POST", json=call) as events:
        first = await anext(events)
        assert first["retry"] == "1000" and first["data"] == {}
        assert (await anext(events))["data"]["method"] == "notifications/progress"
        await read(begin)
    await let_end(end)
    async with raw.events("GET", headers={"last-event-id": first["id"]}) as events:
        messages = [(await anext(events))["data"]]
        while messages[-1].get("id") != call["id"]:
            messages.append((await anext(events))["data"])
    assert messages[0]["method"] == "notifications/progress"  # the one that was sent in vain
    assert messages[-1]["result"]["structuredContent"]["status"] == "completed"


async def test_no_session_is_sent_the_events_of_another(raw, server) -> None:
    await tool(raw, "list_projects")
    call = raw.call("list_projects")
    async with raw.events("POST", json=call) as events:
        last = (await anext(events))["id"]
    other = await RawSession(raw.http, server.url).open()
    async with other.events("GET", headers={"last-event-id": last}) as events:
        assert [event async for event in events] == []


async def gone_run(session, end: Path) -> None:
    """Check that the run of a client that left goes on, is told once, and says so in the end."""
    listed: dict = {}
    with anyio.fail_after(HANG_SECONDS):
        while not listed.get("notes"):  # until the server has noticed
            listed = await session("list_traces", project="shop")
    (row,) = [dict(zip(listed["columns"], row, strict=True)) for row in listed["rows"]]
    assert row["status"] == "running"
    (note,) = listed["notes"]
    assert row["trace_id"] in note and "connection" in note and "wait_for_run" in note
    assert not (await session("list_traces", project="shop")).get("notes")
    await let_end(end)
    report = await session("wait_for_run", project="shop", trace_id=row["trace_id"], wait_seconds=60)
    assert report["status"] == "completed"
    assert "The connection of the call that started it broke" in str(report)


async def test_a_run_whose_client_left_goes_on_and_is_told_later(raw, waiting) -> None:
    command, begin, end = waiting
    async with raw.events("POST", json=raw.call("run", project="shop", command=command, timeout_seconds=300)) as events:
        await anext(events)
        await read(begin)
    await gone_run(lambda name, **arguments: tool(raw, name, **arguments), end)


async def test_a_run_whose_client_left_goes_on_in_the_newer_protocol_too(server, workspace, waiting) -> None:
    command, begin, end = waiting
    async with server.client("auto") as client:
        session = Session(client)
        await session.ok("init_project", project="shop", workspace=str(workspace))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: session.ok("run", project="shop", command=command, timeout_seconds=300))
            await read(begin)
            tasks.cancel_scope.cancel()  # which closes the stream, and says no more
        await gone_run(session.ok, end)


async def test_a_call_that_is_cancelled_in_so_many_words_ends_its_command(raw, hanging, gate) -> None:
    call = raw.call("run", project="shop", command=hanging, timeout_seconds=300)
    async with raw.events("POST", json=call) as events:
        await anext(events)
        pid = int(await gate.message())
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call["id"]}}
        assert (await raw.http.post(raw.url, json=cancelled, headers=raw.headers)).status_code == 202
    report = await tool(raw, "wait_for_run", project="shop", trace_id="latest", wait_seconds=60)
    assert report["status"] == "stopped"
    assert process_group.start_time(pid) is None


async def test_a_deleted_session_ends_its_call_and_no_other_session(raw, server, hanging, gate) -> None:
    other = await RawSession(raw.http, server.url).open()
    call = raw.call("run", project="shop", command=hanging, timeout_seconds=300)
    async with raw.events("POST", json=call) as events:
        await anext(events)
        pid = int(await gate.message())
        assert (await raw.http.delete(raw.url, headers=raw.headers)).status_code == 200
    assert (await raw.http.post(raw.url, json=raw.request("ping", {}), headers=raw.headers)).status_code == 404
    report = await tool(other, "wait_for_run", project="shop", trace_id="latest", wait_seconds=60)
    assert report["status"] == "stopped"
    assert process_group.start_time(pid) is None


async def test_a_session_hears_of_a_report_on_its_stream(server, workspace, hanging, gate) -> None:
    heard: list[str] = []
    was_heard = anyio.Event()

    async def note(message) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.append(str(message.params.uri))
            was_heard.set()

    async with server.client("legacy", message_handler=note) as client:
        session = Session(client)
        await session.ok("init_project", project="shop", workspace=str(workspace))
        report = await session.ok("run", project="shop", command=hanging, timeout_seconds=300, wait_seconds=0)
        await gate.message()
        uri = report_uri("shop", report["trace_id"])
        with pytest.warns(MCPDeprecationWarning):
            await client.subscribe_resource(uri)
        await session.ok("stop_run", project="shop", trace_id="latest")
        with anyio.fail_after(HANG_SECONDS):
            await was_heard.wait()
        assert heard == [uri]


async def test_a_listener_hears_of_a_report_on_its_request(server, workspace, hanging, gate) -> None:
    async with server.client("auto") as client:
        session = Session(client)
        await session.ok("init_project", project="shop", workspace=str(workspace))
        report = await session.ok("run", project="shop", command=hanging, timeout_seconds=300, wait_seconds=0)
        await gate.message()
        uri = report_uri("shop", report["trace_id"])
        async with client.listen(resource_subscriptions=[uri]) as events:
            await session.ok("stop_run", project="shop", trace_id="latest")
            with anyio.fail_after(HANG_SECONDS):
                assert await anext(aiter(events)) == ResourceUpdated(uri)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_the_server_and_its_commands(raw, server, hanging, gate, number) -> None:
    await tool(raw, "run", project="shop", command=hanging, timeout_seconds=300, wait_seconds=0)
    pid = int(await gate.message())
    server.process.send_signal(number)
    assert await anyio.to_thread.run_sync(server.process.wait, HANG_SECONDS) in (0, -number)
    assert process_group.start_time(pid) is None


async def test_commands_do_not_see_the_token(home, server_command, workspace) -> None:
    program = "import os; print([name for name in os.environ if 'TOKEN' in name])"
    with http_server(server_command, home.folder, BREADCRUMB_HTTP_TOKEN=TOKEN) as server:
        assert "$BREADCRUMB_HTTP_TOKEN" in server.greeting and not (home.folder / "http-token").exists()
        async with server.client() as client:
            session = Session(client)
            await session.ok("init_project", project="shop", workspace=str(workspace))
            command = [sys.executable, "-c", program]
            report = await session.ok("run", project="shop", command=command, timeout_seconds=60)
            assert report["stdout_tail"].strip() == "[]"


async def test_it_listens_on_ipv6(home, server_command) -> None:
    port = str(free_port(socket.AF_INET6))
    with http_server(server_command, home.folder, "--host", "::1", "--port", port) as server:
        assert server.url == f"http://[::1]:{port}/mcp"
        async with server.client() as client:
            await client.list_tools()


async def test_a_further_name_is_let_in_by_allow_host(home, server_command) -> None:
    with http_server(server_command, home.folder, "--allow-host", "Breadcrumb.internal") as server:
        async with server.http() as http:
            session = RawSession(http, server.url)
            http.headers["host"] = "breadcrumb.internal:80"
            await session.open()
            http.headers["host"] = "other.internal"
            assert (await http.post(server.url, json=session.request("ping", {}))).status_code == 421
