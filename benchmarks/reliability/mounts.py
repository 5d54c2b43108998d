"""Give a process file systems of its own: a small disk, and a folder that cannot be written."""

from __future__ import annotations

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path

from benchmarks.reliability.child import ChildFailed, call

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
_NEW_USER = 0x10000000  # CLONE_NEWUSER


def separate_mounts() -> None:
    """Let what this process mounts from now on be seen by it and its children alone.

    Raises:
        OSError: The system does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEW_MOUNTS):
        if libc.unshare(_NEW_USER | _NEW_MOUNTS):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount("--make-rprivate", "/")


def mount_disk(folder: Path, free_bytes: int) -> None:
    """Put an empty disk of a size into the place of a folder."""
    _mount("-t", "tmpfs", "-o", f"size={max(free_bytes, 4096)}", "tmpfs", str(folder))


def resize_disk(folder: Path, free_bytes: int) -> None:
    """Change the size of such a disk."""
    _mount("-o", f"remount,size={free_bytes}", str(folder))


def make_read_only(folder: Path) -> None:
    """Let nothing below a folder be written any more."""
    _mount("--bind", str(folder), str(folder))
    _mount("-o", "remount,ro,bind", str(folder))


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"mount {' '.join(arguments)}: {done.stderr.strip()}")


@cache
def are_allowed() -> bool:
    """Return whether the system allows a process mounts of its own."""
    try:
        call(_try)
    except ChildFailed:
        return False
    return True


def _try(ready: object) -> None:
    separate_mounts()
