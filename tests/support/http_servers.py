"""Real HTTP servers, and clients of them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

HANG_SECONDS = 100
ACCEPT = {"accept": "application/json, text/event-stream"}
# The revision of the protocol before 2026-07-28: sessions, resumable streams.
VERSION = "2025-11-25"


def free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    """Return a port that nobody listens on."""
    with socket.socket(family) as probe:
        probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HttpServer:
    """A server process with its URL and its token."""

    def __init__(self, process: subprocess.Popen[str], url: str, token: str, greeting: str) -> None:
        self.process = process
        self.url = url
        self.token = token
        self.greeting = greeting

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an allowed request."""
        return {"authorization": f"Bearer {self.token}", **ACCEPT}

    def http(self) -> httpx2.AsyncClient:
        """Return a plain client that sends the token."""
        return httpx2.AsyncClient(headers=self.headers, timeout=HANG_SECONDS)

    @asynccontextmanager
    async def client(self, mode: Any = "auto", **options: Any) -> AsyncIterator[Client]:
        """Connect as an agent does."""
        async with (
            self.http() as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode, **options) as client,
        ):
            yield client


@contextmanager
def http_server(command: list[str], home: Path, *options: str, **variables: str) -> Iterator[HttpServer]:
    """Start a server on a free port, and kill it at the end.

    Args:
        command: The command of a server.
        home: Its home folder.
        options: Further options of ``serve``.
        variables: Further environment variables.
    """
    arguments = ["serve", "--transport", "http", "--port", str(free_port()), *options]
    with subprocess.Popen(
        [*command, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BREADCRUMB_HOME": str(home), **variables},
    ) as process:
        assert process.stderr is not None
        watchdog = threading.Timer(HANG_SECONDS, process.kill)
        watchdog.start()
        greeting = process.stderr.readline() + process.stderr.readline()
        url = next(word.rstrip(",") for word in greeting.split() if word.startswith("http://"))
        token = variables.get("BREADCRUMB_HTTP_TOKEN") or (home / "http-token").read_text().strip()
        try:
            yield HttpServer(process, url, token, greeting)
        finally:
            watchdog.cancel()
            process.kill()


class RawSession:
    """A session of the protocol before 2026-07-28, message by message."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self.http = http
        self.url = url
        self.headers = {"mcp-protocol-version": VERSION}
        self._number = 0

    async def open(self) -> RawSession:
        """Initialize the session."""
        client = {"name": "test", "version": "1"}
        params = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client}
        answer = await self.http.post(self.url, json=self.request("initialize", params))
        assert answer.status_code == 200, answer.text
        self.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await self.http.post(self.url, json=initialized, headers=self.headers)).status_code == 202
        return self

    def request(self, method: str, params: Any) -> dict[str, Any]:
        """Make a request."""
        self._number += 1
        return {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Make a call of a tool that reports its progress."""
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": f"progress-{self._number + 1}"}}
        return self.request("tools/call", params)

    async def answer(self, message: dict[str, Any]) -> Any:
        """Send a request and return its result."""
        async with self.events("POST", json=message) as events:
            async for event in events:
                if event["data"].get("id") == message["id"]:
                    return event["data"]["result"]
        raise AssertionError("the stream ended without an answer")

    @asynccontextmanager
    async def events(self, method: str, **options: Any) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Send a request and yield the events of the answer: id, retry and data. The connection breaks at the end."""
        headers = {**self.headers, **options.pop("headers", {})}
        with anyio.fail_after(HANG_SECONDS):
            async with self.http.stream(method, self.url, headers=headers, **options) as answer:
                assert answer.status_code == 200, await answer.aread()
                yield _parse(answer)


async def _parse(answer: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    fields: dict[str, Any] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        if name in ("id", "retry", "data"):
            fields[name] = value.strip()
        elif not line and fields:
            yield {**fields, "data": json.loads(fields["data"]) if fields.get("data") else {}}
            fields = {}
