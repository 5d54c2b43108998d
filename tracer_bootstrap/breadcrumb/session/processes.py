"""What is known of this process besides its calls: its command, its start, its part in multiprocessing."""

from __future__ import annotations

import os
import sys
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

from .. import record_format
from ..runtime.classes import namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Sequence, Tuple

    from .session import Session

_MADV_WIPEONFORK = 18  # Linux 4.14; the mmap module does not name it everywhere

# Positions in /proc/<pid>/stat behind the process's name.
_PARENT, _SESSION, _START_TIME, _START_STACK = 1, 3, 19, 25
_MAX_ANCESTORS = 16

# After whatever else a child of multiprocessing has registered for its end.
_RUNS_LAST = -1_000_000

_instance_dict: Any = namespace(object)["__getattribute__"]


def command_line() -> List[str]:
    """The words of the command as this process was started with it."""
    words = getattr(sys, "orig_argv", None)  # came in 3.10
    if words:
        return [str(word) for word in words]
    try:  # sys.argv lacks the interpreter's own options, and what stands behind -c and -m
        with open("/proc/self/cmdline", "rb") as file:
            words = file.read().split(b"\0")[:-1]
    except OSError:
        words = []
    return [os.fsdecode(word) for word in words] or [sys.executable or "", *getattr(sys, "argv", [])]


def kernel_start() -> Tuple[Optional[int], Optional[int]]:
    """When the system started this process, in clock ticks since its boot, and where the stack of its program begins.

    The first names it for certain together with the pid, which alone is given out again. An exec leaves both the same
    and moves the stack; a subinterpreter shares all three.
    """
    stat = _stat("self")
    return (int(stat[_START_TIME]), int(stat[_START_STACK])) if stat else (None, None)


def ancestors() -> List[int]:
    """The pids of the parent and of its parents, up to the first that is in another session.

    Between two Python processes may stand others: a shell, make, uv.
    """
    stat = _stat("self")
    if not stat:
        return [os.getppid()]
    session = stat[_SESSION]
    found: List[int] = []
    while stat and stat[_SESSION] == session and len(found) < _MAX_ANCESTORS:
        found.append(int(stat[_PARENT]))
        stat = _stat(str(found[-1]))
    return found


def _stat(pid: str) -> List[bytes]:
    """The fields behind the process's name, which may hold anything (proc(5))."""
    try:
        with open("/proc/%s/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def is_resource_tracker(command: Sequence[str]) -> bool:
    """Whether it is the helper process that cleans up behind multiprocessing: it runs no code of the program's."""
    return any(word.startswith("from ") and ".resource_tracker import main" in word for word in command)


_MULTIPROCESSING_CODE = ("from multiprocessing.spawn import", "from multiprocessing.forkserver import")


def starts_for_multiprocessing(command: Sequence[str]) -> bool:
    """Whether the ``-c`` code of the command is multiprocessing's own, which goes on to run the program's."""
    return any(word.startswith(_MULTIPROCESSING_CODE) for word in command)


def short_command(command: Sequence[str]) -> List[str]:
    """The command as a reader needs it: multiprocessing passes numbers of pipes and a whole sys.path in its code."""
    return [word.partition(";")[0] if word.startswith(_MULTIPROCESSING_CODE) else word for word in command]


def fork_mark() -> Any:
    """Something whose item 0 is 1 here, and 0 in a child of any fork, also of one that was made in C.

    Where the kernel cannot do that it stays 1: then only forks are seen that run Python's hooks.
    """
    mark: Any
    try:
        mark = mmap(-1, 1, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        mark.madvise(_MADV_WIPEONFORK)
    except (OSError, ValueError, AttributeError):
        mark = bytearray(1)
    mark[0] = 1
    return mark


class MultiprocessingChild:
    """What multiprocessing knows of a process that it started: its name, and the moment of its end.

    A child by fork leaves through ``os._exit``: no atexit function runs in it (until 3.13), but the finalizers of
    ``multiprocessing.util`` do.
    """

    def __init__(self, session: Session, end_process: Callable[[], None]) -> None:
        self._session = session
        self._end_process = end_process
        self._follows_forks = False
        self._name = ""

    def after_fork(self) -> None:
        """In a child of a fork: if multiprocessing made it, it is about to say so."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is None or self._follows_forks:
            return
        try:
            util.register_after_fork(self, MultiprocessingChild._begins)
            self._follows_forks = True  # the registration is inherited
        except Exception:  # it is being imported, or is not the standard library's
            pass

    def _begins(self) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, self._end_process, exitpriority=_RUNS_LAST)
        self.find_name()

    def find_name(self) -> None:
        """Tell the process's name, once it is known."""
        process = getattr(sys.modules.get("multiprocessing.process"), "_current_process", None)
        if process is None:
            return
        fields = _instance_dict(process, "__dict__")  # its class may be the program's
        name = fields.get("_name") if type(fields) is dict else None
        if type(name) is str and name not in (self._name, "MainProcess"):
            self._name = name
            self._session.event(record_format.EVENT_NAME, name=name)
