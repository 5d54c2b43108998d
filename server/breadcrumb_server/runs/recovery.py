"""Finish runs whose server died, whose database was busy or whose spool is gone, before a project is queried.

A run that cannot be finished delays no other: the reason is told, and the next call tries again.
"""

import fcntl
import logging
import os
import signal
import time
from collections.abc import Container, Iterable, MutableMapping, Sequence
from datetime import UTC
from pathlib import Path

from breadcrumb.record_format import NOTICE_SERVER_DIED
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.recording import record_end, remove_spool
from breadcrumb_server.runs.stack_request import ANSWER_SECONDS, request_stacks
from breadcrumb_server.runs.state import EARLIER_NAME, RUNNING, RunState, load_earlier_state, load_state, state_file
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.project_overview import add_notices
from breadcrumb_storage.regular_file import is_folder
from breadcrumb_storage.trace_rows import RunningTrace, running_traces, stop_lost_trace

logger = logging.getLogger(__name__)

# Seconds after which a folder without a readable state counts as abandoned: a younger one may just be being made.
ABANDONED_SECONDS = 60.0
KILL_WAIT_SECONDS = 2.0
POLL_SECONDS = 0.02

_LOST = (
    "Its spool folder is gone, and so are its processes and its server: how it ended, its output and what had not been "
    "read until then are lost."
)

_STATE_LOST = (
    "The server that ran this command died, and its state of the run could not be read: how it ended and its output "
    "are lost. What had been recorded until then was kept."
)


def recover_runs(
    spools: Path,
    database: Database,
    own_runs: Container[str],
    failures: dict[str, Exception] | None = None,
    redact: Iterable[str] = (),
    not_stored: MutableMapping[str, RunState] | None = None,
) -> list[str]:
    """Finish the abandoned runs of a project. Blocking.

    Args:
        spools: The folder with the spool folders of the project's runs.
        database: The project's database.
        own_runs: The trace ids of this server's unfinished runs. A live view, because runs start and end meanwhile.
        failures: Gets the error of each run that could not be finished, by trace id.
        redact: The project's patterns of secret names, for runs of earlier versions, which have none in their state.
        not_stored: How runs of this server have ended that could not be stored then, by trace id: their files may not
            say it, as on a full disk. Those that are stored now are removed.

    Returns:
        The ids of the finished traces.
    """
    finished: list[str] = []
    not_stored = {} if not_stored is None else not_stored
    for spool in sorted(spools.iterdir()) if spools.is_dir() else []:
        if not is_folder(spool):
            _drop_stray(spool, own_runs)
            continue
        try:
            with Claim(spool) as claimed:
                if not claimed:
                    continue
                if (ended := not_stored.get(spool.name)) is not None:
                    record_end(database, spool, ended, Redactor([*ended.redact, *redact]))
                    del not_stored[spool.name]
                elif not _recover(spool, database, own_runs, redact):
                    continue
                finished.append(spool.name)
        except Exception as error:
            if isinstance(error, BreadcrumbError):
                logger.warning("%s could not be finished yet: %s", spool.name, error.what)
            else:
                logger.exception("%s could not be finished yet", spool.name)
            if failures is not None:
                failures[spool.name] = error
    return finished


def lost_runs(running: Iterable[RunningTrace], spools: Path, own_runs: Container[str]) -> list[RunningTrace]:
    """Return the runs that nothing can finish: stored as running, without a spool folder and without a process.

    Args:
        running: The runs that are stored as running.
        spools: The folder with the spool folders of the project's runs.
        own_runs: The trace ids of this server's unfinished runs.
    """
    return [
        run
        for run in running
        if run.trace_id not in own_runs
        and not is_folder(spools / run.trace_id)
        and not living_processes(run, spools / run.trace_id)
    ]


