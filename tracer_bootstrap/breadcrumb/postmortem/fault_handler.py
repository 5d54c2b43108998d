"""What C code tells where Python cannot: the stacks at a crash, or of an interpreter that does not answer.

faulthandler writes them into a file of the spool, which for that is kept open from the start. The program is not to
notice: its number is high, out of the way of the program's own files, and a child of a fork gets a file of its own.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]
from os import O_APPEND, O_CREAT, O_EXCL, O_WRONLY, dup2, fstat, sysconf

# Bound now: programs and their tests replace these.
from os import close as os_close
from os import open as os_open

from .. import record_format

try:
    import faulthandler
except ImportError:  # an interpreter that was built without
    faulthandler = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

    from ..session.session import Session

# The kernel's table of a process's files, which each fork copies, is as large as the highest number: 32 KiB.
_HIGHEST_FD = 4095
_FDS_TRIED = 32


class FaultHandler:
    """Has faulthandler write into ``{process}.fault``: fatal signals, and all stacks when asked by FAULT_SIGNAL.

    A program that uses faulthandler itself gets what it asks for: whoever enables it last has the fatal signals.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._fd = -1
        self._file: Tuple[int, int] = (-1, -1)  # device and inode: whether the number still means our file
        self._signal = -1

    def start(self) -> None:
        """Be ready for a crash. Raises OSError, ValueError or RuntimeError where that cannot be."""
        if faulthandler is None:
            return
        self._fd = _free_fd()
        self._open_file()
        if not faulthandler.is_enabled():  # -X faulthandler: its text is in the program's stderr
            faulthandler.enable(file=self._fd, all_threads=True)
        if hasattr(_signal, "SIGRTMAX"):
            number = _signal.SIGRTMAX - record_format.FAULT_SIGNAL_BELOW_MAX
            if _signal.getsignal(number) is _signal.SIG_DFL:
                faulthandler.register(number, file=self._fd, all_threads=True)
                self._signal = number

    def after_fork_in_child(self) -> None:
        """Give the child a file of its own, under the same number: what C code holds stays valid."""
        if self._fd < 0:
            return
        try:
            if self._can_reuse_fd():
                self._open_file()
            elif faulthandler is not None and self._signal > 0:  # the number is the program's now
                faulthandler.unregister(self._signal)
        except OSError:  # a full disk, a folder that is gone: nothing will be told of a crash
            pass

    def _can_reuse_fd(self) -> bool:
        try:
            found = fstat(self._fd)
        except OSError:  # closed by the program: free again
            return True
        return (found.st_dev, found.st_ino) == self._file

    def _open_file(self) -> None:
        spool = self._session.spool
        path = "%s/%s" % (spool.folder, spool.process_key + record_format.FAULT_SUFFIX)
        fd = os_open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0o600)
        try:
            found = fstat(fd)
            dup2(fd, self._fd, inheritable=False)
        finally:
            os_close(fd)
        self._file = (found.st_dev, found.st_ino)


def _free_fd() -> int:
    """A file number that the program will hardly come to. Raises OSError where there is none."""
    limit = sysconf("SC_OPEN_MAX")
    highest = _HIGHEST_FD if limit < 0 else min(limit - 1, _HIGHEST_FD)
    for number in range(highest, max(highest - _FDS_TRIED, 2), -1):
        try:
            fstat(number)
        except OSError:
            return number
    raise OSError("the highest file numbers are all in use")
