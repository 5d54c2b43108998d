"""Read files and folders that a traced program may have replaced: by a pipe, which nobody writes, or a link."""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from pathlib import Path

# Far more than the tracer or the launcher writes into a small file, and far less than memory.
MAX_BYTES = 64 << 20


def read_regular(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file, without waiting for anybody.

    Args:
        path: The file; not a link.
        max_bytes: The end is left out of a larger one.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return file.read(max_bytes)


def open_regular(path: Path) -> FileIO:
    """Open a regular file for reading, without waiting for anybody and without a buffer.

    Args:
        path: The file; not a link.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    # A pipe would be waited for until somebody opens its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return FileIO(descriptor, "rb")


def is_folder(path: Path) -> bool:
    """Return whether there is a folder, and not a link to one."""
    return path.is_dir() and not path.is_symlink()
