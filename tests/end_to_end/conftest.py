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
from sessions import Session


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


class ProjectSession(Session):
    """A session whose questions are about the project "p"."""

    def __init__(self, client: Client, home: Path) -> None:
        super().__init__(client)
        self.home = home

    async def project(self, workspace: Path, include: list[str] | None = None, **capture: Any) -> None:
        """Make the project for a workspace."""
        wanted = {} if include is None else {"include": include}
        await self.ok("init_project", project="p", workspace=str(workspace), **wanted)
        if capture:
            await self.ok("edit_config", project="p", set={f"capture.{k}": v for k, v in capture.items()})

    async def run(self, *command: str, **arguments: Any) -> dict[str, Any]:
        return await self.ok("run", project="p", command=list(command), **{"timeout_seconds": 90, **arguments})

    async def rows(self, sql: str, limit: int = 200) -> list[list[Any]]:
        answer = await self.ok("query_traces", project="p", sql=sql, limit=limit)
        assert not answer["truncated"]
        rows: list[list[Any]] = answer["rows"]
        return rows


StartServer = Callable[[], Awaitable[ProjectSession]]


@pytest.fixture
async def start_server(home: Path, server_command: list[str]) -> AsyncIterator[StartServer]:
    """Return a function that starts one more server on the same home folder."""
    environment = {**os.environ, "BREADCRUMB_HOME": str(home)}
    command, *arguments = server_command
    parameters = StdioServerParameters(command=command, args=arguments, env=environment)
    async with AsyncExitStack() as stack:

        async def start() -> ProjectSession:
            return ProjectSession(await stack.enter_async_context(Client(stdio_client(parameters))), home)

        yield start


@pytest.fixture
async def session(start_server: StartServer) -> ProjectSession:
    return await start_server()


@pytest.fixture
def second_gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "second_gate")
