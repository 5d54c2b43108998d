"""Run ``breadcrumb-mcp store``: the process in which the trace of a program ends that called ``breadcrumb.init()``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

STORE = "store"

# Another program, or a question about the database, holds it for a second at most. Shorter than the end of the program
# waits (WAIT_SECONDS of breadcrumb.api.program_trace): else nobody is there to be told who holds it.
LOCK_SECONDS = 25.0
# Child processes that are still traced, such as multiprocessing's fork server, end soon after their program.
CHILDREN_SECONDS = 10.0
POLL_SECONDS = 0.05


def store_from_stdin(path: Path, trace_id: str) -> int:
    """Store the traces beside a database, and print in one line what went wrong with one of them.

    Args:
        path: The database.
        trace_id: The trace of the program that has just ended; empty if there is none. The secrets that the program
            knows come from stdin.

    Returns:
        The exit code: 1 if that trace could not be stored.
    """
    from breadcrumb.record_format import STORED
    from breadcrumb.redaction.redactor import Redactor
    from breadcrumb_server.failures import as_breadcrumb_error
    from breadcrumb_server.programs.storing import has_living_processes, is_recorded_by_program, store_programs
    from breadcrumb_server.runs.secrets_pipe import learn_items
    from breadcrumb_storage.database import Database

    redactor = Redactor()
    learn_items(redactor, sys.stdin.buffer.read().split(b"\0"))
    database = Database(path, lock_timeout_seconds=LOCK_SECONDS)
    failures = store_programs(database, live=False, first=trace_id, redactor=redactor)
    if trace_id in failures:
        error = as_breadcrumb_error(failures[trace_id], "Storing it")
        print(" ".join(" ".join((error.what, error.why, error.hint)).split()))
        return 1
    print(STORED, flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the program need not wait for its children
    deadline = time.monotonic() + CHILDREN_SECONDS
    while trace_id and is_recorded_by_program(path, trace_id) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        if not has_living_processes(path, trace_id):
            store_programs(database, live=False, first=trace_id, redactor=redactor)
    return 0
