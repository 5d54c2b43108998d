"""Test that every state of a trace, a spool, a database and a home has a next step that works (docs/reliability.md)."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import duckdb
import pytest

from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs import run as run_module
from breadcrumb_server.runs.recording import record_start
from breadcrumb_server.runs.state import RunState, state_file
from breadcrumb_storage.database import Database
from lost_runs import LOST_TRACE_ID, lose_run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("/nonexistent/file")


def an_endless_file(path: Path) -> None:
    path.symlink_to("/dev/zero")


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


KINDS = [a_pipe, a_folder, a_link_to_nothing, an_endless_file]


def put(kind: Callable[[Path], None], path: Path) -> None:
    """Put something else in the place of a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    kind(path)


def list_folder(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture
async def dead(shop, home: Home) -> Path:
    """Make the spool folder of a run whose server died."""
    return lose_run(home)


SPOOL_FILES = [
    "tracer.config", "stop-requested", "secrets.fifo", "neighbours.json", "77-abc-0.events", "77-abc-0-0.calls",
    "77-abc.counters", "77-abc.failed", "77-abc.fault", "77-abc.stacks", "77-abc.children", "77.unstarted", "ingest-x",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_has_the_name_of_a_spool_file_a_dead_run_is_ended_and_deleted(shop, dead: Path, kind) -> None:
    for name in SPOOL_FILES:
        put(kind, dead / name)
    report = await shop.ok("get_trace", project="shop", trace_id=LOST_TRACE_ID)
    assert report["status"] == "stopped"
    assert any("77-abc-0-0.calls" in text and "could not be read" in text for text in report["warnings"])
    assert dead not in list_folder(dead.parent)
    assert (await shop.ok("delete_traces", project="shop", trace_ids=[LOST_TRACE_ID]))["deleted"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_has_the_name_of_a_spool_folder_its_run_is_ended_and_deleted(shop, dead: Path, kind) -> None:
    put(kind, dead)
    if kind is a_folder:  # one without a state, that nobody has touched for long
        os.utime(dead, (0, 0))
        await shop.ok("list_traces", project="shop")
    assert (await shop.ok("get_trace", project="shop", trace_id=LOST_TRACE_ID))["status"] == "stopped"
    assert (await shop.ok("delete_traces", project="shop", trace_ids=[LOST_TRACE_ID]))["deleted"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_whose_state_cannot_be_read_says_what_comes_and_is_then_ended(shop, dead: Path, kind) -> None:
    put(kind, state_file(dead))
    stopped = await shop.ok("stop_run", project="shop", trace_id=LOST_TRACE_ID)
    assert stopped["status"] == "running"
    assert any("the next call after a minute ends it" in note for note in stopped["notes"])
    os.utime(dead, (0, 0))
    assert (await shop.ok("stop_run", project="shop", trace_id=LOST_TRACE_ID))["status"] == "stopped"


@pytest.mark.parametrize("state", [b"", b'{"project": "sh', b"\0" * 605])
async def test_what_was_recorded_is_kept_where_a_power_cut_took_the_state_of_its_run(shop, dead: Path, state) -> None:
    state_file(dead).write_bytes(state)
    (dead / "77-abc-0-0.calls").write_bytes(b"C\t1\t10\t{}\t0\t1\nR\t1\t20\t5\n" + bytes(4000))
    os.utime(dead, (0, 0))
    report = await shop.ok("get_trace", project="shop", trace_id=LOST_TRACE_ID)
    assert (report["status"], report["traced"]["calls"]) == ("stopped", 1)
    assert any("state of the run could not be read" in text for text in report["warnings"])
    assert dead not in list_folder(dead.parent)


@pytest.mark.parametrize("kind", [a_pipe, a_folder, an_endless_file])
async def test_the_error_about_what_has_the_name_of_a_database_file_helps(shop, home: Home, kind) -> None:
    for suffix in ("", ".wal", ".lock", ".queue"):
        file = Path(f"{home.database_file('shop')}{suffix}")
        put(kind, file)
        if suffix in (".lock", ".queue") and kind is not a_folder:  # anything that can be locked will do
            await shop.ok("list_traces", project="shop")
        else:
            assert str(file) in await shop.error("list_traces", project="shop")
            assert str(file) in await shop.error("run", project="shop", command=["true"], timeout_seconds=60)
        put(lambda path: None, file)  # as the error says
        assert (await shop.ok("list_traces", project="shop"))["total"] == 0


def fill(file: Path) -> bytes:
    """Write many blocks into a database, and return its bytes."""
    with Database(file).write() as con:
        con.execute("INSERT INTO notices SELECT 'none', 0, 'code', md5(i::VARCHAR) FROM range(100_000) t(i)")
    return file.read_bytes()


@pytest.mark.processes
async def test_the_error_about_a_database_that_was_cut_off_helps(shop, home: Home) -> None:
    file = home.database_file("shop")
    whole = fill(file)
    for size in range(0, len(whole), len(whole) // 12):
        file.write_bytes(whole[:size])
        assert [row[0] for row in (await shop.ok("list_projects"))["projects"]["rows"]] == ["shop"]
        for sql in ("SELECT count(*) FROM traces", "SELECT max(message) FROM notices"):
            answer = await shop.client.call_tool("query_traces", {"project": "shop", "sql": sql})
            assert not answer.is_error or str(file) in answer.content[0].text, size
    file.unlink()  # as the error says
    assert (await shop.ok("list_traces", project="shop"))["total"] == 0


@pytest.mark.processes
async def test_a_flipped_bit_of_a_database_changes_no_answer_unless_to_an_error_that_names_it(shop, home: Home) -> None:
    file = home.database_file("shop")
    whole = fill(file)
    question = {"project": "shop", "sql": "SELECT count(*), bit_xor(hash(message)) FROM notices"}
    right = (await shop.ok("query_traces", **question))["rows"]
    errors = 0
    for place in range(100, len(whole), len(whole) // 15):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert [row[0] for row in (await shop.ok("list_projects"))["projects"]["rows"]] == ["shop"]
        answer = await shop.client.call_tool("query_traces", question)
        if answer.is_error:
            errors += 1
            assert str(file) in answer.content[0].text, place
        else:
            assert answer.structured_content["rows"] == right, place
    assert errors > 3


@pytest.mark.parametrize("kind", [a_pipe, noise])
async def test_the_error_about_a_home_that_is_no_folder_helps(shop, home: Home, kind) -> None:
    put(kind, home.folder)
    for tool in ("list_traces", "get_config"):
        assert "BREADCRUMB_HOME" in await shop.error(tool, project="shop")


@pytest.mark.parametrize("kind", [a_pipe, a_folder])
async def test_the_error_about_a_config_that_is_no_file_helps(shop, home: Home, kind) -> None:
    put(kind, home.config_file("shop"))
    assert "Move it away, then call init_project" in await shop.error("list_traces", project="shop")
    put(lambda path: None, home.config_file("shop"))
    await shop.ok("init_project", project="shop")
    assert (await shop.ok("list_traces", project="shop"))["total"] == 0


@pytest.mark.processes
async def test_a_run_whose_start_met_a_full_disk_is_found_and_ends_at_its_timeout(shop, monkeypatch, hanging) -> None:
    def record_start_on_a_full_disk(database: Database, state: RunState) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            record_start(database, state)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    monkeypatch.setattr(run_module, "record_start", record_start_on_a_full_disk)
    monkeypatch.setattr("breadcrumb_server.runs.registry.FIRST_INGEST_SECONDS", 600)
    started = await shop.ok("run", project="shop", command=hanging, timeout_seconds=1, wait_seconds=0)
    ended = await shop.ok("wait_for_run", project="shop", trace_id="latest", wait_seconds=60)
    assert (ended["trace_id"], ended["status"]) == (started["trace_id"], "timeout")


@pytest.mark.processes
async def test_a_run_starts_and_ends_while_another_program_holds_the_database(shop, home: Home, monkeypatch) -> None:
    monkeypatch.setattr(run_module, "START_LOCK_SECONDS", 0.05)
    monkeypatch.setattr(run_module, "INGEST_LOCK_SECONDS", 0.05)
    monkeypatch.setattr("breadcrumb_server.runs.registry.START_LOCK_SECONDS", 0.05)
    held = await anyio.open_process(
        [sys.executable, "-c", HOLD, str(home.database_file("shop"))],
        stderr=None,
    )
    assert held.stdout and held.stdin
    assert await held.stdout.receive() == b"held\n"
    command = [sys.executable, "-c", "print('done')"]
    running = await shop.ok("run", project="shop", command=command, timeout_seconds=60, wait_seconds=0)
    await held.stdin.send(b"\n")
    await held.wait()
    await held.aclose()
    report = await shop.ok("wait_for_run", project="shop", trace_id=running["trace_id"], wait_seconds=60)
    assert report["status"] == "completed"


HOLD = "import sys, duckdb; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"


async def test_the_error_about_a_damaged_log_names_the_log(shop, home: Home) -> None:
    file = home.database_file("shop")
    log = Path(f"{file}.wal")
    other = file.with_name("other.duckdb")
    with duckdb.connect(other, config={"wal_autocheckpoint": "1TB"}) as con:
        con.execute("PRAGMA disable_checkpoint_on_shutdown")
        con.execute("CREATE TABLE t AS SELECT 1")
    shutil.move(f"{other}.wal", log)  # of another database
    assert f"Move {log} away" in await shop.error("list_traces", project="shop")
    put(lambda path: None, log)
    assert (await shop.ok("list_traces", project="shop"))["total"] == 0
