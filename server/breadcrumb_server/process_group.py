"""The processes of a run: who they are, whether they live, and how to end them all.

A run's command starts its own session, so that its process group holds it and its children. A
child that left the group (a daemon) is found by the spool folder in its environment. A pid alone
names nobody, because the system gives it out again: a pid together with its start time does.
"""

import os
import signal
from pathlib import Path

from breadcrumb.record_format import ENV_TRACE

_PROC = Path("/proc")


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if there is none (a zombie counts as gone)."""
    fields = _stat_fields(pid)
    return None if fields is None or fields[0] in ("Z", "X") else int(fields[19])


def is_alive(pid: int, started: int | None) -> bool:
    """Whether the very process that had this pid and start time still runs."""
    return started is not None and start_time(pid) == started


def members(session: int | None, spool: Path) -> list[int]:
    """Every living process that belongs to a run: of its session, or with its spool folder in the environment."""
    found: list[int] = []
    marker = f"{ENV_TRACE}={spool}".encode()
    own = os.getpid()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == own:
            continue
        pid = int(entry.name)
        fields = _stat_fields(pid)
        if fields is None or fields[0] in ("Z", "X"):
            continue
        if int(fields[3]) == session or marker in _environment(entry):
            found.append(pid)
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    """Signal each process; one that has ended meanwhile, or belongs to someone else, is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def send_to_group(pgid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"SIG{number}"


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from "state" on; the command name before may hold spaces and brackets."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's process
        return []
