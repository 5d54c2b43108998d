"""Hold the functions of the operating system and the clocks that the tracer uses, as they were when it started.

Tests replace such functions wherever a loaded module has them among its globals: pyfakefs those of ``os`` and ``io``,
freezegun the clocks. The tracer's modules must not have them there, so they are attributes of one object. A test looks
through the globals of every module.
"""

from __future__ import annotations


class _System:
    """The functions that the tracer calls; each is a function in C unless noted."""

    def __init__(self) -> None:
        import os
        import time

        self.now_ns = time.perf_counter_ns
        self.sleep = time.sleep

        self.getpid = os.getpid
        self.getppid = os.getppid
        self.sysconf = os.sysconf
        self.register_at_fork = getattr(os, "register_at_fork", None)

        self.open = os.open
        self.read = os.read
        self.write = os.write
        self.close = os.close
        self.dup2 = os.dup2
        self.fstat = os.fstat
        self.stat = os.stat
        self.replace = os.replace
        self.unlink = os.unlink
        self.listdir = os.listdir
        self.getcwd = os.getcwd
        self.readlink = os.readlink
        self.open_file = open  # opens an object to read from, ``open`` a descriptor

        # Functions in Python, whose own modules may be patched later: only what needs nothing but its own code.
        self.environ = os.environ
        self.fsdecode = os.fsdecode
        self.fsencode = os.fsencode
        self.realpath = os.path.realpath
        self.package_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.standard_library = os.path.dirname(os.__file__)

        self._wall_minus_clock_ns = time.time_ns() - time.perf_counter_ns()

    def wall_ns(self) -> int:
        """Return the nanoseconds since the epoch.

        By the clock that tests leave alone: time_machine replaces ``time.time_ns`` within its C function, wherever that
        is held.
        """
        return self.now_ns() + self._wall_minus_clock_ns


system = _System()
