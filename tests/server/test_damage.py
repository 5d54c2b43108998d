"""Test what is left of the answers when a spool, a database or a config is damaged: everything else."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from breadcrumb_server import service
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.state import state_file
from breadcrumb_storage.database import Database
from breadcrumb_storage.trace_rows import TraceStart, insert_trace

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

FIND_SPOOL = "import os, shutil\nspool = os.environ['BREADCRUMB_TRACE']\n"
CALLS = "def half(number):\n    return number / 2\nfor number in range(10):\n    half(number)\n"

# Every tool that asks about a project, with arguments that it accepts whatever was recorded.
QUESTIONS = {
    "get_config": {},
    "list_traces": {},
    "get_trace": {"trace_id": "20"},
    "find_gaps": {},
    "get_calls": {"function": "half"},
    "find_exceptions": {},
    "get_flow": {},
    "analyze_performance": {},
    "search_values": {"text": "x"},
    "find": {"name": "number"},
    "query_traces": {"sql": "SELECT count(*) FROM traces"},
}


def python(script: Path) -> dict[str, object]:
    return {"project": "shop", "command": [sys.executable, str(script)], "timeout_seconds": 60}


def damage(where: str) -> str:
    """Return a program that makes calls and writes where in the first calls file of its own spool."""
    return (
        f"{FIND_SPOOL}{CALLS}"
        "name = next(each for each in os.listdir(spool) if each.endswith('.calls'))\n"
        f"with open(f'{{spool}}/{{name}}', 'r+b') as file:\n    {where}\n"
    )


@pytest.mark.parametrize(
    "where",
    [
        r"file.seek(60); file.write(b'\r')",
        r"file.seek(60); file.write(b'\0')",
        r"file.seek(60); file.write(b'\xff')",
        r"file.seek(0); file.write(b'\r' * 200)",
        r"file.seek(0); file.write(os.urandom(100))",
    ],
)
async def test_a_damaged_spool_costs_its_records_and_no_answer(shop, write, where) -> None:
    report = await shop.ok("run", **python(write("damage.py", damage(where))))
    assert report["status"] == "completed"
    assert report["traced"]["calls"] > 0
    assert any("could not be read" in text for text in report["warnings"])
    for tool, arguments in QUESTIONS.items():
        await shop.ok(tool, project="shop", **arguments)


@pytest.mark.parametrize(
    ("code", "status"), [("", "completed"), ("raise SystemExit(3)", "failed"), ("os.kill(os.getpid(), 9)", "crashed")]
)
async def test_a_run_whose_spool_was_removed_ends_and_says_so(shop, write, home, code, status) -> None:
    script = write("remove.py", f"{FIND_SPOOL}shutil.rmtree(spool)\n{CALLS}print('done', flush=True)\n{code}\n")
    report = await shop.ok("run", **python(script))
    assert report["status"] == status
    assert report["stdout_tail"] == "done"
    assert any("folder is gone" in text for text in report["warnings"])
    assert "no Python process started the tracer" not in str(report["not_traced"])
    again = await shop.ok("get_trace", project="shop", trace_id=report["trace_id"])
    assert again["status"] == status
    assert "nothing to stop" in str(await shop.ok("stop_run", project="shop", trace_id=report["trace_id"]))
    deleted = await shop.ok("delete_traces", project="shop", trace_ids=[report["trace_id"]])
    assert deleted["deleted"] == 1


async def test_a_running_command_without_its_spool_is_answered_stopped_and_deleted(shop, write, gate) -> None:
    script = write(
        "remove.py",
        f"{FIND_SPOOL}import signal\nshutil.rmtree(spool)\nopen({str(gate.path)!r}, 'w').write('x')\nsignal.pause()\n",
    )
    report = await shop.ok("run", **python(script), wait_seconds=0)
    await gate.message()
    trace_id = report["trace_id"]
    for tool, arguments in QUESTIONS.items():
        await shop.ok(tool, project="shop", **arguments)
    listed = await shop.ok("list_traces", project="shop")
    assert any(trace_id in note and "folder is gone" in note for note in listed["notes"])
    stopped = await shop.ok("stop_run", project="shop", trace_id=trace_id)
    assert stopped["status"] == "stopped"
    assert (await shop.ok("delete_traces", project="shop", all=True))["deleted"] == 1


async def test_a_timeout_of_a_command_without_its_spool_ends_it(shop, write) -> None:
    script = write("remove.py", f"{FIND_SPOOL}import signal\nshutil.rmtree(spool)\nsignal.pause()\n")
    report = await shop.ok("run", **(python(script) | {"timeout_seconds": 1}))
    assert report["status"] == "timeout"


ENDS = {"": ("completed", 0), "raise SystemExit(3)": ("failed", 3)}


@pytest.mark.parametrize("code", ENDS)
async def test_a_run_is_answered_with_its_id_and_end_if_its_database_was_damaged(shop, write, home, code) -> None:
    database = home.database_file("shop")
    script = write("damage.py", f"open({str(database)!r}, 'wb').write(b'garbage' * 9000)\nprint('done')\n{code}\n")
    report = await shop.ok("run", **python(script))
    assert (report["status"], report["exit_code"]) == ENDS[code]
    assert report["trace_id"] and report["duration_ms"] > 0 and "traced" not in report
    assert "stdout:\n  done\n" in report["report"]
    (note,) = report["notes"]
    assert str(database) in note and "Nothing is lost" in note
    assert report["report"].endswith(f'next: get_trace(project="shop", trace_id="{report["trace_id"]}")')
    database.unlink()  # as the error says; the records are still in the spool
    again = await shop.ok("get_trace", project="shop", trace_id=report["trace_id"])
    assert again["status"] == report["status"] and again["traced"]["calls"] > 0


async def test_a_running_command_can_be_awaited_and_stopped_if_its_database_was_damaged(
    shop, hanging, gate, home
) -> None:
    run = {"project": "shop", "command": hanging, "timeout_seconds": 60}
    report = await shop.ok("run", **run, wait_seconds=0)
    await gate.message()
    home.database_file("shop").write_bytes(b"garbage" * 9000)
    trace = {"project": "shop", "trace_id": report["trace_id"]}
    waited = await shop.ok("wait_for_run", **trace, wait_seconds=0)
    assert waited["status"] == "running" and "\nnext: wait_for_run(" in waited["report"]
    stopped = await shop.ok("stop_run", **trace)
    assert (stopped["status"], stopped["signal"]) == ("stopped", "SIGTERM")


async def test_a_defect_in_the_report_costs_neither_the_run_nor_its_id(shop, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(service, "report_after_run", fail)
    report = await shop.ok("run", project="shop", command=["sh", "-c", "exit 4"], timeout_seconds=60)
    assert (report["status"], report["exit_code"]) == ("failed", 4) and report["trace_id"]
    assert "RuntimeError: odd" in report["notes"][0]


async def test_a_defect_in_ingest_neither_ends_the_program_nor_hides_its_end(shop, write, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("breadcrumb_server.runs.recording.ingest_trace", fail)
    monkeypatch.setattr("breadcrumb_server.runs.registry.FIRST_INGEST_SECONDS", 0.05)
    report = await shop.ok("run", **python(write("calls.py", f"{CALLS}import time\ntime.sleep(0.5)\n")))
    assert (report["status"], report["exit_code"]) == ("completed", 0)
    assert any("RuntimeError: odd" in text for text in report["warnings"])
    assert (await shop.ok("delete_traces", project="shop", all=True))["deleted"] == 1


@pytest.mark.parametrize("room", [100_000, 500_000], ids=["for no copy of the records", "for no rows"])
async def test_a_full_disk_is_told_and_the_trace_is_stored_once_there_is_room(shop, write, room) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    script = write("calls.py", "def half(n):\n    return 'x' * 500\nfor n in range(900):\n    half(n)\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        unlimited = f"ulimit -f unlimited; exec {sys.executable} {script}"
        report = await shop.ok("run", project="shop", command=["sh", "-c", unlimited], timeout_seconds=60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert report["status"] == "completed" and report["trace_id"]
    assert "Nothing is lost" in report["notes"][0]
    again = await shop.ok("get_trace", project="shop", trace_id=report["trace_id"])
    assert again["traced"]["calls"] > 900


async def test_a_run_whose_end_met_a_full_disk_is_stored_as_it_ended_once_there_is_room(shop, write, tmp_path) -> None:
    full = tmp_path / "full"
    script = write("calls.py", f"{CALLS}import os\nwhile not os.path.exists({str(full)!r}): pass\nraise SystemExit(3)")
    started = await shop.ok("run", **python(script), wait_seconds=0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # for its state, too
    try:
        full.touch()
        ended = await shop.ok("wait_for_run", project="shop", trace_id=started["trace_id"], wait_seconds=60)
        assert "Nothing is lost" in ended["notes"][0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found = await shop.ok("get_trace", project="shop", trace_id=started["trace_id"])
    assert (found["status"], found["exit_code"], found["traced"]["calls"]) == ("failed", 3, 11)
    assert "warnings" not in found and "notes" not in found


@pytest.fixture
def lost(shop, home):
    """Return a function that adds a running trace without a spool folder, as of a server that died."""

    def add(trace_id: str, pid: int | None, started_at: datetime | None = None) -> str:
        with Database(home.database_file("shop")).write() as con:
            moment = started_at or datetime.now(UTC)
            insert_trace(con, TraceStart(trace_id=trace_id, started_at=moment, command="python main.py", pid=pid))
        return trace_id

    return add


@pytest.mark.parametrize("pid", [None, 2**22 + 1])
async def test_a_running_trace_without_spool_and_processes_ends_as_stopped(shop, lost, pid) -> None:
    trace_id = lost("20250110-120000-abcd", pid)
    report = await shop.ok("get_trace", project="shop", trace_id=trace_id)
    assert report["status"] == "stopped"
    assert any("spool folder is gone" in text for text in report["warnings"])
    assert (await shop.ok("delete_traces", project="shop", all=True))["deleted"] == 1


async def test_another_process_with_the_pid_of_a_lost_run_keeps_it_from_nothing(shop, lost) -> None:
    trace_id = lost("20250110-120000-abcd", os.getppid(), datetime(2025, 1, 10, tzinfo=UTC))
    assert process_group.start_time(os.getppid()) is not None
    assert (await shop.ok("get_trace", project="shop", trace_id=trace_id))["status"] == "stopped"


@pytest.fixture
def left():
    """Start a process as a server that died left it."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True) as process:
        yield process
        process.kill()


