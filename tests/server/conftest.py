"""Provide each test with a home folder, a workspace and a client of the real server."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from breadcrumb_server.mcp_server.server import BreadcrumbServer, build_server
from breadcrumb_server.projects.home import ENV_HOME, Home
from gates import Gate
from sessions import Session
from stdio_server import ServerProcess


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    folder = tmp_path / "home"
    monkeypatch.setenv(ENV_HOME, str(folder))
    return Home(folder)


@pytest.fixture
def write(workspace: Path) -> Callable[[str, str], Path]:
    """Return a function that writes a file into the workspace."""

    def write_file(name: str, text: str = "") -> Path:
        file = workspace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write_file


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
def hanging(write: Callable[[str, str], Path], gate: Gate, processes: None) -> list[str]:
    """Return a command that writes its pid into the gate and then never ends."""
    script = write(
        "hang.py",
        f"import os, signal\ndef wait():\n    open({str(gate.path)!r}, 'w').write(str(os.getpid()))\n"
        "    signal.pause()\nwait()\n",
    )
    return [sys.executable, str(script)]


@pytest.fixture
def servers(home: Home, server_command: list[str]) -> Iterator[Any]:
    started: list[ServerProcess] = []

    def start(command: list[str] = server_command) -> ServerProcess:
        started.append(ServerProcess(home, command))
        return started[-1]

    yield start
    for server in started:
        server.close()
