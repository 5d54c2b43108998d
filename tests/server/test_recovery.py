"""Test the recovery of runs whose server died or whose database was busy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.recording import record_end
from breadcrumb_server.runs.recovery import recover_runs
from breadcrumb_server.runs.state import load_state
from breadcrumb_server.runs.untraced import UntracedPythons
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.traces import get_trace
from lost_runs import LOST_TRACE_ID, lose_run


@pytest.fixture
def database(home: Home) -> Database:
    return Database(home.database_file("shop"))


@pytest.fixture
def spool(home: Home) -> Path:
    """Make the spool folder of a run whose server died and whose pid now belongs to a later process."""
    return lose_run(home)


def status(database: Database) -> str:
    """Return the status of the trace."""
    with database.read() as con:
        return get_trace(con, LOST_TRACE_ID).status


def test_a_run_whose_server_died_is_finished_as_stopped(home: Home, database: Database, spool: Path) -> None:
    assert recover_runs(spool.parent, database, ()) == [LOST_TRACE_ID]
    assert status(database) == "stopped"
    assert not spool.exists()


def test_an_ending_saved_before_the_server_died_is_kept(database: Database, spool: Path) -> None:
    state = load_state(spool)
    assert state is not None
    state.finish("failed", exit_code=3)
    state.save(spool)
    recover_runs(spool.parent, database, ())
    assert status(database) == "failed"


@pytest.mark.processes
def test_processes_left_by_the_server_are_ended_first(database: Database, spool: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)"],
        env={**os.environ, "BREADCRUMB_TRACE": str(spool)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as left:
        assert left.stdout is not None
        left.stdout.readline()
        recover_runs(spool.parent, database, ())
        assert left.wait(30) == -9


@pytest.mark.processes
def test_another_process_with_the_same_pid_is_left_alone(database: Database, spool: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        state = load_state(spool)
        assert state is not None
        state.child_pid, state.child_started = other.pid, 1
        state.save(spool)
        recover_runs(spool.parent, database, ())
        assert process_group.start_time(other.pid) is not None
        other.communicate(b"\n")
        assert other.returncode == 0


def test_the_run_of_a_living_server_is_left_alone(database: Database, spool: Path) -> None:
    state = load_state(spool)
    assert state is not None
    state.server_started = process_group.start_time(os.getpid())
    state.save(spool)
    assert recover_runs(spool.parent, database, ()) == []
    assert status(database) == "running"


def test_an_own_run_that_could_not_be_stored_is_stored_now(database: Database, spool: Path) -> None:
    state = load_state(spool)
    assert state is not None
    state.server_started = process_group.start_time(os.getpid())
    state.finish("completed", exit_code=0)
    state.save(spool)
    assert recover_runs(spool.parent, database, ()) == [LOST_TRACE_ID]
    assert status(database) == "completed"


def test_a_new_folder_without_a_state_is_left_alone_and_an_old_one_removed(home: Home, database: Database) -> None:
    spools = home.spool_folder("shop")
    for name in ("new", "old"):
        (spools / name).mkdir(parents=True)
    os.utime(spools / "old", (1, 1))
    recover_runs(spools, database, ())
    assert [entry.name for entry in spools.iterdir()] == ["new"]


def test_an_own_run_that_ends_during_recovery_is_left_alone(database: Database, spool: Path) -> None:
    class QuickRuns:
        """A registry in which the run ends as soon as it is looked up."""

        def __contains__(self, trace_id: object) -> bool:
            ended = load_state(spool)
            assert ended is not None
            ended.finish("completed", exit_code=0)
            ended.save(spool)
            return False

    state = load_state(spool)
    assert state is not None
    state.server_started = process_group.start_time(os.getpid())
    state.save(spool)
    assert recover_runs(spool.parent, database, QuickRuns()) == []
    assert spool.exists()


class OlderCopy(UntracedPythons):
    """Puts an older copy of the database in its place while the end of a run is being written."""

    def __init__(self, database: Database, spool: Path, times: int) -> None:
        super().__init__(spool, Redactor(), [], has_ended=True)
        self.database = database.path
        self.older = database.path.read_bytes()
        self.times = times

    def lines(self, traced: object) -> list[str]:
        if self.times:
            self.times -= 1
            copy = self.database.with_suffix(".older")
            copy.write_bytes(self.older)
            copy.replace(self.database)
        return []


def test_an_end_that_went_into_a_replaced_file_is_written_again(database: Database, spool: Path) -> None:
    state = load_state(spool)
    assert state is not None
    state.finish("failed", exit_code=3)
    record_end(database, spool, state, Redactor(), OlderCopy(database, spool, times=1))
    assert status(database) == "failed"
    assert not spool.exists()


def test_a_spool_stays_as_long_as_the_end_of_its_run_does_not(database: Database, spool: Path) -> None:
    state = load_state(spool)
    assert state is not None
    state.finish("failed", exit_code=3)
    state.save(spool)
    with pytest.raises(BreadcrumbError, match="does not stay"):
        record_end(database, spool, state, Redactor(), OlderCopy(database, spool, times=1000))
    assert status(database) == "running"
    assert recover_runs(spool.parent, database, ()) == [LOST_TRACE_ID]
    assert status(database) == "failed"
