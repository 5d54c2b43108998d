"""Read files that a traced program may have replaced: by a pipe, which nobody writes, a folder or a link."""

from __future__ import annotations

import errno
import os
import stat
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
    # A pipe would be waited for until somebody opens its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        return file.read(max_bytes)
