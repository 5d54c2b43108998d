"""A real client that starts a real server over stdio, with a home folder of its own for each test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from gates import Gate


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


class Session:
    """Calls tools as an agent does."""

    def __init__(self, client: Client, home: Path) -> None:
        self._client = client
        self.home = home

    async def ok(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, _text(result)
        assert result.structured_content is not None
        return result.structured_content

    async def error(self, tool: str, **arguments: Any) -> str:
        result = await self._client.call_tool(tool, arguments)
        assert result.is_error, result.structured_content
        return _text(result)

    async def project(self, workspace: Path, include: list[str] | None = None, **capture: Any) -> None:
        """Make the project "p" for a workspace."""
        wanted = {} if include is None else {"include": include}
        await self.ok("init_project", project="p", workspace=str(workspace), **wanted)
        if capture:
            await self.ok("edit_config", project="p", set={f"capture.{k}": v for k, v in capture.items()})

    async def run(self, *command: str, **arguments: Any) -> dict[str, Any]:
        return await self.ok("run", project="p", command=list(command), **{"timeout_seconds": 90, **arguments})

    async def rows(self, sql: str, limit: int = 200) -> list[list[Any]]:
        answer = await self.ok("query_traces", project="p", sql=sql, limit=limit)
        assert not answer["truncated"]
        return answer["rows"]


def _text(result: Any) -> str:
    return "".join(getattr(block, "text", "") for block in result.content)


StartServer = Callable[[], Awaitable[Session]]


@pytest.fixture
async def start_server(home: Path, server_command: list[str]) -> AsyncIterator[StartServer]:
    """Return a function that starts one more server on the same home folder."""
    environment = {**os.environ, "BREADCRUMB_HOME": str(home)}
    command, *arguments = server_command
    parameters = StdioServerParameters(command=command, args=arguments, env=environment)
    async with AsyncExitStack() as stack:

        async def start() -> Session:
            return Session(await stack.enter_async_context(Client(stdio_client(parameters))), home)

        yield start


@pytest.fixture
async def session(start_server: StartServer) -> Session:
    return await start_server()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def second_gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "second_gate")
