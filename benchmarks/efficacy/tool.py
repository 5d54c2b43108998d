"""Call one tool of Breadcrumb from a shell, and print what a client would show to its model.

    python tool.py --server breadcrumb-mcp --home FOLDER TOOL '{"argument": "value"}'
    python tool.py --server breadcrumb-mcp --home FOLDER TOOL - < arguments.json
    python tool.py --server breadcrumb-mcp --home FOLDER --list
    python tool.py --home FOLDER --end

The first call of a home folder starts a server over HTTP, which later calls find by the file SERVER_FILE in it: a call
costs what it costs a client, which keeps its server. ``--end`` ends the server. The answer is printed as compact JSON
where it is structured, otherwise as its text; so are errors. ``--list`` prints the server's instructions and the
definitions of its tools, as a client sends them to a model once in a session. Needs the package ``mcp``, which
Breadcrumb brings along.

A ``run`` that does not say how long it waits, waits for RUN_SECONDS.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

RUN_SECONDS = 100
SERVER_FILE = "efficacy-server.json"


def compact(value: Any) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_shown(result: Any) -> str:
    """Return a tool's answer as a client shows it: the structured content, or the text."""
    if result.structured_content is not None and not result.is_error:
        return compact(result.structured_content)
    return "\n".join(block.text for block in result.content if hasattr(block, "text"))


async def definitions(client: Client) -> str:
    """Return what a model is told about the server and its tools."""
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += [
            {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
            for tool in page.tools
        ]
        cursor = page.next_cursor
        if cursor is None:
            break
    return "\n\n".join(filter(None, [client.instructions, *map(compact, tools)]))


def running_server(command: str, home: Path) -> int:
    """Return the port of the server of a home folder; start one if there is none."""
    file = home / SERVER_FILE
    if file.exists():
        port = int(json.loads(file.read_text(encoding="utf-8"))["port"])
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return port
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (home / "efficacy-server.log").open("ab") as log:
        server = subprocess.Popen(
            [command, "serve", "--transport", "http", "--port", str(port)],
            env={**os.environ, "BREADCRUMB_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    file.write_text(json.dumps({"port": port, "pid": server.pid}), encoding="utf-8")
    return port


def end_server(home: Path) -> None:
    """End the server of a home folder, if there is one."""
    file = home / SERVER_FILE
    if file.exists():
        os.kill(json.loads(file.read_text(encoding="utf-8"))["pid"], signal.SIGTERM)
        file.unlink()


async def wait_for_server(port: int) -> None:
    """Wait until the server takes connections."""
    with anyio.fail_after(60):
        while True:
            try:
                await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
            except OSError:
                await anyio.sleep(0.1)
            else:
                return


async def answer(port: int, home: Path, tool: str | None, arguments: dict[str, Any]) -> tuple[str, bool]:
    """Return the text that a client shows, and whether it is an error; without a tool, the definitions."""
    await wait_for_server(port)
    token = home / "http-token"  # a server of before 30 November 2026 has none
    headers = {"Authorization": f"Bearer {token.read_text(encoding='utf-8').strip()}"} if token.exists() else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=RUN_SECONDS + 60) as http,
        Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)) as client,
    ):
        if tool is None:
            return await definitions(client), False
        result = await client.call_tool(tool, arguments)
        return as_shown(result), bool(result.is_error)


def main() -> int:
    """Make the call that the command line asks for; 1 if the tool answered with an error."""
    parser = argparse.ArgumentParser(description="Call one tool of Breadcrumb and print its answer.")
    parser.add_argument("--server", default="breadcrumb-mcp", help="the command of the server")
    parser.add_argument("--home", type=Path, required=True, help="BREADCRUMB_HOME of this session")
    parser.add_argument("--list", action="store_true", help="print the instructions and the tools' definitions")
    parser.add_argument("tool", nargs="?")
    parser.add_argument("arguments", nargs="?", default="{}", help="a JSON object, or - to read it from standard input")
    parser.add_argument("--end", action="store_true", help="end the server of this home")
    options = parser.parse_args()
    if options.end:
        end_server(options.home)
        return 0
    if not options.list and not options.tool:
        parser.error("name a tool, or ask for --list")

    text = sys.stdin.read() if options.arguments == "-" else options.arguments
    try:
        arguments = json.loads(text)
    except ValueError as error:
        parser.error(f"the arguments are not JSON: {error}")
    if not isinstance(arguments, dict):
        parser.error("the arguments are not a JSON object")
    if options.tool == "run":
        arguments.setdefault("wait_seconds", RUN_SECONDS)

    options.home.mkdir(parents=True, exist_ok=True)
    port = running_server(options.server, options.home)
    shown, failed = anyio.run(answer, port, options.home, None if options.list else options.tool, arguments)
    print(shown)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
