"""Tell another server that its run is being stopped on request, so that its status becomes "stopped".

The mark is a lock on a file beside the spool folder. The owner of the run looks for it when no process of the run lives
any more: a program can make the file, and cannot hold the lock.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".stop"


def mark_file(spool: Path) -> Path:
    """Return the file that is locked, by the spool folder of the run."""
    return spool.with_name(spool.name + SUFFIX)


@contextmanager
def stopping(spool: Path) -> Generator[None]:
    """Hold the mark; without one, where it cannot be made, the run ends by a signal all the same."""
    descriptor = _lock(spool, os.O_CREAT, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_being_stopped(spool: Path) -> bool:
    """Return whether a living process holds the mark. Call it when no process of the run lives."""
    try:
        descriptor = _lock(spool, 0, fcntl.LOCK_EX)
    except BlockingIOError:
        return True
    if descriptor is not None:
        os.close(descriptor)
    return False


def _lock(spool: Path, flags: int, kind: int) -> int | None:
    """Lock the file and return its descriptor; None if it cannot be opened or locked.

    Raises:
        BlockingIOError: Another process holds it.
    """
    flags |= os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(mark_file(spool), flags, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor
