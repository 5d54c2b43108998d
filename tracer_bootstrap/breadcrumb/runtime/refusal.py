"""Say in the spool that the tracer does not run in this interpreter.

Imports little of the tracer: on PyPy most of it cannot be imported.
"""

from __future__ import annotations

import atexit
import sys
from os import O_APPEND, O_CREAT, O_WRONLY

from .. import record_format
from .features import HAS_GIL
from .process_key import process_key
from .system import system

_PYTHON = "%d.%d" % sys.version_info[:2]
_NAMES = {"pypy": "PyPy", "graalpy": "GraalPy"}

# Plain ASCII without quotes: they are put into JSON as they are.
_NOT_CPYTHON = "%s is not supported: the tracer needs CPython 3.8 or newer. Run the command with CPython."
_WITHOUT_GIL = (
    "Free-threaded Python is not supported: the tracer relies on the GIL. "
    "Run the command with the ordinary build of Python %s, or with PYTHON_GIL=1."
)


def refuse(folder: str) -> None:
    """Write this process, and a notice that it is not observed, to the spool; later its end.

    Args:
        folder: The trace's spool folder.

    Raises:
        OSError: The file cannot be written.
    """
    kind = sys.implementation.name
    why = _NOT_CPYTHON % _NAMES.get(kind, kind) if HAS_GIL else _WITHOUT_GIL % _PYTHON
    started_at_ns = system.wall_ns()
    path = "%s/%s-0%s" % (folder, process_key(started_at_ns), record_format.EVENTS_SUFFIX)
    # Without its arguments: they may hold secrets, which nothing here could redact.
    program = "".join(char for char in (sys.executable or "").rpartition("/")[2] if char.isalnum() or char in "._-")
    process = (
        '{"k": "%s", "pid": %d, "ppid": %d, "python": "%s", "executable": "%s", "command": ["%s"], '
        '"started_at_ns": %d, "clock_origin_ns": %d, "parent": null}\n'
    )
    fields = (system.getpid(), system.getppid(), "%d.%d.%d" % sys.version_info[:3], program, program)
    notice = '{"k": "%s", "code": "%s", "message": "%s"}\n'
    _append(
        path,
        process % (record_format.EVENT_PROCESS, *fields, started_at_ns, system.now_ns())
        + notice % (record_format.EVENT_NOTICE, record_format.NOTICE_NOT_OBSERVING, why),
    )
    atexit.register(_end_process, path, system.getpid())


def _end_process(path: str, pid: int) -> None:
    if system.getpid() == pid:  # not in a forked child
        try:
            _append(path, '{"k": "%s", "at_ns": %d}\n' % (record_format.EVENT_END, system.now_ns()))
        except OSError:  # the spool is gone
            pass


def _append(path: str, text: str) -> None:
    fd = system.open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    try:
        system.write(fd, text.encode())
    finally:
        system.close(fd)
