"""Watch the processes of a command while it runs, and keep what is known of each Python among them.

The kernel tells nobody without special rights when a process starts, so this looks again and again: at the listing of
all, for new processes, and at the image of each process of the run, which an exec replaces. What lives more briefly
than the pause between two looks may be missed; a traced parent notes such children
(:mod:`breadcrumb.events.child_processes`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from breadcrumb.platform_features import HAS_PROC
from breadcrumb.record_format import ENV_TRACE
from breadcrumb_server.runs.process_table import ProcessTable, Stat, look
from breadcrumb_server.runs.python_command import is_python, read_python_command

# The share of a processor that looking may take. At first, and whenever something new was seen, it is larger: a shell
# that has just started is about to start or become a Python.
SHARE = 0.02
SHARE_WHEN_NEW = 0.06
NEW_SECONDS = 0.25
FIRST_SECONDS = 1.0
SHORTEST_PAUSE_SECONDS = 0.003
LONGEST_PAUSE_SECONDS = 0.5 if HAS_PROC else 2.0  # ps takes a hundred times as long
# What a look costs: the time of this thread, or that of waiting for ps.
_spent_seconds = time.thread_time if HAS_PROC else time.monotonic
# Pythons that are kept, and other programs: those of a loop are alike.
MAX_PYTHONS = 2_000
MAX_PROGRAMS = 20


@dataclass
class SeenPython:
    """A Python that was seen among the processes of a run: one image of a process.

    Args:
        pid: Its process.
        started: The start of the process, as ``Stat.started``.
        image: The start of its stack, which an exec changes and a fork keeps; 0 if it is hidden.
        words: Its command line.
        program: The path of its executable.
        parent: The pid of its parent.
        folder: Its current folder.
        is_root: Whether it is the command's own process.
        starter: The name of the program that started it: of a Python, that of its script or module.
        user: Its user id.
        trace: The value of BREADCRUMB_TRACE in the environment that it was started with; None if it lacks it.
        python_path: The same of PYTHONPATH.
        has_folder: Whether the tracer's folder is on it.
        shadow: The ``sitecustomize`` in a folder before the tracer's on its PYTHONPATH; empty if there is none.
        environment_is_known: Whether its environment could be read.
        seen_at: When it was seen, by the monotonic clock.
        has_ended: Whether it has ended, or was replaced by another program.
    """

    pid: int
    started: int
    image: int
    words: list[str]
    program: str
    parent: int
    folder: str
    is_root: bool
    starter: str
    user: int
    trace: str | None
    python_path: str | None
    has_folder: bool
    shadow: str
    environment_is_known: bool
    seen_at: float = field(default_factory=time.monotonic)
    has_ended: bool = False

    def is_like(self, other: SeenPython) -> bool:
        """Return whether another Python of the same process has the same command and the same variables."""
        mine, others = ((each.words, each.program, each.trace, each.python_path) for each in (self, other))
        return mine == others


@dataclass
class _Member:
    """A process of the run, with the image that it had at the last look."""

    started: int
    image: object = None
    program: str = ""
    python: SeenPython | None = None


class ProcessWatch:
    """The processes that a command has started, as far as they were seen by a thread of its own.

    The event loop is no place for it: while a call waits for the database, a Python comes and goes.

    Args:
        pid: The command's own process, which is also its session.
        folder: The folder of the tracer that is on the PYTHONPATH of the command.
        reaper: The process that is the parent of what the command's processes leave behind; None if there is none.
    """

    def __init__(self, pid: int, folder: Path, reaper: int | None = None) -> None:
        self._root = pid
        self._reaper = reaper
        self._folder = str(folder)
        self._members: dict[int, _Member] = {}
        self._known: set[int] = set()
        self._others: dict[str, None] = {}
        self._pythons: list[SeenPython] = []
        self._stopped = threading.Event()
        # Not to be waited for at the end of the server: a look changes nothing.
        threading.Thread(target=self._follow, name=f"watch of {pid}", daemon=True).start()

    @property
    def pythons(self) -> list[SeenPython]:
        """Return the Pythons that were seen, in the order in which they started. Safe in any thread."""
        return list(self._pythons)

    @property
    def others(self) -> list[str]:
        """Return the names of the other programs that the command has started, at most MAX_PROGRAMS, likewise."""
        return list(self._others)

    def stop(self) -> None:
        """Look no more, without waiting."""
        self._stopped.set()

    def _follow(self) -> None:
        began = new_at = time.monotonic()
        pause = 0.0
        while not self._stopped.wait(pause):
            before = _spent_seconds()
            if self._look():
                new_at = time.monotonic()
            if not self._members:  # the command and all that it started are gone
                return
            now = time.monotonic()
            is_new = now - began < FIRST_SECONDS or now - new_at < NEW_SECONDS
            pause = (_spent_seconds() - before) / (SHARE_WHEN_NEW if is_new else SHARE)
            pause = min(max(pause, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    def _look(self) -> bool:
        """Look once; return whether a process or a program was seen for the first time."""
        found = False
        table = look()
        pids = set(table.pids())
        new = pids - self._known
        self._known = pids
        for pid in sorted(new):  # a parent has the lower pid, unless the numbers began anew
            stat = table.stat(pid)
            if stat is not None and (stat.session == self._root or pid == self._root or self._is_parent(stat.parent)):
                self._members[pid] = _Member(stat.started)
                found = True
        for pid, member in list(self._members.items()):
            found |= self._look_at(table, pid, member)
        return found

    def _is_parent(self, pid: int) -> bool:
        return pid in self._members or pid == self._reaper

    def _look_at(self, table: ProcessTable, pid: int, member: _Member) -> bool:
        """Look at a process of the run; return whether it has another image than at the last look."""
        stat = table.stat(pid)
        if stat is None or stat.has_ended or stat.started != member.started:
            if member.python is not None:
                member.python.has_ended = True
            if stat is None or stat.started != member.started:
                del self._members[pid]
            return False
        # The kernel hides the start of the stack of another user's process.
        words = None if stat.image else table.command_line(pid)
        image = stat.image or tuple(words or ())
        if image == member.image:
            return False
        words = words if words is not None else table.command_line(pid)
        if not words:  # in the middle of an exec: the next look sees more
            return False
        before, member.python = member.python, None
        if before is not None:
            before.has_ended = True
        program = table.executable(pid) or words[0]
        parent = self._members.get(stat.parent)
        starter = member.program or (parent.program if parent is not None else "")
        is_fork = parent is not None and parent.image == image
        is_command = pid == self._root and not member.program
        member.image = image
        if not is_python(program):
            member.program = Path(program).name
            if not is_command and not is_fork and len(self._others) < MAX_PROGRAMS:
                self._others[member.program] = None
            return True
        command = read_python_command(words)
        member.program = Path(command.script or command.module or program).name
        # The parent of a fork may have ended before this look.
        is_fork = is_fork or any(each.image == image for each in self._pythons)
        if not is_fork and len(self._pythons) < MAX_PYTHONS:
            python = self._python(table, pid, stat, words, program, starter)
            if before is not None and before.is_like(python):  # seen in the middle of its exec, with another stack
                before.image, before.has_ended = stat.image, False
                python = before
            else:
                self._pythons.append(python)
            member.python = python
        return True

    def _python(
        self, table: ProcessTable, pid: int, stat: Stat, words: list[str], program: str, starter: str
    ) -> SeenPython:
        environment = table.environment(pid)
        if not environment:  # empty also in the middle of an exec, and once the process has ended
            now = table.stat(pid)
            environment = table.environment(pid) if now is not None and not now.has_ended else None
        variables = environment or {}
        path = variables.get("PYTHONPATH")
        folder = table.working_folder(pid)
        before, found, _ = f":{path or ''}:".partition(f":{self._folder}:")
        return SeenPython(
            pid=pid,
            started=stat.started,
            image=stat.image,
            words=words,
            program=program,
            parent=stat.parent,
            folder=str(folder),
            is_root=pid == self._root,
            starter=starter,
            user=table.user_id(pid),
            trace=variables.get(ENV_TRACE),
            python_path=path,
            has_folder=bool(found),
            shadow=next(_sitecustomizes(folder, before if found else ""), ""),
            environment_is_known=environment is not None,
        )


def _sitecustomizes(current: Path, python_path: str) -> Iterator[str]:
    """Yield each ``sitecustomize`` in the folders of a PYTHONPATH."""
    for part in filter(None, python_path.split(":")):
        for name in ("sitecustomize.py", "sitecustomize/__init__.py", "sitecustomize.pyc"):
            if os.path.isfile(current / part / name):  # noqa: PTH113  (a Path raises where it may not look)
                yield str(current / part / name)