async def test_the_processes_of_a_run_that_lost_its_spool_and_its_server_are_ended_by_stop_run(
    shop, lost, left
) -> None:
    trace_id = lost("20250110-120000-abcd", left.pid)
    assert (await shop.ok("get_trace", project="shop", trace_id=trace_id))["status"] == "running"
    assert (await shop.ok("stop_run", project="shop", trace_id=trace_id))["status"] == "stopped"
    assert left.wait() == -signal.SIGTERM


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[" * 9000, '{"project": 5}', '{"trace_id": null}'])
async def test_a_run_whose_state_is_unreadable_stops_no_question(shop, home, lost, text) -> None:
    trace_id = lost("20250110-120000-abcd", None)
    spool = home.spool_folder("shop") / trace_id
    spool.mkdir(parents=True)
    state_file(spool).write_text(text)
    assert (await shop.ok("list_traces", project="shop"))["total"] == 1
    os.utime(spool, (1, 1))
    await shop.ok("list_traces", project="shop")
    assert (await shop.ok("get_trace", project="shop", trace_id=trace_id))["status"] == "stopped"


async def test_stacks_that_a_program_made_up_on_stderr_do_not_keep_its_run_from_ending(shop, write) -> None:
    text = f"Fatal Python error: x\\n\\nThread 0x{'f' * 40} (most recent call first):\\n"
    frames = "".join(f'  File \\"a.py\\", line {line} in f\\n' for line in ("9" * 12, "9" * 5000))
    script = write("fake.py", f'import sys, os\nsys.stderr.write("{text}{frames}")\nsys.stderr.flush()\nos._exit(1)\n')
    report = await shop.ok("run", **python(script))
    assert (report["status"], report["exit_code"]) == ("failed", 1)
