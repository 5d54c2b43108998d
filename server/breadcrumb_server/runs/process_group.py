"""Find, inspect and signal the processes of a run, through ``/proc``; :mod:`process_watch` keeps what was seen.

The command starts in a new session, which its children join. A child that left the session (a daemon) is found by
the spool folder in its environment. A process is identified by pid and start time, because pids are reused.
"""

import os
import signal
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from breadcrumb.record_format import ENV_TRACE

_PROC = Path("/proc")
# Between the moment that is stored as the start of a run and the start of its process, on a machine that is busy.
STARTING_SECONDS = 60.0
_MASKS = {"SigCgt", "SigBlk"}


@dataclass(frozen=True)
class Stat:
    """What the kernel says about a process.

    Args:
        has_ended: Whether it is a zombie.
        parent: The pid of its parent.
        session: The pid of its session.
        started: Its start, in clock ticks since boot.
        image: The start of its stack, which an exec changes and a fork keeps; 0 if it is hidden.
    """

    has_ended: bool
    parent: int
    session: int
    started: int
    image: int


def pids() -> list[int]:
    """Return the pids of all processes that can be seen; none where there is no ``/proc``."""
    try:
        # Not iterdir: the watch lists them a hundred times a second, and each entry would become a Path.
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []


def read_stat(pid: int) -> Stat | None:
    """Return what the kernel says about a process; None if there is none with this pid."""
    fields = _stat_fields(pid)
    if fields is None or len(fields) < 26:
        return None
    return Stat(fields[0] in ("Z", "X"), int(fields[1]), int(fields[3]), int(fields[19]), int(fields[25]))


def command_line(pid: int) -> list[str]:
    """Return the words of the command that a process runs; none if it has ended, or is just being replaced."""
    try:
        data = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(word) for word in data.removesuffix(b"\0").split(b"\0")] if data else []


def executable(pid: int) -> str:
    """Return the path of the file that a process runs; empty if it cannot be read, as for another user's process."""
    return _link(pid, "exe").removesuffix(" (deleted)")


def working_folder(pid: int) -> Path:
    """Return the current folder of a process; the root if it cannot be read."""
    return Path(_link(pid, "cwd") or "/")


def environment(pid: int) -> dict[str, str] | None:
    """Return the variables that a process was started with; None if they cannot be read, as another user's."""
    items = _variables(pid)
    if items is None:
        return None
    pairs = (os.fsdecode(item).partition("=") for item in items)
    return {name: value for name, _, value in pairs if name}


def user_id(pid: int) -> int:
    """Return the effective user of a process; that of this server if it cannot be read."""
    try:
        text = (_PROC / str(pid) / "status").read_text("utf-8", errors="replace")
    except OSError:
        return os.geteuid()
    line = next((line for line in text.splitlines() if line.startswith("Uid:")), "")
    return int(line.split()[2]) if line else os.geteuid()


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it has ended or is a zombie."""
    fields = _stat_fields(pid)
    return None if fields is None or fields[0] in ("Z", "X") else int(fields[19])


def is_alive(pid: int, started: int | None) -> bool:
    """Return whether the process with this pid and start time still runs."""
    return started is not None and start_time(pid) == started


def started_by(pid: int, moment: datetime) -> bool:
    """Return whether the process that has a pid now was there at a moment, or came at most STARTING_SECONDS later."""
    ticks = start_time(pid)
    if ticks is None:
        return False
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK") <= moment.timestamp() + STARTING_SECONDS


def members(session: int | None, spool: Path) -> list[int]:
    """Return the living processes of a run: those in its session or with its spool folder in the environment."""
    found: list[int] = []
    marker = f"{ENV_TRACE}={spool}".encode()
    own = os.getpid()
    for pid in pids():
        stat = read_stat(pid) if pid != own else None
        if stat is None or stat.has_ended:
            continue
        if stat.session == session or marker in (_variables(pid) or ()):
            found.append(pid)
    return found


def catches(pid: int, number: int) -> bool:
    """Return whether the main thread handles a signal and does not block it; other processes may die of it."""
    try:
        lines = (_PROC / str(pid) / "status").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    masks = {name: int(mask, 16) for name, _, mask in (line.partition(":") for line in lines) if name in _MASKS}
    return bool(masks.get("SigCgt", 0) & ~masks.get("SigBlk", 0) & 1 << (number - 1))


def is_computing(pid: int) -> bool:
    """Return whether the main thread of a process is using a processor, or ready to."""
    fields = _stat_fields(pid)
    return fields is not None and fields[0] == "R"


def main_thread_state(pid: int) -> str:
    """Describe what the kernel says about the main thread of a process; empty if the process is gone."""
    fields = _stat_fields(pid)
    if fields is None:
        return ""
    if fields[0] == "R":
        return "its main thread is computing"
    if fields[0] in ("t", "T"):
        return "its main thread is stopped"
    try:
        kernel_function = (_PROC / str(pid) / "wchan").read_text("utf-8", errors="replace").strip("0\n")
    except OSError:
        kernel_function = ""
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
    except (ProcessLookupError, PermissionError):
        return


def signal_name(number: int) -> str:
    """Return the name of a signal, such as ``SIGTERM``."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"SIG{number}"


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from "state" on."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()  # the command name before may itself hold spaces and brackets


def _link(pid: int, name: str) -> str:
    try:
        return str((_PROC / str(pid) / name).readlink())
    except OSError:
        return ""


def _variables(pid: int) -> list[bytes] | None:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's process, or it has ended
        return None
