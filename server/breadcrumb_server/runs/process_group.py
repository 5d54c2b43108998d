"""Find, inspect and signal the processes of a run; :mod:`process_watch` keeps what was seen of them.

All processes of a run are below its reaper (:mod:`reaper`) where the system has one. Elsewhere, and after the reaper
was killed, they are found by the session of the command, which its children join; a child that left it (a daemon) by
the spool folder in its environment, and where that is hidden by the files that its tracer wrote into the folder. A
process is identified by pid and start time, because pids are reused.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from breadcrumb.platform_features import HAS_PROC
from breadcrumb.record_format import ENV_TRACE
from breadcrumb_server.runs.process_table import ProcessTable, Stat, look
from breadcrumb_storage.ingest.spool_files import list_spool

# Between the moment that is stored as the start of a run and the start of its process, on a machine that is busy.
STARTING_SECONDS = 60.0
# By which ps may round the start of a process.
ROUNDING_SECONDS = 1.0


def start_time(pid: int, table: ProcessTable | None = None) -> int | None:
    """Return when a process started, as ``Stat.started``; None if it has ended or is a zombie.

    Args:
        pid: The process.
        table: The processes, if they were just looked at.
    """
    stat = (table or look()).stat(pid)
    return None if stat is None or stat.has_ended else stat.started


def identity(pid: int) -> int | None:
    """Return what tells a living process, with its pid, from a later one: for :func:`is_alive`; None if it has ended.

    With ``/proc`` this is its start. Without, the present moment, which costs no look: a later process starts later.
    """
    if HAS_PROC:
        return start_time(pid)
    return int(time.time()) if _exists(pid) else None


def is_alive(pid: int, known: int | None, table: ProcessTable | None = None) -> bool:
    """Return whether the process with this pid and :func:`identity` still runs.

    Args:
        pid: The process.
        known: Its identity.
        table: The processes, if they were just looked at.
    """
    if known is None or not _exists(pid):
        return False
    table = table or look()
    started = start_time(pid, table)
    if HAS_PROC:
        return started == known
    if not table.pids():  # ps could not be run, and says nothing
        return True
    return started is not None and started <= known + ROUNDING_SECONDS


def may_run(pid: int) -> bool:
    """Return whether a process still runs, without a call of ``ps``, for which a zombie counts as running."""
    return start_time(pid) is not None if HAS_PROC else _exists(pid)


def started_by(pid: int, moment: datetime) -> bool:
    """Return whether the process that has a pid now was there at a moment, or came at most STARTING_SECONDS later."""
    table = look()
    started = None if start_time(pid, table) is None else table.started_at(pid)
    return started is not None and started <= moment.timestamp() + STARTING_SECONDS


def members(
    session: int | None, spool: Path, table: ProcessTable | None = None, *, reaper: int | None = None
) -> list[int]:
    """Return the living processes of a run: below its reaper, in its session, or with its spool in the environment.

    Args:
        session: The session of its command; None if that is another program's now.
        spool: Its spool folder.
        table: The processes, if they were just looked at.
        reaper: The pid of its reaper, which is no process of the run; None if there is none, or it has ended.
    """
    table = table or look()
    found: list[int] = []
    traced = {} if HAS_PROC else _traced_since(spool)
    stats = {pid: stat for pid in table.pids() if (stat := table.stat(pid)) is not None}
    below = _descendants(reaper, stats) if reaper is not None else set[int]()
    for pid, stat in stats.items():
        if pid == os.getpid() or stat.has_ended:
            continue
        if (
            pid in below
            or stat.session == session
            or stat.started <= traced.get(pid, -1)
            or table.was_given(pid, ENV_TRACE, str(spool))
        ):
            found.append(pid)
    return found


def _descendants(root: int, stats: Mapping[int, Stat]) -> set[int]:
    """Return the pids of the processes below one."""
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found: set[int] = set()
    parents = [root]
    while parents:
        below = set(children.get(parents.pop(), ())) - found
        found |= below
        parents += below
    return found


def main_thread_state(pid: int) -> str:
    """Describe what the kernel says about the main thread of a process; empty if the process is gone."""
    table = look()
    stat = table.stat(pid)
    if stat is None:
        return ""
    if stat.state == "R":
        return "its main thread is computing"
    if stat.state in ("t", "T"):
        return "its main thread is stopped"
    kernel_function = table.waits_in(pid)
    return "its main thread waits" + (f" in {kernel_function}" if kernel_function else "")


def send(pids: list[int], number: int) -> None:
    """Signal each process, skipping those that have ended or belong to another user."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def send_to_group(pgid: int, number: int) -> None:
    """Signal all processes of a group, if it still exists."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):  # the latter on macOS also for a group of zombies alone
        return


def signal_name(number: int) -> str:
    """Return the name of a signal, such as ``SIGTERM``."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"SIG{number}"


def _exists(pid: int) -> bool:
    """Return whether there is a process with this pid, or a zombie."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _traced_since(spool: Path) -> dict[int, float]:
    """Return the moments, in seconds since the epoch, at which the tracer started in processes of a run, by pid."""
    try:
        return {file.pid: file.started_at_ns / 1e9 + ROUNDING_SECONDS for file in list_spool(spool)}
    except OSError:  # the folder is gone
        return {}
