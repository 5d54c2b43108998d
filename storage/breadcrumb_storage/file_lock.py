"""Lock a database file between the processes of Breadcrumb, before DuckDB opens it.

DuckDB 2.0 reads the headers of a file, closes it, opens it again and locks it only then. Where another process has
written in between, it goes on from the old headers, and its next checkpoint overwrites what that process had stored.
Its lock is one of POSIX as well, which a process loses when it closes any descriptor of the file. This lock is taken
first, lies in a file of its own, and belongs to one open descriptor.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

FIRST_RETRY_SECONDS = 0.002
LONGEST_RETRY_SECONDS = 0.02  # a look takes microseconds, and a typical write 50 ms

LOCK_SUFFIX = ".lock"
QUEUE_SUFFIX = ".queue"


class LockTimeout(Exception):
    """The lock was not free before the deadline."""


def lock_files_of(database: Path) -> tuple[Path, Path]:
    """Return the lock file of a database, and that of the place at the head of the queue for it."""
    return database.with_name(database.name + LOCK_SUFFIX), database.with_name(database.name + QUEUE_SUFFIX)


@contextmanager
def file_lock(database: Path, deadline: float, *, exclusive: bool) -> Generator[None]:
    """Hold the lock of a database file, alone or together with other readers.

    Who waits keeps later ones waiting: neither a stream of readers nor one busy writer holds up another process.

    A reader needs no lock in a folder where it may not make one: nobody like it can write there.

    Args:
        database: The database file; its folder exists.
        deadline: Latest ``time.monotonic()`` to wait until.
        exclusive: Whether to hold it alone.

    Raises:
        LockTimeout: Others held it until the deadline.
        OSError: The lock file cannot be made.
    """
    lock, queue = lock_files_of(database)
    try:
        head = _wait(queue, fcntl.LOCK_EX, deadline)
    except OSError as error:
        if exclusive or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        yield
        return
    try:
        descriptor = _wait(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, deadline)
    finally:
        os.close(head)
    try:
        yield
    finally:
        os.close(descriptor)


def _wait(path: Path, kind: int, deadline: float) -> int:
    """Return a descriptor that holds a lock."""
    pause = FIRST_RETRY_SECONDS
    while (descriptor := _try(path, kind)) is None:
        if time.monotonic() + pause > deadline:
            raise LockTimeout
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_RETRY_SECONDS)
    return descriptor


def _try(path: Path, kind: int) -> int | None:
    """Return a descriptor that holds the lock, None if others hold it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        if _is_at(descriptor, path):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether the file still has this path: with a removed lock file nobody else would be locked out."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def lock_holder(database: Path) -> int | None:
    """Return the pid of a process that holds the lock, if the system tells."""
    try:
        inode = lock_files_of(database)[0].stat().st_ino
        for line in Path("/proc/locks").read_text("ascii").splitlines():
            columns = line.split()  # 1: FLOCK  ADVISORY  WRITE 4711 fe:00:524312 0 EOF
            if columns[1] == "FLOCK" and int(columns[5].rpartition(":")[2]) == inode:
                return int(columns[4])
    except (OSError, ValueError, IndexError):  # there is no such table, or it has another form
        pass
    return None
