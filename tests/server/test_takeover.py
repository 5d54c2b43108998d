"""Test the seam between the front door and the server, in real processes and in both eras of the protocol."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from breadcrumb_server.front_door.shapes import CLIENT_CAPABILITIES, PROTOCOL_VERSION
from breadcrumb_server.projects.home import ENV_HOME, Home
from gates import Gate
from held_server import fail_loading, hold_loading

pytestmark = pytest.mark.processes

HANG_SECONDS = 100
SERVER = [sys.executable, "-m", "breadcrumb_server"]
HANDSHAKE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
ENVELOPE = {"_meta": {PROTOCOL_VERSION: MODERN_PROTOCOL_VERSIONS[-1], CLIENT_CAPABILITIES: {}}}
LISTS = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]

eras = pytest.mark.parametrize("era", ["handshake", "envelope"])


class LineClient:
    """A server process and a client that speaks lines."""

    def __init__(self, home: Home, variables: dict[str, str], era: str = "handshake") -> None:
        self.params: dict[str, Any] = ENVELOPE if era == "envelope" else {}
        self.process = subprocess.Popen(
            SERVER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, ENV_HOME: str(home.folder), **variables},
        )
        self._watchdog = threading.Timer(HANG_SECONDS, self.process.kill)
        self._watchdog.start()

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, number: Any, method: str, **params: Any) -> None:
        content = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, **self.params}}
        if number is None:
            content = {"jsonrpc": "2.0", "method": method, "params": params}
        self.write(json.dumps(content).encode())

    def call(self, number: Any, tool: str, **arguments: Any) -> None:
        self.send(number, "tools/call", name=tool, arguments=arguments)

    def line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def answer(self) -> dict[str, Any]:
        """Return the next answer; log messages may come before it."""
        while True:
            message: dict[str, Any] = json.loads(self.line())
            if "id" in message:
                return message

    def begin(self) -> list[bytes]:
        """Ask what clients ask first; return the answers."""
        if self.params:
            self.send("first", "server/discover")
        else:
            self.send("first", "initialize", **HANDSHAKE)
        lines = [self.line()]
        if not self.params:
            self.send(None, "notifications/initialized")
        for method in LISTS:
            self.send(method, method)
            lines.append(self.line())
        return lines

    def end(self) -> tuple[bytes, str]:
        """Close stdin, wait for the end; return the rest of stdout and stderr."""
        out, err = self.process.communicate(timeout=HANG_SECONDS)
        self.close()
        return out, err.decode()

    def close(self) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def clients(home: Home) -> Iterator[Any]:
    started: list[LineClient] = []

    def start(variables: dict[str, str], era: str = "handshake") -> LineClient:
        started.append(LineClient(home, variables, era))
        return started[-1]

    yield start
    for client in started:
        client.close()


@pytest.fixture
def held(tmp_path: Path, gate: Gate) -> dict[str, str]:
    return hold_loading(tmp_path / "hook", gate)


@eras
def test_a_session_goes_over_to_the_server_without_a_seam(clients: Any, held: Any, gate: Gate, home: Home, era: str):
    client = clients(held, era)
    before = client.begin()
    client.call("cancelled", "init_project", project="cancelled")
    client.call("waiting", "init_project", project="shop")
    client.send(None, "notifications/cancelled", requestId="cancelled")
    client.send("still", "prompts/list")
    assert client.answer()["id"] == "still"
    client.call("next", "get_config")  # which lacks its argument
    gate.path.write_text("on")
    answers = {answer["id"]: answer["result"] for answer in (client.answer(), client.answer())}
    assert answers.keys() == {"waiting", "next"}
    assert answers["waiting"]["structuredContent"]["project"] == "shop"
    assert answers["next"]["isError"]
    assert home.project_names() == ["shop"]
    client.call("later", "list_projects")
    assert "shop" in str(client.answer()["result"]["structuredContent"])

    # The same session with the server alone, which gets everything after a line that the front door does not know.
    other = clients({}, era)
    other.write(b"no message")
    assert other.answer()["error"]["code"] == -32700
    home.config_file("shop").unlink()
    assert other.begin() == before
    other.write(b"\xff")
    assert other.answer()["error"]["code"] == -32700
    assert (client.end(), other.end()) == ((b"", ""), (b"", ""))


@eras
def test_lists_are_the_same_before_and_after_the_server_took_over(clients: Any, held: Any, gate: Gate, era: str):
    client = clients(held, era)
    before = client.begin()[1:]
    gate.path.write_text("on")
    client.call("call", "list_projects")
    assert client.answer()["id"] == "call"
    for method, line in zip(LISTS, before, strict=True):
        client.send(method, method)
        assert client.line() == line


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_sdks_own_client_gets_the_tools_while_the_server_is_loading(
    held: Any, gate: Gate, home: Home, mode: Any
) -> None:
    parameters = StdioServerParameters(
        command=SERVER[0], args=SERVER[1:], env={**os.environ, ENV_HOME: str(home.folder), **held}
    )
    async with Client(stdio_client(parameters), mode=mode) as client:
        assert "init_project" in [tool.name for tool in (await client.list_tools()).tools]
        assert (await client.list_prompts()).prompts
        gate.path.write_text("on")
        result = await client.call_tool("list_projects", {})
        assert result.structured_content is not None and not result.is_error


@eras
def test_what_waits_for_a_server_that_cannot_be_loaded_is_told_why(clients: Any, tmp_path: Path, era: str) -> None:
    client = clients(fail_loading(tmp_path / "hook", "libduck.so: cannot open shared object file"), era)
    assert all(b'"result"' in line for line in client.begin())
    client.call("early", "list_projects")
    client.write(b'{"jsonrpc": "2.0", "id": "odd \\ud800", "method": "tools/call", "params": {"name": 1e999}}')
    client.write(b"no message")
    for number in ("early", "odd \ud800"):
        answer = client.answer()
        assert answer["id"] == number
        assert "ImportError: libduck.so: cannot open shared object file" in answer["error"]["message"]
        assert "Install it again" in answer["error"]["message"]
    client.send("list", "tools/list")
    assert client.answer()["id"] == "list"
    client.call("late", "list_projects")
    assert "Install it again" in client.answer()["error"]["message"]
    out, err = client.end()
    assert (client.process.returncode, out) == (1, b"")
    assert "Breadcrumb cannot start: ImportError: libduck.so" in err


def test_a_first_line_that_is_not_known_gets_the_reason_too(clients: Any, tmp_path: Path) -> None:
    client = clients(fail_loading(tmp_path / "hook", "no wheel for this system"))
    client.write(b"no message")
    client.send("first", "initialize", **HANDSHAKE)
    assert "no wheel for this system" in client.answer()["error"]["message"]


def test_calls_say_what_is_wrong_with_duckdb(clients: Any, tmp_path: Path) -> None:
    client = clients(fail_loading(tmp_path / "hook", "libduck.so: cannot open shared object file", "duckdb"))
    client.begin()
    client.call("init", "init_project", project="shop")
    told = str(client.answer())
    assert "libduck.so" in told and "Install" in told
    assert "DuckDB cannot be loaded" in client.end()[1]


@eras
def test_a_client_that_leaves_early_costs_no_loading(clients: Any, tmp_path: Path, era: str) -> None:
    client = clients(fail_loading(tmp_path / "hook", "loaded"), era)
    client.begin()
    assert client.end() == (b"", "")
    assert client.process.returncode == 0


def test_a_client_that_leaves_while_the_server_is_loading_is_not_kept_waiting(
    clients: Any, held: Any, gate: Gate
) -> None:
    client = clients(held)
    client.begin()
    with gate.path.open("w"):  # opens when the server begins to load
        assert client.end() == (b"", "")
        assert client.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_process_while_the_server_is_loading(
    clients: Any, held: Any, gate: Gate, number: signal.Signals
) -> None:
    client = clients(held)
    client.begin()
    client.call("waiting", "list_projects")
    with gate.path.open("w"):
        client.process.send_signal(number)
        assert client.process.wait(HANG_SECONDS) == -number
    assert client.end() == (b"", "")


def test_a_closed_stdout_ends_the_process_without_a_traceback(clients: Any, held: Any) -> None:
    client = clients(held)
    client.process.stdout.close()
    client.send("first", "initialize", **HANDSHAKE)
    assert client.process.wait(HANG_SECONDS) == 1
    assert client.process.stderr.read() == b""


def test_a_client_that_writes_before_it_reads_blocks_nobody(clients: Any, held: Any, gate: Gate) -> None:
    client = clients(held)
    client.begin()
    for number in range(20):  # 1.7 MB of answers
        client.send(number, "tools/list")
    client.call("huge", "list_projects", argument="x" * 1_000_000)
    assert [client.answer()["id"] for _ in range(20)] == list(range(20))
    gate.path.write_text("on")
    answer = client.answer()
    assert answer["id"] == "huge" and answer["result"]["isError"]


@eras
def test_requests_that_wait_at_the_end_of_stdin_are_left_to_the_server(clients: Any, era: str) -> None:
    client = clients({}, era)
    client.begin()
    client.call("waiting", "list_projects")
    out, err = client.end()
    assert client.process.returncode == 0 and err == ""
    # The SDK may cancel what it has not answered when stdin ends.
    assert [json.loads(line)["id"] for line in out.splitlines()] in (["waiting"], [])


def test_a_last_line_without_a_newline_is_answered(home: Home) -> None:
    lines = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE})
    done = subprocess.run(SERVER, input=lines, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert json.loads(done.stdout)["id"] == 1
    assert (done.returncode, done.stderr) == (0, "")


def test_next_to_nothing_is_imported_before_the_first_answers(home: Home) -> None:
    first = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE})
    lines = f'{first}\n{{"jsonrpc": "2.0", "id": 2, "method": "tools/list"}}\n'
    done = subprocess.run(
        [sys.executable, "-S", "-X", "importtime", "-c", START.format(sys.path)],
        input=lines,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, 2]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "breadcrumb_server.front_door.door" in imported
    heavy = {
        "argparse",
        "asyncio",
        "dataclasses",
        "duckdb",
        "importlib.metadata",
        "inspect",
        "logging",
        "mcp",
        "pathlib",
    }
    assert not imported & (heavy | {"pydantic", "tempfile", "threading", "typing"})


START = (
    "import sys; sys.path[:] = {}; from breadcrumb_server.command_line.breadcrumb_mcp import main; sys.exit(main([]))"
)
