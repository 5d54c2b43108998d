"""Test the real server process over stdio: what ends it, what it leaves and what it prints."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from breadcrumb.platform_features import HAS_SUBREAPER
from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.process_table import look
from sql_attacks import GREEDY
from stdio_server import HANG_SECONDS, ServerProcess


def read_pid(gate: Any) -> int:
    return int(Path(gate.path).read_text())


@pytest.fixture
def running(servers: Any, workspace: Path, hanging: list[str], gate: Any) -> tuple[ServerProcess, int, str]:
    """Start a server with a command that hangs; return the server, the command's pid and its trace id."""
    server = servers()
    server.call("init_project", project="shop", workspace=str(workspace))
    report = server.call("run", project="shop", command=hanging, timeout_seconds=300, wait_seconds=0)
    return server, read_pid(gate), report["trace_id"]


def statuses(server: ServerProcess) -> list[str]:
    """Return the status of each trace."""
    listed = server.call("list_traces", project="shop")
    return [row[listed["columns"].index("status")] for row in listed["rows"]]


@pytest.mark.parametrize("greedy", ["nested tables that double", "a product"])
def test_the_server_ends_with_stdin_whatever_a_question_computes(servers, workspace, greedy) -> None:
    """DuckDB notices no interrupt while it plans the first, and could be interrupted in the second."""
    server = servers([sys.executable, "-m", "breadcrumb_server"])
    server.call("init_project", project="shop", workspace=str(workspace))
    server.call("query_traces", project="shop", sql="SELECT 1")
    [worker] = children(server.process.pid)
    server.start_call("query_traces", project="shop", sql=GREEDY[greedy])
    computing = look().stat(worker)
    while computing is not None and computing.state != "R":
        computing = look().stat(worker)

    output, _ = server.end()

    assert not process_group.may_run(worker)
    assert "was stopped after" not in output  # nor was its time waited for


def children(pid: int) -> list[int]:
    table = look()
    stats = {child: table.stat(child) for child in table.pids()}
    return [child for child, stat in stats.items() if stat is not None and stat.parent == pid and not stat.has_ended]


def test_starting_and_ending_a_server_touches_no_file(servers: Any, home: Home) -> None:
    server = servers([sys.executable, "-m", "breadcrumb_server"])
    server.request("tools/list", {})
    out, err = server.end()
    assert (server.process.returncode, out, err) == (0, "", "")
    assert not home.folder.exists()


def test_closing_stdin_ends_the_command_and_finishes_its_trace(running: Any, servers: Any) -> None:
    server, pid, _ = running
    _, err = server.end()
    assert server.process.returncode == 0
    assert "Traceback" not in err
    assert process_group.start_time(pid) is None
    assert statuses(servers()) == ["stopped"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_and_finishes_its_trace(running: Any, servers: Any, number: signal.Signals) -> None:
    server, pid, _ = running
    server.process.send_signal(number)
    assert server.process.wait(HANG_SECONDS) == -number
    assert process_group.start_time(pid) is None
    assert statuses(servers()) == ["stopped"]


def test_a_signal_ends_a_server_during_a_call_of_run(
    servers: Any, workspace: Path, hanging: list[str], gate: Any
) -> None:
    server = servers()
    server.call("init_project", project="shop", workspace=str(workspace))
    server.start_call("run", project="shop", command=hanging, timeout_seconds=300)
    pid = read_pid(gate)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(HANG_SECONDS)
    assert process_group.start_time(pid) is None


def test_a_cancelled_call_ends_its_command(servers: Any, workspace: Path, hanging: list[str], gate: Any) -> None:
    server = servers()
    server.call("init_project", project="shop", workspace=str(workspace))
    number = server.start_call("run", project="shop", command=hanging, timeout_seconds=300)
    pid = read_pid(gate)
    server.send({"method": "notifications/cancelled", "params": {"requestId": number}})
    listed = server.call("list_traces", project="shop")
    trace_id = listed["rows"][0][listed["columns"].index("trace_id")]
    report = server.call("wait_for_run", project="shop", trace_id=trace_id, wait_seconds=30)
    assert report["status"] == "stopped"
    assert process_group.start_time(pid) is None


def test_the_run_of_a_killed_server_ends_and_the_next_one_finishes_its_trace(
    running: Any, servers: Any, home: Home
) -> None:
    server, pid, trace_id = running
    (state,) = (home.folder / "spool").glob("*/*.json")
    command = os.pidfd_open(pid)
    os.kill(json.loads(state.read_text())["server_pid"], signal.SIGKILL)
    assert server.process.wait(HANG_SECONDS) == -signal.SIGKILL
    if HAS_SUBREAPER:  # elsewhere the next question ends it
        assert select.select([command], [], [], HANG_SECONDS)[0]
    report = servers().call("get_trace", project="shop", trace_id=trace_id)
    assert report["status"] == "stopped"
    assert "server that ran this command died" in str(report)
    assert any("wait" in line for line in report["open_calls"])
    assert select.select([command], [], [], HANG_SECONDS)[0]
    os.close(command)
    assert process_group.start_time(pid) is None


def test_a_second_server_can_await_and_stop_a_run_of_the_first(running: Any, servers: Any) -> None:
    first, pid, trace_id = running
    second = servers()
    assert second.call("wait_for_run", project="shop", trace_id=trace_id, wait_seconds=0)["status"] == "running"
    assert second.call("stop_run", project="shop", trace_id=trace_id)["status"] == "stopped"
    assert process_group.start_time(pid) is None
    assert statuses(first) == ["stopped"]


def test_two_servers_run_in_the_same_project_at_the_same_time(servers: Any, workspace: Path) -> None:
    pair = [servers(), servers()]
    pair[0].call("init_project", project="shop", workspace=str(workspace))
    for _ in range(2):
        numbers = [
            server.start_call("run", project="shop", command=[sys.executable, "-c", "print(1)"], timeout_seconds=60)
            for server in pair
        ]
        for server, number in zip(pair, numbers, strict=True):
            assert server.answer(number)["structuredContent"]["status"] == "completed"
    assert statuses(pair[0]) == ["completed"] * 4


def test_the_output_of_a_command_does_not_reach_the_servers_stdout(servers: Any, workspace: Path) -> None:
    server = servers()
    server.call("init_project", project="shop", workspace=str(workspace))
    report = server.call("run", project="shop", command="echo stray", timeout_seconds=60)
    assert "stdout:\n  stray\n" in report["report"]
    assert server.end()[0] == ""
