"""Store the traces beside a database: at the end of a program, when it was killed, and while it runs. Blocking."""

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from breadcrumb.record_format import NOTICE_END_UNSEEN
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.programs.state import CRASHED, load_program
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.recording import record_end, record_outcome, record_progress, remove_spool
from breadcrumb_server.runs.recovery import ABANDONED_SECONDS, Claim
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError, DatabaseBusy
from breadcrumb_storage.ingest.spool_files import spools_of
from breadcrumb_storage.regular_file import is_folder
from breadcrumb_storage.trace_rows import end_at_last_call

logger = logging.getLogger(__name__)

# Another process stores a trace in a second, or in minutes if it is large.
CLAIM_SECONDS = 600.0
POLL_SECONDS = 0.02

_END_UNSEEN = (
    "The program ended without a word: it was killed, it crashed, or it called os._exit. Its exit code is not known; "
    "what it had recorded until then was kept."
)


def store_programs(
    database: Database, *, live: bool, first: str = "", redactor: Redactor | None = None
) -> dict[str, Exception]:
    """Store what the programs of a database have recorded; the traces of those that have ended are complete then.

    A trace that cannot be stored is tried again by the next call. It delays no other, unless the database stays locked:
    then the others are left to the next call, too. One that another process is storing at the moment is left to it.

    Args:
        database: The database, made if there is something to store.
        live: Whether to store also what programs have recorded that go on.
        first: The id of a trace that is stored first, and in any case: another process that has it is waited for.
        redactor: Knows the secrets of the program of that trace; the others have rules alone.

    Returns:
        The error of each trace that could not be stored, by id.
    """
    spools = spools_of(database.path)
    failures: dict[str, Exception] = {}
    try:
        folders = sorted(folder for folder in spools.iterdir() if is_folder(folder))
    except OSError:  # there is none, as usual
        return failures
    for spool in sorted(folders, key=lambda each: each.name != first):
        is_first = spool.name == first
        try:
            with _claim(spool, waits=is_first) as claimed:
                if claimed:
                    _store(database, spool, redactor if is_first and redactor else Redactor(), live=live)
        except Exception as error:
            failures[spool.name] = error
            if isinstance(error, BreadcrumbError):
                logger.warning("%s could not be stored yet: %s", spool.name, error)
                if isinstance(error, DatabaseBusy):
                    break
            else:
                logger.exception("%s could not be stored yet", spool.name)
    with suppress(OSError):  # it is not empty
        spools.rmdir()
    return failures


@contextmanager
def _claim(spool: Path, *, waits: bool) -> Generator[bool]:
    """Claim a spool folder; if it is another's, return False or wait until it is not."""
    deadline = time.monotonic() + CLAIM_SECONDS if waits else 0.0
    while True:
        with Claim(spool) as claimed:
            if claimed or time.monotonic() >= deadline or not spool.is_dir():
                yield claimed
                return
        time.sleep(POLL_SECONDS)


def _store(database: Database, spool: Path, redactor: Redactor, *, live: bool) -> None:
    program = load_program(spool)
    if program is None:
        if time.time() - spool.stat().st_mtime > ABANDONED_SECONDS and not process_group.members(None, spool):
            remove_spool(spool)
        return
    is_traced = program.is_traced()
    if is_traced and not live:
        return
    state = program.as_run()
    if is_traced or program.living_children(spool):
        record_progress(database, spool, state, redactor)
        if not is_traced:  # its children are: they will have ended when this is called again
            record_outcome(database, state)
        return
    if state.status == CRASHED:
        state.add_notice(NOTICE_END_UNSEEN, _END_UNSEEN)
    record_end(database, spool, state, redactor)
    if state.status == CRASHED:
        with database.write() as con:
            end_at_last_call(con, state.trace_id, CRASHED)


def is_recorded_by_program(database: Path, trace_id: str) -> bool:
    """Return whether a trace is one that a program makes of itself and that is not complete yet."""
    return (spools_of(database) / trace_id).is_dir()


def has_living_processes(database: Path, trace_id: str) -> bool:
    """Return whether the program of a trace or a child process of it still records."""
    spool = spools_of(database) / trace_id
    try:
        program = load_program(spool)
        return program is not None and (program.is_traced() or bool(program.living_children(spool)))
    except (OSError, BreadcrumbError):  # another process has just stored it
        return False
