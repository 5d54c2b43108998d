"""Describe this process: its command, its start, its ancestors, and its name in multiprocessing."""

from __future__ import annotations

import sys
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from os import O_CLOEXEC, O_RDONLY

from .. import record_format
from ..platform_features import HAS_PROC, HAS_WIPE_ON_FORK
from ..runtime.classes import namespace
from ..runtime.system import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Sequence, Tuple

    from .session import Session

_MADV_WIPEONFORK = 18  # Linux 4.14; not every mmap module names it

# Positions in /proc/<pid>/stat, counted after the process's name.
_PARENT, _SESSION, _START_TIME, _START_STACK = 1, 3, 19, 25
_MAX_ANCESTORS = 16
_MAX_STAT_BYTES = 4096

# Priority of a multiprocessing finalizer: the lowest, so that it runs after the program's.
_RUNS_LAST = -1_000_000

_instance_dict: Any = namespace(object)["__getattribute__"]


def command_line() -> List[str]:
    """Return the words of the command that started this process."""
    words = getattr(sys, "orig_argv", None)  # since 3.10
    if words:
        return [str(word) for word in words]
    # sys.argv lacks the interpreter's options and the arguments of -c and -m
    words = _kernel_words() if HAS_PROC else _interpreter_words()
    return words or [sys.executable or "", *getattr(sys, "argv", [])]


def _kernel_words() -> List[str]:
    """Return the words of this process's command as the kernel has them."""
    try:
        with system.open_file("/proc/self/cmdline", "rb") as file:
            return [system.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
    except OSError:
        return []


def _interpreter_words() -> List[str]:
    """Return the words of this process's command as the interpreter was given them (``Py_GetArgcArgv``).

    Uses ``_ctypes`` alone, as ``mapped_files`` does.
    """
    try:
        import _ctypes

        c: Any = _ctypes
        integer = type("c_int", (c._SimpleCData,), {"_type_": "i"})
        pointer: Any = type("c_void_p", (c._SimpleCData,), {"_type_": "P"})
        text: Any = type("c_wchar_p", (c._SimpleCData,), {"_type_": "Z"})
        prototype: Any = type(
            "get", (c.CFuncPtr,), {"_flags_": c.FUNCFLAG_CDECL, "_restype_": None, "_argtypes_": (pointer, pointer)}
        )
        count, words = integer(), pointer()
        prototype(c.dlsym(c.dlopen(None, 0), "Py_GetArgcArgv"))(c.addressof(count), c.addressof(words))
        return list((text * count.value).from_address(words.value))
    except Exception:  # a Python without libffi, or linked statically
        return []


def kernel_start() -> Tuple[Optional[int], Optional[int]]:
    """Return the start time of this process, in clock ticks since boot, and the start address of its stack.

    Pid and start time identify the process, as pids are reused. An exec keeps both and moves the stack; a
    subinterpreter shares all three. Without /proc the start time is None, and the stack's is the address of an object
    that is part of the interpreter's program, which an exec loads to another place.
    """
    if not HAS_PROC:
        return None, id(None)
    stat = _stat("self")
    return (int(stat[_START_TIME]), int(stat[_START_STACK])) if stat else (None, None)


def ancestors() -> List[int]:
    """Return the pids of the parent and its ancestors, up to the first one in another session.

    They connect two Python processes with others between them: a shell, make, uv.
    """
    stat = _stat("self") if HAS_PROC else None
    if not stat:
        return [system.getppid()]
    session = stat[_SESSION]
    found: List[int] = []
    while stat and stat[_SESSION] == session and len(found) < _MAX_ANCESTORS:
        found.append(int(stat[_PARENT]))
        stat = _stat(str(found[-1]))
    return found


def _stat(pid: str) -> List[bytes]:
    """Return the fields of /proc/<pid>/stat after the process's name, which may hold any character (proc(5))."""
    try:
        file = system.open("/proc/%s/stat" % pid, O_RDONLY | O_CLOEXEC)
        try:
            return system.read(file, _MAX_STAT_BYTES).rpartition(b")")[2].split()
        finally:
            system.close(file)
    except OSError:
        return []


def is_resource_tracker(command: Sequence[str]) -> bool:
    """Return whether the command is multiprocessing's resource tracker, which runs no code of the program."""
    return any(word.startswith("from ") and ".resource_tracker import main" in word for word in command)


_MULTIPROCESSING_CODE = ("from multiprocessing.spawn import", "from multiprocessing.forkserver import")


def starts_for_multiprocessing(command: Sequence[str]) -> bool:
    """Return whether the ``-c`` code of the command is multiprocessing's, which then runs the program's code."""
    return any(_multiprocessing_import(word) for word in command)


def short_command(command: Sequence[str]) -> List[str]:
    """Return the command without the pipe numbers and the sys.path that multiprocessing puts into its ``-c`` code."""
    return [_multiprocessing_import(word) or word for word in command]


def _multiprocessing_import(word: str) -> str:
    """Return the import with which multiprocessing's ``-c`` code begins, from 3.14 on after one of sys; or nothing."""
    if _MULTIPROCESSING_CODE[0] in word or _MULTIPROCESSING_CODE[1] in word:
        for statement in word.split(";", 2)[:2]:
            if statement.lstrip().startswith(_MULTIPROCESSING_CODE):
                return statement.lstrip()
    return ""


def fork_mark() -> Any:
    """Return a buffer whose item 0 is 1 here and 0 in a forked child, also of a fork made in C.

    On a Linux before MADV_WIPEONFORK it stays 1: only forks that run Python's hooks are noticed then.
    """
    mark: Any
    if not HAS_WIPE_ON_FORK:
        return _PidMark()
    try:
        mark = mmap(-1, 1, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        mark.madvise(_MADV_WIPEONFORK)
    except (OSError, ValueError, AttributeError):
        mark = bytearray(1)
    mark[0] = 1
    return mark


class _PidMark:
    """The twin of the buffer: compares the pid whenever it is read, which costs a tenth of a microsecond."""

    __slots__ = ("_pid",)

    def __init__(self) -> None:
        self._pid = system.getpid()

    def __getitem__(self, index: int) -> bool:
        return self._pid == system.getpid()

    def __setitem__(self, index: int, value: int) -> None:
        self._pid = system.getpid()


class MultiprocessingChild:
    """The link to multiprocessing in a process that it started: reads the name, and learns of the end.

    A forked child leaves through ``os._exit``: until 3.13 no atexit function runs in it, but the finalizers of
    ``multiprocessing.util`` do.
    """

    def __init__(self, session: Session, end_process: Callable[[], None]) -> None:
        self._session = session
        self._end_process = end_process
        self._follows_forks = False
        self._name = ""

    def after_fork(self) -> None:
        """Ask multiprocessing, in a forked child, for a call back if it made the child."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is None or self._follows_forks:
            return
        try:
            util.register_after_fork(self, MultiprocessingChild._begins)
            self._follows_forks = True  # the registration is inherited
        except Exception:  # half imported, or not the standard library's module
            pass

    def _begins(self) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, self._end_process, exitpriority=_RUNS_LAST)
        self.find_name()

    def find_name(self) -> None:
        """Write the process's name, once it is known."""
        process = getattr(sys.modules.get("multiprocessing.process"), "_current_process", None)
        if process is None:
            return
        fields = _instance_dict(process, "__dict__")  # its class may be defined by the program
        name = fields.get("_name") if type(fields) is dict else None
        if type(name) is str and name not in (self._name, "MainProcess"):
            self._name = name
            self._session.event(record_format.EVENT_NAME, name=name)
