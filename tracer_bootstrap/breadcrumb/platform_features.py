"""Name what the operating system offers as flags: no other module checks which POSIX system it is.

Linux has all of it. Where a flag is off, a portable twin does the work; docs/portability.md says how, and what is lost.
With BREADCRUMB_PORTABLE set they are off on Linux too, so that the twins can be tested there. Traced programs inherit
the variable: tracer, storage and server read the same flags.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found, unused-ignore]
import sys
from os import environ

ENV_PORTABLE = "BREADCRUMB_PORTABLE"

_IS_LINUX = sys.platform == "linux" and not environ.get(ENV_PORTABLE)
del environ  # no module of the tracer keeps it by name (runtime/system.py)

# Everything about a process as files: state, parent, session, start, command, variables, handled signals. Twin: ps.
HAS_PROC = _IS_LINUX

# A process that gets the orphans of all its descendants (prctl, Linux 3.4), and descriptors of processes (pidfd, 5.3).
# Twin: sessions, variables and the files of the tracer tell what belongs to a run.
HAS_SUBREAPER = _IS_LINUX

# Whether ps, where it is used, is that of Linux: it spells an option otherwise than that of macOS.
PS_IS_PROCPS = sys.platform == "linux"

# Signals that no program uses by chance. Twin: signals whose default is to be ignored, so that they are harmless where
# no handler is installed or the program has taken them.
HAS_REALTIME_SIGNALS = _IS_LINUX

# A page that the kernel empties in forked children (MADV_WIPEONFORK, Linux 4.14). Twin: the pid is compared.
HAS_WIPE_ON_FORK = _IS_LINUX

# O_PATH: a descriptor that holds a file without opening it. Twin: none is needed where the file system does not give
# the number of a removed file to the next one, as APFS.
HAS_PATH_DESCRIPTORS = _IS_LINUX

# mmap.mmap maps a file as it is. On macOS it first flushes the disk (F_FULLFSYNC, gh-113861): milliseconds for each
# file. Twin: the system's mmap is called through _ctypes.
HAS_MMAP_WITHOUT_SYNC = _IS_LINUX

# Signals that ask a process for its stacks, and to observe functions again that it switched off; the tracer answers
# them in Python, the fault signal in C (faulthandler).
if HAS_REALTIME_SIGNALS:
    # Counted down from the highest: the C library and runtimes use the lowest.
    STACKS_SIGNAL: int = _signal.SIGRTMAX - 2
    FAULT_SIGNAL: int = _signal.SIGRTMAX - 3
    LOOK_SIGNAL: int = _signal.SIGRTMAX - 4  # handled only where functions are switched off
else:
    # SIGURG means nothing unless a socket was set up for it, and may come at any time: STACKS_WANTED_FILE in the spool
    # tells what is asked. SIGINFO is Ctrl-T of a BSD terminal; a run has no terminal.
    STACKS_SIGNAL = LOOK_SIGNAL = _signal.SIGURG
    FAULT_SIGNAL = getattr(_signal, "SIGINFO", _signal.SIGWINCH)
