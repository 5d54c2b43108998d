"""Provide each test with a home folder, a workspace and a client of the real server."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from breadcrumb_server.mcp_server.server import BreadcrumbServer, build_server
from breadcrumb_server.projects.home import ENV_HOME, Home
from gates import Gate


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    folder = tmp_path / "home"
    monkeypatch.setenv(ENV_HOME, str(folder))
    return Home(folder)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def write(workspace: Path) -> Callable[[str, str], Path]:
    """Return a function that writes a file into the workspace."""

    def write_file(name: str, text: str = "") -> Path:
        file = workspace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write_file


@dataclass
class Session:
    """A client that calls tools and collects the progress they report."""

    client: Client
    progress: list[float] = field(default_factory=list)

    async def ok(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed; return its answer."""
        result = await self.client.call_tool(tool, arguments, progress_callback=self._note)
        text = "".join(getattr(block, "text", "") for block in result.content)
        assert not result.is_error, text
        assert result.structured_content is not None
        return result.structured_content

    async def error(self, tool: str, **arguments: Any) -> str:
        """Call a tool that must fail; return the text of the error."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, result.structured_content
        return "".join(getattr(block, "text", "") for block in result.content)

    async def _note(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append(progress)


@pytest.fixture
def server(home: Home) -> BreadcrumbServer:
    return build_server(home)


@pytest.fixture(params=["auto", "legacy"])
async def either_session(request: pytest.FixtureRequest, server: BreadcrumbServer) -> AsyncIterator[Session]:
    """Open a session in each of the two protocols that clients use."""
    async with Client(server, mode=request.param) as client:
        yield Session(client)


@pytest.fixture
async def session(server: BreadcrumbServer) -> AsyncIterator[Session]:
    async with Client(server, mode="legacy") as client:
        yield Session(client)


@pytest.fixture
async def shop(session: Session, workspace: Path) -> Session:
    """Open a session with the project "shop" for the workspace."""
    await session.ok("init_project", project="shop", workspace=str(workspace))
    return session


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def hanging(write: Callable[[str, str], Path], gate: Gate) -> list[str]:
    """Return a command that writes its pid into the gate and then never ends."""
    script = write(
        "hang.py",
        f"import os, signal\ndef wait():\n    open({str(gate.path)!r}, 'w').write(str(os.getpid()))\n"
        "    signal.pause()\nwait()\n",
    )
    return [sys.executable, str(script)]
