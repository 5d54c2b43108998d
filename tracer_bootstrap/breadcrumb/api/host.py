"""Hold the functions of the operating system that the API uses, as ``runtime.system`` does for the tracer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Host:
    """The functions, by the names that ``os`` and ``os.path`` give them."""

    def __init__(self) -> None:
        import os
        import select
        import time

        self.name = os.name
        self.environ = os.environ
        self.chmod = os.chmod
        self.makedirs = os.makedirs
        self.mkdir = os.mkdir
        self.listdir = os.listdir
        self.replace = os.replace
        self.rmdir = os.rmdir
        self.unlink = os.unlink
        self.urandom = os.urandom
        self.access = os.access
        self.open_file = open

        self.pipe = os.pipe
        self.read = os.read
        self.write = os.write
        self.close = os.close
        self.waitpid = os.waitpid
        self.WNOHANG = os.WNOHANG
        self.posix_spawn: Any = getattr(os, "posix_spawn", None)
        self.POSIX_SPAWN_OPEN = getattr(os, "POSIX_SPAWN_OPEN", 0)
        self.POSIX_SPAWN_DUP2 = getattr(os, "POSIX_SPAWN_DUP2", 0)
        self.X_OK = os.X_OK
        self.RW_OK = os.R_OK | os.W_OK

        self.abspath = os.path.abspath
        self.expanduser = os.path.expanduser
        self.isfile = os.path.isfile
        self.isdir = os.path.isdir
        self.exists = os.path.exists
        self.dirname = os.path.dirname
        self.basename = os.path.basename
        self.fspath = os.fspath
        self.getcwd = os.getcwd

        self.gmtime = time.gmtime
        self.strftime = time.strftime
        self.monotonic = time.monotonic
        self.poll = select.poll


host = _Host()
