"""Queries work while a command runs, and its records survive the death of the command and of the server."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from breadcrumb_server.runs.state import state_file
from pythons import NEWEST
from spool_reader import interpreter

pytestmark = pytest.mark.anyio

CALLS = 4000
# Makes its calls, reports that, makes as many again, reports that, and waits for ever.
PROGRAM = """
import signal, sys

def handle(request):
    return {"id": request, "double": request * 2}

def serve(gate, start, count):
    for request in range(start, start + count):
        handle(request)
    with open(gate, "w") as stream:
        stream.write("served")

def main(first_gate, second_gate, count):
    serve(first_gate, 0, count)
    serve(second_gate, count, count)
    signal.pause()

main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
"""


@pytest.fixture(params=["3.11", NEWEST])
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


@pytest.fixture
async def running(session, python, workspace, gate, second_gate) -> str:
    """Start a run, wait for its first calls, and return its trace id."""
    (workspace / "service.py").write_text(PROGRAM)
    await session.project(workspace, ["__main__"], mode="full")
    command = (python, "service.py", str(gate.path), str(second_gate.path), str(CALLS))
    report = await session.run(*command, wait_seconds=0)
    assert report["status"] == "running"
    await gate.message()
    return report["trace_id"]


async def handled(session) -> list:
    sql = "SELECT count(*), count(DISTINCT (args->>'$.request')::INT) FROM calls WHERE function_name = 'handle'"
    (row,) = await session.rows(sql)
    return row


async def test_queries_during_a_run_see_what_is_recorded_so_far(session, running, second_gate) -> None:
    last = await session.ok("get_calls", project="p", function="handle", where={"args.request": CALLS - 1})
    assert last["total"] == 1
    assert str(2 * (CALLS - 1)) in str(last["rows"])
    assert (await session.ok("get_trace", project="p", trace_id=running))["status"] == "running"
    await second_gate.message()
    assert await handled(session) == [2 * CALLS, 2 * CALLS]
    report = await session.ok("stop_run", project="p", trace_id=running)
    assert report["status"] == "stopped"
    assert any("main" in line for line in report["open_calls"])
    assert await handled(session) == [2 * CALLS, 2 * CALLS]


async def test_calls_recorded_before_the_command_was_killed_are_kept(session, running, second_gate, home) -> None:
    await second_gate.message()
    os.kill(run_state(home, running)["child_pid"], signal.SIGKILL)
    report = await session.ok("wait_for_run", project="p", trace_id=running, wait_seconds=60)
    assert (report["status"], report["signal"]) == ("crashed", "SIGKILL")
    assert await handled(session) == [2 * CALLS, 2 * CALLS]
    unfinished = await session.rows("SELECT function_name FROM calls WHERE outcome = 'unfinished' ORDER BY call_id")
    assert unfinished[:2] == [["<module>"], ["main"]]


async def test_the_trace_of_a_killed_server_is_recovered_exactly_once(
    session, running, second_gate, home, start_server
) -> None:
    (recorded, distinct) = await handled(session)
    assert CALLS <= recorded == distinct  # some are already in the database
    await second_gate.message()
    os.kill(run_state(home, running)["server_pid"], signal.SIGKILL)
    after = await start_server()
    report = await after.ok("get_trace", project="p", trace_id=running)
    assert report["status"] == "stopped"
    assert await handled(after) == [2 * CALLS, 2 * CALLS]
    assert not spool(home, running).exists()


def spool(home: Path, trace_id: str) -> Path:
    return home / "spool" / "p" / trace_id


def run_state(home: Path, trace_id: str) -> dict:
    return json.loads(state_file(spool(home, trace_id)).read_text())