def living_processes(run: RunningTrace, spool: Path) -> list[int]:
    """Return the pids of the living processes of a run whose spool folder is gone, with all that was known of it."""
    started = run.started_at.replace(tzinfo=UTC)
    pid = run.pid
    # If another process has the command's pid now, that number names a session of another program.
    reused = pid is not None and process_group.start_time(pid) and not process_group.started_by(pid, started)
    return process_group.members(None if reused else pid, spool)


def stop_lost_runs(database: Database, runs: Sequence[RunningTrace]) -> None:
    """Store the end of lost runs, with a notice. Blocking.

    Raises:
        BreadcrumbError: The database cannot be written now.
    """
    with database.write() as con:
        for run in runs:
            if stop_lost_trace(con, run.trace_id):
                add_notices(con, run.trace_id, [(NOTICE_SERVER_DIED, _LOST)])


def _drop_stray(file: Path, own_runs: Container[str]) -> None:
    """Remove the state of a run whose folder is gone, and whose server too: the database tells its end."""
    spool = file.with_suffix("")
    if file != state_file(spool) or spool.is_dir() or spool.name in own_runs:
        return
    state = load_state(spool)
    if state is None or not state.owner_is_alive():
        remove_spool(spool)


def _recover(spool: Path, database: Database, own_runs: Container[str], redact: Iterable[str]) -> bool:
    state = load_state(spool)
    # Checked after the state was read: a run that ends in between is being stored by this server.
    if spool.name in own_runs:
        return False
    if state is None:
        state = _earlier_state(spool, database)
    if state is None:
        if time.time() - spool.stat().st_mtime > ABANDONED_SECONDS and not process_group.members(None, spool):
            return _end_without_state(spool, database, redact)
        return False
    # A run of this server that is no longer in own_runs has ended but could not be stored.
    if state.owner_is_alive() and not (state.server_pid == os.getpid() and state.status != RUNNING):
        return False
    if not state_file(spool).exists() and not (spool / EARLIER_NAME).exists():
        return False  # a server that ended in between has stored its run by itself
    state = load_state(spool) or state
    if state.status == RUNNING:
        _end_processes(state, spool)
        state.add_notice(
            NOTICE_SERVER_DIED, "The server that ran this command died. What had been recorded until then was kept."
        )
        state.finish("stopped")
        state.try_to_save(spool)
    record_end(database, spool, state, Redactor([*state.redact, *redact]))
    return True


def _earlier_state(spool: Path, database: Database) -> RunState | None:
    """Return the state of a run of an earlier version that has not ended as far as the database knows.

    Any program can make a folder like it, also with the name of another trace.
    """
    state = load_earlier_state(spool)
    if state is None:
        return None
    with database.read() as con:
        return state if any(run.trace_id == spool.name for run in running_traces(con)) else None


def _end_without_state(spool: Path, database: Database, redact: Iterable[str]) -> bool:
    """Store what was recorded of a run whose state cannot be read, as after a power cut, and remove its folder."""
    with database.read() as con:
        run = next((run for run in running_traces(con) if run.trace_id == spool.name), None)
    if run is None:  # it had not started, or any program has made the folder
        remove_spool(spool)
        return False
    state = RunState(
        project=spool.parent.name,
        trace_id=spool.name,
        command=[],
        label=None,
        cwd="",
        timeout_seconds=None,
        config="{}",
        not_traced_reason="",
        started_at=run.started_at.replace(tzinfo=UTC).isoformat(),
        captures_output=False,
    )
    state.add_notice(NOTICE_SERVER_DIED, _STATE_LOST)
    state.finish("stopped")
    record_end(database, spool, state, Redactor(redact))
    return True


def _end_processes(state: RunState, spool: Path) -> None:
    request_stacks(state, spool, ANSWER_SECONDS)
    deadline = time.monotonic() + KILL_WAIT_SECONDS
    while (left := state.living_processes(spool)) and time.monotonic() < deadline:
        process_group.send(left, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


class Claim:
    """A lock on a spool folder, so that only one of several servers finishes or deletes the run in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def __enter__(self) -> bool:
        try:
            self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # gone, or claimed
            return False
        return True

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
