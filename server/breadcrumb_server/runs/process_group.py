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
_MASKS = {"SigCgt", "SigBlk"}


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


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for a signal that its main thread lets in; others may be killed by it."""
    try:
        lines = (_PROC / str(pid) / "status").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    masks = {name: int(mask, 16) for name, _, mask in (line.partition(":") for line in lines) if name in _MASKS}
    return bool(masks.get("SigCgt", 0) & ~masks.get("SigBlk", 0) & 1 << (number - 1))


def is_computing(pid: int) -> bool:
    """Whether the process's main thread uses the processor, or waits for it, right now."""
    fields = _stat_fields(pid)
    return fields is not None and fields[0] == "R"


def doing(pid: int) -> str:
    """What the kernel says of a process's main thread, for people; "" where it says nothing."""
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
    """Signal each process; one that has ended meanwhile, or belongs to someone else, is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def send_to_group(pgid: int, number: int) -> None:
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
