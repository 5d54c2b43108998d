"""Finish runs whose server died or whose database was busy. Calls that query a project do so first."""

import fcntl
import logging
import marshal
import os
import shutil
import signal
import time
from collections.abc import Container
from pathlib import Path

from breadcrumb.record_format import CONFIG_FILE, NOTICE_SERVER_DIED
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.recording import record_end
from breadcrumb_server.runs.stack_request import ANSWER_SECONDS, request_stacks
from breadcrumb_server.runs.state import RUNNING, RunState, load_state
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError

logger = logging.getLogger(__name__)

# Seconds after which a folder without a readable run.json counts as abandoned: a younger one may just be being made.
ABANDONED_SECONDS = 60.0
KILL_WAIT_SECONDS = 2.0
POLL_SECONDS = 0.02


def recover_runs(spools: Path, database: Database, own_runs: Container[str]) -> list[str]:
    """Finish the abandoned runs of a project. Blocking.

    Args:
        spools: The folder with the spool folders of the project's runs.
        database: The project's database.
        own_runs: The trace ids of this server's unfinished runs. A live view, because runs start and end meanwhile.

    Returns:
        The ids of the finished traces.
    """
    finished: list[str] = []
    for spool in sorted(spools.iterdir()) if spools.is_dir() else []:
        if not spool.is_dir():
            continue
        with Claim(spool) as claimed:
            if claimed and _recover(spool, database, own_runs):
                finished.append(spool.name)
    return finished


def _recover(spool: Path, database: Database, own_runs: Container[str]) -> bool:
    state = load_state(spool)
    # Checked after the state was read: a run that ends in between is being stored by this server.
    if spool.name in own_runs:
        return False
    if state is None:
        if time.time() - spool.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(spool, ignore_errors=True)
        return False
    # A run of this server that is no longer in own_runs has ended but could not be stored.
    mine = state.server_pid == os.getpid() and state.owner_is_alive()
    if state.owner_is_alive() and not (mine and state.status != RUNNING):
        return False
    if state.status == RUNNING:
        _end_processes(state, spool)
        state.add_notice(
            NOTICE_SERVER_DIED, "The server that ran this command died. What had been recorded until then was kept."
        )
        state.finish("stopped")
        state.save(spool)
    try:
        record_end(database, spool, state, _load_redactor(spool))
    except BreadcrumbError as error:
        logger.warning("%s could not be finished yet: %s", state.trace_id, error.what)
        return False
    return True


def _end_processes(state: RunState, spool: Path) -> None:
    request_stacks(state, spool, ANSWER_SECONDS)
    deadline = time.monotonic() + KILL_WAIT_SECONDS
    while (left := state.living_processes(spool)) and time.monotonic() < deadline:
        process_group.send(left, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _load_redactor(spool: Path) -> Redactor:
    """Return a redactor with the run's name patterns; the secrets learned by its server are lost."""
    try:
        return Redactor(marshal.loads((spool / CONFIG_FILE).read_bytes())["redact"])
    except (OSError, ValueError, EOFError, TypeError, KeyError):  # the server died while it was being written
        return Redactor()


class Claim:
    """A lock on a spool folder, so that only one of several servers finishes or deletes the run in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def __enter__(self) -> bool:
        try:
            self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # gone, or claimed
            return False
        return True

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
