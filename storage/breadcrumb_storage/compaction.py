"""Return the space of deleted rows to the file system.

DuckDB cuts free blocks off the end of the file only. Free blocks elsewhere stay until later traces fill them, and a
deleted row stays while its block holds other rows. A file with enough such space is replaced by a copy of its content
(`COPY FROM DATABASE`, as in DuckDB's guide "Reclaiming Space"; `VACUUM` frees nothing).
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb_storage.database import Database, checkpoint, create_write_ahead_log

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The file is locked while it is copied, at about 25 MB/s: a larger copy takes longer than runs and other servers wait
# for the lock.
MAX_COPIED_BYTES = 128 << 20
# Fraction of the used bytes. Below it, later traces fill the free space more cheaply than a copy removes it.
MIN_GAIN = 0.25
# Below this a copy is not worth the lock.
MIN_GAIN_BYTES = 2 << 20

# Name under which the copy is attached.
_COPY = "breadcrumb_copy"


@dataclass(frozen=True, slots=True)
class Space:
    """The disk space of a database file."""

    file_bytes: int
    reusable_bytes: int  # approximate part of file_bytes that later traces can fill
    compaction_error: str = ""  # empty unless a copy was tried and failed


def compact(database: Database, expected_bytes: int) -> Space:
    """Shrink the database file where that frees enough space.

    A failed copy leaves the database unchanged and is reported in the result.

    Args:
        database: The database; its lock is held meanwhile.
        expected_bytes: Estimated size of the remaining rows.

    Returns:
        The space after compaction.

    Raises:
        DatabaseBusy: The file stayed locked for longer than the lock timeout.
        DatabaseTooNew: A newer Breadcrumb wrote the database.
        DatabaseUnusable: The file is not a valid Breadcrumb database.
    """
    import duckdb

    path = Path(os.path.realpath(database.path))
    compaction_error = ""
    with database.write() as con:
        checkpoint(con)
        free, used = _free_and_used_bytes(con, path)
        gain = max(free, path.stat().st_size - expected_bytes)
        if gain >= max(MIN_GAIN_BYTES, used * MIN_GAIN) and used <= MAX_COPIED_BYTES:
            try:
                _replace_by_copy(con, path)
                gain = 0
            except (duckdb.Error, OSError) as error:  # such as a full disk
                compaction_error = str(error)
    return Space(path.stat().st_size, gain, compaction_error)


def _free_and_used_bytes(con: DuckDBPyConnection, path: Path) -> tuple[int, int]:
    # The file size comes from the file system, since DuckDB reports the size before it cut the file.
    ((used,),) = con.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    return max(path.stat().st_size - int(used), 0), int(used)


def _replace_by_copy(con: DuckDBPyConnection, path: Path) -> None:
    """Replace the file by a copy of its content, and close ``con``, which has the old file open."""
    ((name,),) = con.execute("SELECT current_database()").fetchall()
    prefix = f".{path.name}.copy-"
    for left_over in path.parent.glob(f"{glob.escape(prefix)}*"):  # of a killed process, since we hold the lock
        shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as private_folder:
        copy = Path(private_folder, "copy.duckdb")
        file, original = _quote(str(copy), "'"), _quote(name, '"')
        con.execute(f"ATTACH {file} AS {_COPY}")
        try:
            con.execute(f"COPY FROM DATABASE {original} TO {_COPY}")
        finally:
            con.execute(f"DETACH {_COPY}")
        copy.chmod(stat.S_IMODE(path.stat().st_mode))
        with _lock(copy):
            copy.replace(path)
            # The write-ahead logs of both files have the same name: the new file stays locked until closing has removed
            # that of the old one.
            con.close()
            create_write_ahead_log(path)


def _quote(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


@contextmanager
def _lock(path: Path) -> Generator[None]:
    """Hold the fcntl lock that DuckDB takes on an open file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
