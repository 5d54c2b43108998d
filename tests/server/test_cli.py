from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from importlib.metadata import version

import pytest

from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.runs import process_group

pytestmark = pytest.mark.processes


def breadcrumb(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "breadcrumb_server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options)


def test_the_version_is_printed() -> None:
    done = breadcrumb("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"breadcrumb-mcp {version('breadcrumb-mcp')}")


@pytest.mark.parametrize(
    "arguments",
    [["sevre"], ["--prot", "1"], ["serve", "--transport", "carrier"], ["serve", "--port", "70000"], ["serve", "x"]],
)
def test_wrong_usage_prints_the_usage_without_a_traceback(arguments: list[str]) -> None:
    done = breadcrumb(*arguments)
    assert done.returncode == 2
    assert "usage: breadcrumb-mcp" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_a_command_it_serves_until_stdin_ends(home) -> None:
    done = breadcrumb()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


HTTP_CLIENT = """
import json, sys, anyio, socket
from mcp import Client
async def main():
    while True:  # until it listens
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(sys.argv[1]))) == 0:
                break
        await anyio.sleep(0.05)
    async with Client(f"http://127.0.0.1:{sys.argv[1]}/mcp") as client:
        print(len((await client.list_tools()).tools), "tools", flush=True)
        for call in sys.argv[2:]:
            await client.call_tool(*json.loads(call))
anyio.run(main)
"""


@pytest.fixture
def http_server(home, server_command):
    """Start an HTTP server; yield it and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [*server_command, "serve", "--transport", "http", "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BREADCRUMB_HOME": str(home.folder)},
    ) as server:
        assert server.stderr is not None
        assert server.stderr.readline().strip() == f"Serving MCP at http://127.0.0.1:{port}/mcp"
        yield server, port
        server.kill()


def test_http_is_served_on_loopback_until_a_signal(http_server) -> None:
    server, port = http_server
    client = subprocess.run([sys.executable, "-c", HTTP_CLIENT, str(port)], capture_output=True, text=True, timeout=60)
    assert client.stdout.strip() == f"{len(all_tools())} tools", client.stderr
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_http_server_ends_its_commands_at_a_signal(http_server, hanging, gate, workspace, number) -> None:
    server, port = http_server
    calls = [
        ("init_project", {"project": "shop", "workspace": str(workspace)}),
        ("run", {"project": "shop", "command": hanging, "timeout_seconds": 300}),
    ]
    command = [sys.executable, "-c", HTTP_CLIENT, str(port), *(json.dumps(call) for call in calls)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        pid = int(gate.path.read_text())
        server.send_signal(number)
        server.wait(60)
        assert process_group.start_time(pid) is None
        client.kill()


def test_a_port_in_use_is_reported_without_a_traceback(http_server) -> None:
    done = breadcrumb("serve", "--transport", "http", "--port", str(http_server[1]))
    assert done.returncode == 1
    assert f"cannot listen on port {http_server[1]}" in done.stderr and "Traceback" not in done.stderr


def test_closing_stdout_early_prints_no_traceback(home) -> None:
    command = [sys.executable, "-m", "breadcrumb_server", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None and demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert "Traceback" not in demo.stderr.read()
        assert demo.wait(60) == 1


def test_the_demo_finds_the_bug_with_the_tools_alone(home, tmp_path) -> None:
    done = breadcrumb("demo", env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found: ratebook.lookup.country_code('DE-BY') returns 'BY'" in done.stdout
    assert "\x1b" not in done.stdout
    assert "claude mcp add breadcrumb" in done.stdout
    assert not home.folder.exists(), "the demo wrote into the user's own home"
    assert [entry for entry in tmp_path.iterdir() if entry.name.startswith("breadcrumb-demo")] == []
