"""Read about processes in the output of ``ps``, where there is no ``/proc``.

One call of ``ps`` takes about as long as the start of a small program, so a listing is made once, and again with the
variables only if these are asked for. It joins the words of a command by spaces: a word with a space counts as two.
"""

from __future__ import annotations

import calendar
import os
import re
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from breadcrumb.platform_features import PS_IS_PROCPS
from breadcrumb_server.runs.process_table.table import Stat

_PS = "/bin/ps"
_COLUMNS = [part for name in ("pid", "ppid", "uid", "stat", "lstart", "command") for part in ("-o", f"{name}=")]
# All processes, however long their commands are; and with their variables behind the command, which is spelt in two
# ways.
_ALL = "-axww"
_ALL_WITH_VARIABLES = "axwwe" if PS_IS_PROCPS else "-axwwE"
# Months and days are written in the language of the locale, times in the time zone of the environment.
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC0"}
_TIME = "%a %b %d %H:%M:%S %Y"
# A listing takes milliseconds. One that hangs must not hang the server.
_LIMIT_SECONDS = 10.0

_LINE = re.compile(
    r"\s*(?P<pid>\d+)\s+(?P<parent>\d+)\s+(?P<user>-?\d+)\s+(?P<state>\S)\S*\s+"
    r"(?P<started>[A-Z][a-z]{2}\s+[A-Z][a-z]{2}\s+\d+\s+[\d:]{8}\s+\d{4})\s(?P<command>.*)"
)
_VARIABLE = re.compile(r"(?:^| )([A-Za-z_][A-Za-z0-9_]*)=")


@dataclass(frozen=True)
class Row:
    """A line of ``ps``.

    Args:
        pid: The process.
        parent: The pid of its parent.
        user: Its effective user.
        state: The first letter of its state.
        started: Its start in UTC, such as ``Sun Nov 29 18:59:20 2026``.
        command: Its command, with its variables behind it if these were asked for.
    """

    pid: int
    parent: int
    user: int
    state: str
    started: str
    command: str


def parse(output: str) -> dict[int, Row]:
    """Return the rows of a listing by pid; lines of another form, such as of a zombie without a start, are left out.

    Args:
        output: What ``ps`` printed, with the columns pid, ppid, uid, stat, lstart and command, and no header.
    """
    rows: dict[int, Row] = {}
    for line in output.split("\n"):
        if match := _LINE.fullmatch(line):
            pid, parent, user = (int(match[name]) for name in ("pid", "parent", "user"))
            rows[pid] = Row(pid, parent, user, match["state"], match["started"], match["command"].strip())
    return rows


class PsListing:
    """The table of processes at the moment at which ``ps`` listed them."""

    def __init__(self) -> None:
        self._rows = _list(_ALL)

    @cached_property
    def _rows_with_variables(self) -> dict[int, Row]:
        return _list(_ALL_WITH_VARIABLES)

    def pids(self) -> list[int]:
        """Return the pids of all processes; none if ``ps`` cannot be run."""
        return list(self._rows)

    def stat(self, pid: int) -> Stat | None:
        """Return what the listing says; the image is always hidden."""
        row = self._rows.get(pid)
        if row is None:
            return None
        try:
            session = os.getsid(pid)  # the column of ps is an address in the kernel, or 0
        except OSError:
            session = 0
        return Stat(row.state, row.parent, session, _seconds(row.started), 0)

    def started_at(self, pid: int) -> float | None:
        """Return the start, as a whole number."""
        row = self._rows.get(pid)
        return None if row is None else _seconds(row.started)

    def command_line(self, pid: int) -> list[str]:
        """Return the command, split at spaces."""
        row = self._rows.get(pid)
        return row.command.split() if row is not None else []

    def executable(self, pid: int) -> str:
        """Return nothing: the first word of the command stands for it."""
        return ""

    def working_folder(self, pid: int) -> Path:
        """Return the root: it is hidden."""
        return Path("/")

    def environment(self, pid: int) -> dict[str, str] | None:
        """Return the variables; what looks like one within a value counts as one."""
        text = self._variables(pid)
        if not text:  # a program that the system protects shows none
            return None
        found = list(_VARIABLE.finditer(text))
        ends = [*(match.start() for match in found[1:]), len(text)]
        return {match[1]: text[match.end() : end] for match, end in zip(found, ends, strict=True)}

    def was_given(self, pid: int, variable: str, value: str) -> bool:
        """Return whether the text of the variables has this one."""
        return f" {variable}={value} " in f" {self._variables(pid)} "

    def user_id(self, pid: int) -> int:
        """Return the effective user."""
        row = self._rows.get(pid)
        return os.geteuid() if row is None else row.user

    def catches(self, pid: int, number: int) -> bool:
        """Return True: who handles a signal is hidden, and those that are sent are ignored by default."""
        return True

    def waits_in(self, pid: int) -> str:
        """Return nothing: it is hidden."""
        return ""

    def _variables(self, pid: int) -> str:
        """Return the variables of a process as ``ps`` joins them; empty if they are hidden, or it has called exec."""
        row, longer = self._rows.get(pid), self._rows_with_variables.get(pid)
        if row is None or longer is None or not longer.command.startswith(row.command):
            return ""
        return longer.command[len(row.command) :].strip()


def _seconds(started: str) -> int:
    return calendar.timegm(time.strptime(started, _TIME))


def _list(selection: str) -> dict[int, Row]:
    try:
        done = subprocess.run(
            [_PS, selection, *_COLUMNS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = parse(done.stdout.decode("utf-8", errors="surrogateescape"))
    return {pid: row for pid, row in rows.items() if row.command.split()[:2] != [_PS, selection]}
