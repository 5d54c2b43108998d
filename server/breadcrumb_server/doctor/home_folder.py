"""Check the home folder: can it be written to, who can read it, and is there space."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from breadcrumb_server.doctor.findings import Finding, ok, problem, warning
from breadcrumb_server.projects.home import ENV_HOME, FILE_MODE, FOLDER_MODE, Home

MIB = 1024 * 1024
# A run of a busy program writes this much within a minute, before it is compressed.
SCARCE_MIB, TOO_LITTLE_MIB = 2048, 200
MAX_NAMED = 3


def check_home(home: Home) -> Finding:
    """Check that the folder, or the one that it is to be made in, can be written to."""
    folder = _existing(home.folder)
    todo = f"Give the user {_user()} the right to it, or set {ENV_HOME} to another folder."
    if not folder.is_dir():
        return problem("home", f"{folder} is a file", f"Move it away, or set {ENV_HOME} to another folder.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return problem("home", f"{folder} cannot be written to: {error.strerror}", todo)
    if folder != home.folder:
        return ok("home", f"{home.folder} does not exist yet, and can be made")
    return ok("home", f"{folder} can be written to")


def check_rights(home: Home) -> Finding:
    """Check that nobody else can read what was recorded."""
    open_ones = [file for file in _private_files(home) if _mode(file) & 0o077]
    if not open_ones:
        return ok("rights", "only you can read what is recorded")
    named = ", ".join(str(file) for file in open_ones[:MAX_NAMED])
    return warning(
        "rights",
        f"others can read {named}{f' and {len(open_ones) - MAX_NAMED} more' if len(open_ones) > MAX_NAMED else ''}",
        f"chmod {FOLDER_MODE:o} {home.folder}; chmod {FILE_MODE:o} {home.folder}/*.yaml {home.folder}/*.duckdb*",
    )


def check_space(home: Home) -> Finding:
    """Check the free space of the disk that recordings are written to."""
    folder = _existing(home.folder)
    free = shutil.disk_usage(folder).free // MIB
    found = f"{free:,} MiB free on the disk of {folder}"
    todo = f"Free space, delete runs with delete_traces, or set {ENV_HOME} to a folder on another disk."
    if free < TOO_LITTLE_MIB:
        return problem("space", found, todo)
    return warning("space", found, todo) if free < SCARCE_MIB else ok("space", found)


def _private_files(home: Home) -> Iterator[Path]:
    if home.folder.is_dir():
        yield home.folder
        for pattern in ("*.yaml", "*.duckdb", "*.duckdb.wal", "*.duckdb.journal*"):
            yield from home.folder.glob(pattern)


def _mode(file: Path) -> int:
    try:
        return stat.S_IMODE(file.stat().st_mode)
    except OSError:  # gone, such as the log of a database that was closed
        return 0


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())
