"""Make what a server that was killed leaves behind: a run whose command never started."""

from __future__ import annotations

from pathlib import Path

from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs.recording import record_start
from breadcrumb_server.runs.state import RunState
from breadcrumb_storage.database import Database

LOST_TRACE_ID = "20250110-120000-abcd"


def lose_run(home: Home) -> Path:
    """Store the start of a run of project ``shop``, and return its spool folder.

    The server started so long ago that a process which has its pid now is a later one.
    """
    folder = home.spool_folder("shop") / LOST_TRACE_ID
    folder.mkdir(parents=True)
    state = RunState(
        project="shop",
        trace_id=LOST_TRACE_ID,
        command=["python", "main.py"],
        label=None,
        cwd="/",
        timeout_seconds=60,
        config="{}",
        not_traced_reason="it never started",
        server_started=1,
    )
    record_start(Database(home.database_file("shop")), state)
    state.save(folder)
    return folder
