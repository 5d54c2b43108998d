"""The report of a run that hangs, is stopped or crashes shows the stack of every thread with its values."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from pythons import NEWEST
from spool_reader import TARGETS, interpreter

pytestmark = pytest.mark.anyio

STANDING = "standing.py"  # copied to the workspace, because answers give other files with their full path
SECRETS = (b"open-sesame-77", b"hush-hush-12", b"k-0123456789")
# The limit of a short report, with room for the long paths of temporary folders.
REPORT_CHARS = 3_500


@pytest.fixture(params=["3.8", "3.13", NEWEST])
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


@pytest.fixture(autouse=True)
def standing(workspace: Path) -> None:
    shutil.copy(TARGETS / STANDING, workspace)


def size(report: dict[str, Any]) -> int:
    return len(json.dumps(report, ensure_ascii=False, separators=(",", ":")))


async def started(session, workspace, gate, *command: str) -> str:
    """Start a command, wait until it reports that it is ready, and return its trace id."""
    await session.project(workspace, ["__main__"])
    report = await session.run(*command, str(gate.path), wait_seconds=0)
    assert (await gate.message()).strip() == "ready"
    return report["trace_id"]


async def test_a_timeout_shows_every_thread_with_its_values_but_no_secret(session, python, workspace, home) -> None:
    await session.project(workspace, ["__main__"], mode="full")
    report = await session.run(python, STANDING, "joins", timeout_seconds=4)
    assert (report["status"], report["signal"], report["stdout_tail"]) == ("timeout", "SIGTERM", "ready")
    stacks_text = "\n".join(report["stacks"])
    # Who waits for a lock comes first.
    assert re.match(r"locker:\n  waits for lock, held by MainThread since standing\.py:\d+ main\n", stacks_text)
    assert "\nMainThread:\n" in stacks_text
    assert re.search(r"standing\.py:\d+ joins: thread=Thread#\d+<.*running.*>, password=\[REDACTED\]\n", stacks_text)
    assert re.search(r"\nworker-0, worker-1.*:\n", stacks_text)
    assert "takes_jobs: number=0 (worker-0), 1 (worker-1), jobs=Queue#1<empty>" in stacks_text
    assert "locker:\n" in stacks_text and "api_key=[REDACTED], typed=[REDACTED]" in stacks_text
    assert any(
        re.search(r"joins\(thread=Thread#\d+<.*>, password=\[REDACTED\]\)", line) for line in report["open_calls"]
    )
    assert "get_calls" in report["next"][0] and '"call_id"' in report["next"][0]
    assert size(report) < REPORT_CHARS
    assert await session.rows("SELECT DISTINCT source, reason FROM stacks") == [["python", "timeout"]]
    unfinished = "SELECT function_name FROM calls WHERE outcome = 'unfinished' ORDER BY ALL"
    assert [name for (name,) in await session.rows(unfinished)] == [
        "<module>", "joins", "main", "takes_jobs", "takes_jobs", "wants_lock",
    ]  # fmt: skip
    moments = (
        "SELECT count(*) FROM stacks JOIN traces USING (trace_id) WHERE taken_at BETWEEN started_at AND finished_at"
    )
    assert (await session.rows(moments))[0][0] == (await session.rows("SELECT count(*) FROM stacks"))[0][0] > 10
    for file in home.rglob("*"):
        assert not file.is_file() or not [secret for secret in SECRETS if secret in file.read_bytes()], file


async def test_a_loop_in_c_code_that_cannot_be_interrupted_is_found(session, python, workspace, gate) -> None:
    trace_id = await started(session, workspace, gate, python, STANDING, "computes in C")
    report = await session.ok("stop_run", project="p", trace_id=trace_id)
    assert (report["status"], report["signal"]) == ("stopped", "SIGTERM")
    assert report["stacks"][0] == "MainThread:" and report["stacks"][1].endswith(" computes_in_c")
    (warning,) = [text for text in report["warnings"] if "did not answer" in text]
    assert "(its main thread is computing)" in warning and "no local values" in warning
    assert await session.rows("SELECT DISTINCT source, reason FROM stacks") == [["fault", "stopped"]]
    assert size(report) < REPORT_CHARS


async def test_waiting_tasks_are_shown_with_the_event_loop(session, workspace, gate) -> None:
    trace_id = await started(session, workspace, gate, interpreter("3.12"), STANDING, "waits in tasks")
    report = await session.ok("stop_run", project="p", trace_id=trace_id)
    stacks_text = "\n".join(report["stacks"])
    creation = r"created by standing\.py:\d+ waits_in_tasks\.<locals>\.main"
    assert re.search(rf"task Task-3 \(waiting\), {creation}:\n  asyncio/tasks\.py:", stacks_text)
    assert "sleeps: delay=501, token=[REDACTED]\n" in stacks_text and "consumes: delay=501" in stacks_text


async def test_a_program_that_ignores_sigterm_and_its_child_are_both_shown(session, workspace, gate) -> None:
    (workspace / "deaf.py").write_text(
        "import signal, subprocess, sys\n"
        "def starts(command):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    subprocess.run(command)\n"
        "starts(sys.argv[1:])\n"
    )
    command = (interpreter("3.12"), "deaf.py", interpreter("3.11"), STANDING, "loops")
    trace_id = await started(session, workspace, gate, *command)
    report = await session.ok("stop_run", project="p", trace_id=trace_id)
    assert (report["status"], report["signal"]) == ("stopped", "SIGKILL")
    stacks_text = "\n".join(report["stacks"])
    assert "process 0 (pid " in stacks_text and "starts: command=['" in stacks_text
    assert "process 1 (pid " in stacks_text and "loops: number=" in stacks_text


async def test_a_program_replaced_by_exec_is_ended_by_the_usual_signal(session, workspace, gate) -> None:
    (workspace / "becomes.py").write_text(
        "import os, sys\nos.execvp('sh', ['sh', '-c', 'printf ready > ' + sys.argv[1] + '; exec sleep 600'])\n"
    )
    trace_id = await started(session, workspace, gate, interpreter("3.12"), "becomes.py")
    report = await session.ok("stop_run", project="p", trace_id=trace_id)
    assert (report["status"], report["signal"]) == ("stopped", "SIGTERM")
    assert "stacks" not in report
    assert any(": there are none" in text for text in report["warnings"])


async def test_a_program_that_handles_sigterm_can_exit_by_itself(session, workspace, gate) -> None:
    (workspace / "orderly.py").write_text(
        "import signal, sys, time\n"
        "ends = []\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: ends.append(number))\n"
        "def waits(gate):\n"
        "    open(gate, 'w').write('ready')\n"
        "    while not ends:\n"
        "        time.sleep(0.001)\n"
        "    print('in order')\n"
        "    sys.exit(7)\n"
        "waits(sys.argv[1])\n"
    )
    trace_id = await started(session, workspace, gate, interpreter("3.12"), "orderly.py")
    report = await session.ok("stop_run", project="p", trace_id=trace_id)
    assert (report["status"], report["exit_code"], report["stdout_tail"]) == ("stopped", 7, "in order")
    assert any("waits: gate=" in line for line in report["stacks"])
    assert await session.rows("SELECT outcome FROM calls WHERE function_name = 'waits'") == [["raised"]]


async def test_another_server_that_stops_the_run_also_gets_its_stacks(session, workspace, gate, start_server) -> None:
    trace_id = await started(session, workspace, gate, interpreter("3.12"), STANDING, "pauses")
    other = await start_server()
    report = await other.ok("stop_run", project="p", trace_id=trace_id)
    assert (report["status"], report["signal"]) == ("stopped", "SIGTERM")
    assert any(line.endswith("pauses: size=2") for line in report["stacks"])
    assert await session.rows("SELECT DISTINCT source, reason FROM stacks") == [["python", "stopped"]]


async def test_the_run_of_a_dead_server_has_ended_with_it_and_shows_where_it_was(
    session, workspace, gate, home, start_server
) -> None:
    trace_id = await started(session, workspace, gate, interpreter("3.12"), STANDING, "loops")
    state = json.loads((home / "spool" / "p" / f"{trace_id}.json").read_text())
    os.kill(state["server_pid"], signal.SIGKILL)
    after = await start_server()
    report = await after.ok("get_trace", project="p", trace_id=trace_id)
    assert report["status"] == "stopped"
    assert any("loops(" in line for line in report["open_calls"])


async def test_a_crash_is_shown_with_its_stack(session, workspace) -> None:
    await session.project(workspace, ["__main__"])
    report = await session.run(interpreter("3.10"), str(TARGETS / "ends.py"), "segfault")
    assert (report["status"], report["signal"]) == ("crashed", "SIGSEGV")
    assert report["stacks"][0] == "MainThread, Fatal Python error: Segmentation fault:"
    assert [line.split()[-1] for line in report["stacks"][1:]] == ["inner", "outer", "<module>"]
    assert "inner(way='segfault')" in "".join(report["open_calls"])
    rows = await session.rows("SELECT depth, function_name, module_name FROM stacks ORDER BY depth")
    assert rows == [[0, "inner", "__main__"], [1, "outer", "__main__"], [2, "<module>", "__main__"]]


async def test_the_crash_of_a_pool_worker_is_shown_though_the_program_continues(session, workspace) -> None:
    (workspace / "pool.py").write_text(
        "import faulthandler, multiprocessing\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "def work(number):\n"
        "    faulthandler._sigsegv()\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:\n"
        "        pool.submit(work, 1).result()\n"
    )
    await session.project(workspace, ["__main__"])
    report = await session.run(interpreter("3.12"), "pool.py")
    assert report["status"] == "failed" and "BrokenProcessPool" in report["exceptions"][0]["type"]
    assert any(
        line.startswith("process ") and line.endswith(", MainThread, Fatal Python error: Segmentation fault:")
        for line in report["stacks"]
    )
    assert any(line.endswith("pool.py:4 work") for line in report["stacks"])


async def test_a_crash_that_was_written_to_stderr_is_shown(session, workspace) -> None:
    # pytest and -X faulthandler write it there. The interpreter of these tests has pytest.
    (workspace / "test_shop.py").write_text("import faulthandler\ndef test_total():\n    faulthandler._sigsegv()\n")
    await session.project(workspace, ["test_shop"])
    report = await session.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py")
    assert (report["status"], report["signal"]) == ("crashed", "SIGSEGV")
    assert report["stacks"][:2] == [
        "MainThread, Fatal Python error: Segmentation fault:",
        "  test_shop.py:3 test_total",
    ]
