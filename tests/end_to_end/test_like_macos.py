"""Test that server and traced program need nothing of Linux: with ``sys.platform`` darwin, and with the flags off."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from sessions import Session
from spool_reader import TARGETS

pytestmark = [pytest.mark.processes, pytest.mark.anyio]

LIKE_MACOS = str(Path(__file__).parent.parent / "support" / "like_macos.py")
PROGRAM = str(TARGETS / "of_all_kinds.py")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the file in which each reach for Linux is written."""
    return tmp_path / "reaches for Linux"


@pytest.fixture
async def session(tmp_path: Path, log: Path) -> AsyncIterator[Session]:
    """Start a server as on macOS."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-S", LIKE_MACOS, str(log), "-m", "breadcrumb_server"],
        env={**os.environ, "BREADCRUMB_HOME": str(tmp_path / "home")},
    )
    async with AsyncExitStack() as stack:
        yield Session(await stack.enter_async_context(Client(stdio_client(parameters))))


def expect_empty(log: Path) -> None:
    assert log.read_text() == ""


async def run(session: Session, log: Path, *arguments: str, **options: Any) -> dict[str, Any]:
    """Make the project, and run the program as on macOS under the server."""
    await session.ok("init_project", project="p", workspace=str(TARGETS), include=["__main__"])
    command = [sys.executable, "-S", LIKE_MACOS, str(log), PROGRAM, *arguments]
    return await session.ok("run", project="p", command=command, **{"timeout_seconds": 90, **options})


async def test_a_run_is_traced_with_all_its_processes_and_reaches_for_nothing_of_linux(
    session: Session, log: Path
) -> None:
    report = await run(session, log)
    assert (report["status"], report["stdout_tail"]) == ("completed", "done"), report
    counted = await session.ok(
        "query_traces",
        project="p",
        sql="SELECT function_name, count(*), count(DISTINCT process_id) FROM calls WHERE function_name IN "
        "('double', 'fails', 'hot', 'child') GROUP BY 1 ORDER BY 1",
    )
    assert [row[::2] for row in counted["rows"]] == [["child", 1], ["double", 2], ["fails", 1], ["hot", 1]]
    assert [row[1] for row in counted["rows"][:3]] == [1, 2, 1]
    parents = await session.ok("query_traces", project="p", sql="SELECT pid, parent_pid, started_by FROM processes")
    pids = [pid for pid, _, _ in parents["rows"]]
    assert sorted(parent in pids for _, parent, _ in parents["rows"]) == [False, True, True]
    found = await session.ok("find_exceptions", project="p")
    assert "open-sesame-77" not in str(found)
    expect_empty(log)


async def test_a_run_that_hangs_answers_with_its_stacks_and_reaches_for_nothing_of_linux(
    session: Session, log: Path
) -> None:
    report = await run(session, log, "wait", timeout_seconds=8)
    assert (report["status"], report["signal"]) == ("timeout", "SIGTERM"), report
    assert "secret_number" in "\n".join(report["stacks"]), report
    expect_empty(log)


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, also where its new parent has not noticed that yet."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 0)[0])
    finally:
        os.close(descriptor)


async def test_what_outlives_the_command_is_ended_also_if_it_has_left_the_session(
    session: Session, log: Path, tmp_path: Path
) -> None:
    await session.ok("init_project", project="p", workspace=str(TARGETS), include=["__main__"])
    mine = tmp_path / "pid"
    code = f"import os, signal; os.setsid(); open({str(mine)!r}, 'w').write(str(os.getpid())); signal.pause()"
    shell = f'"{sys.executable}" -c "{code}" & while ! test -s "{mine}"; do :; done'
    report = await session.ok("run", project="p", command=["sh", "-c", shell], timeout_seconds=90)
    assert "1 process that the command had started outlived it" in str(report), report
    assert has_ended(int(mine.read_text()))
    expect_empty(log)
