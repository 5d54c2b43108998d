"""Read about processes in ``/proc``, file by file, whenever something is asked."""

from __future__ import annotations

import os
import time
from pathlib import Path

from breadcrumb_server.runs.process_table.table import Stat

_PROC = Path("/proc")
_MASKS = {"SigCgt", "SigBlk"}


class ProcFiles:
    """The table of processes that Linux shows as files (proc(5))."""

    def pids(self) -> list[int]:
        """Return the pids of all processes; none where ``/proc`` is not mounted."""
        try:
            # Not iterdir: the watch lists them a hundred times a second, and each entry would become a Path.
            return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208
        except OSError:
            return []

    def stat(self, pid: int) -> Stat | None:
        """Return the fields of /proc/<pid>/stat that matter."""
        text = _text(pid, "stat")
        fields = text.rpartition(")")[2].split()  # the command name before may itself hold spaces and brackets
        if len(fields) < 26:
            return None
        return Stat(fields[0], int(fields[1]), int(fields[3]), int(fields[19]), int(fields[25]))

    def started_at(self, pid: int) -> float | None:
        """Return the start, counted from that of the machine."""
        stat = self.stat(pid)
        if stat is None:
            return None
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return booted + stat.started / os.sysconf("SC_CLK_TCK")

    def command_line(self, pid: int) -> list[str]:
        """Return the words of the command."""
        data = _bytes(pid, "cmdline")
        return [os.fsdecode(word) for word in data.removesuffix(b"\0").split(b"\0")] if data else []

    def executable(self, pid: int) -> str:
        """Return the path of the program, also after its file was removed."""
        return _link(pid, "exe").removesuffix(" (deleted)")

    def working_folder(self, pid: int) -> Path:
        """Return the current folder."""
        return Path(_link(pid, "cwd") or "/")

    def environment(self, pid: int) -> dict[str, str] | None:
        """Return the variables."""
        items = _variables(pid)
        if items is None:
            return None
        pairs = (os.fsdecode(item).partition("=") for item in items)
        return {name: value for name, _, value in pairs if name}

    def was_given(self, pid: int, variable: str, value: str) -> bool:
        """Return whether the variable has the value."""
        return f"{variable}={value}".encode() in (_variables(pid) or ())

    def user_id(self, pid: int) -> int:
        """Return the effective user."""
        line = next((line for line in _text(pid, "status").splitlines() if line.startswith("Uid:")), "")
        return int(line.split()[2]) if line else os.geteuid()

    def catches(self, pid: int, number: int) -> bool:
        """Return whether the main thread handles the signal and does not block it; other processes may die of it."""
        lines = (line.partition(":") for line in _text(pid, "status").splitlines())
        masks = {name: int(mask, 16) for name, _, mask in lines if name in _MASKS}
        return bool(masks.get("SigCgt", 0) & ~masks.get("SigBlk", 0) & 1 << (number - 1))

    def waits_in(self, pid: int) -> str:
        """Return the kernel's function."""
        return _text(pid, "wchan").strip("0\n")


def _bytes(pid: int, name: str) -> bytes:
    """Return the content of a file of a process; empty if there is none with this pid, or if it is another user's."""
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _text(pid: int, name: str) -> str:
    return _bytes(pid, name).decode("utf-8", errors="replace")


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
