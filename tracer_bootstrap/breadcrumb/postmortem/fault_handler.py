"""Have C code write the stacks where Python cannot: at a crash, or when the interpreter does not answer.

faulthandler writes into a file of the spool that is open from the start. The program must not notice it: its file
number is high, out of the way of the program's own files. A forked child gets its own file.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]
from os import O_APPEND, O_CREAT, O_EXCL, O_WRONLY

from .. import record_format
from ..platform_features import FAULT_SIGNAL
from ..runtime.system import system

try:
    import faulthandler
except ImportError:  # an interpreter built without it
    faulthandler = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

    from ..session.session import Session

# The kernel's table of open files, which each fork copies, grows with the highest number in use: to 32 KiB here.
_HIGHEST_FD = 4095
# File numbers that are tried, from the highest down.
_FDS_TRIED = 32


class FaultHandler:
    """The file ``{process}.fault``, which faulthandler writes stacks to at a fatal signal or at FAULT_SIGNAL.

    Fatal signals go to whoever enables faulthandler last, which may be the program.

    Args:
        session: Names the spool folder and this process.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._fd = -1
        self._file: Tuple[int, int] = (-1, -1)  # device and inode, to check that the number still means this file
        self._signal = -1
        self._enabled = False  # for fatal signals, by this object

    def start(self) -> None:
        """Open the file and register it with faulthandler.

        Raises:
            OSError: The file cannot be opened, or no high file number is free.
            ValueError: faulthandler rejects the file or the signal.
            RuntimeError: faulthandler cannot be enabled.
        """
        if faulthandler is None:
            return
        self._fd = _free_fd()
        self._open_file()
        if not faulthandler.is_enabled():  # enabled by -X faulthandler: it writes to the program's stderr
            faulthandler.enable(file=self._fd, all_threads=True)
            self._enabled = True
        if _signal.getsignal(FAULT_SIGNAL) is _signal.SIG_DFL:
            faulthandler.register(FAULT_SIGNAL, file=self._fd, all_threads=True)
            self._signal = FAULT_SIGNAL

    def stop(self) -> None:
        """Close the file, and disable faulthandler if this object has enabled it.

        If the program has enabled it too meanwhile, that ends as well: nothing tells whose it is.

        Raises:
            OSError: The file cannot be closed.
        """
        if self._fd < 0 or faulthandler is None:
            return
        if self._signal > 0:
            faulthandler.unregister(self._signal)
        if self._enabled:
            faulthandler.disable()
        if self._holds_own_file():
            system.close(self._fd)
        self._fd = -1

    def after_fork_in_child(self) -> None:
        """Give the child its own file under the same number, which faulthandler keeps using."""
        if self._fd < 0:
            return
        try:
            if self._can_reuse_fd():
                self._open_file()
            elif faulthandler is not None and self._signal > 0:  # the program uses the number now
                faulthandler.unregister(self._signal)
        except OSError:  # a full disk or a removed folder: a crash of this child leaves no stacks
            pass

    def _can_reuse_fd(self) -> bool:
        return self._holds_own_file(if_closed=True)  # closed by the program, so free

    def _holds_own_file(self, if_closed: bool = False) -> bool:
        """Return whether the number still means the file of this object; *if_closed* if it means none."""
        try:
            found = system.fstat(self._fd)
        except OSError:
            return if_closed
        return (found.st_dev, found.st_ino) == self._file

    def _open_file(self) -> None:
        spool = self._session.spool
        path = "%s/%s" % (spool.folder, spool.process_key + record_format.FAULT_SUFFIX)
        fd = system.open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0o600)
        try:
            found = system.fstat(fd)
            system.dup2(fd, self._fd, inheritable=False)
        finally:
            system.close(fd)
        self._file = (found.st_dev, found.st_ino)


def _free_fd() -> int:
    """Return a free file number that the program is unlikely to reach; raise OSError if there is none."""
    limit = system.sysconf("SC_OPEN_MAX")
    highest = _HIGHEST_FD if limit < 0 else min(limit - 1, _HIGHEST_FD)
    for number in range(highest, max(highest - _FDS_TRIED, 2), -1):
        try:
            system.fstat(number)
        except OSError:
            return number
    raise OSError("the highest file numbers are all in use")
