"""Gives the space of deleted rows back to the file system.

DuckDB cuts free blocks off the end of a file; elsewhere in it they stay, and later traces fill them. Rows that have
others beside them in their block stay as well, marked as deleted. A file that is to a good part of that kind is copied
into a new one, which takes its name (`COPY FROM DATABASE` is DuckDB's own way, see its guide "Reclaiming Space";
`VACUUM` frees nothing).
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

from breadcrumb_storage.database import Database, checkpoint, own_write_ahead_log

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The file is everybody's while it is copied (some 25 MB/s): this many bytes are copied before runs and other servers
# would have to give up waiting for it.
MAX_COPIED_BYTES = 128 << 20
# What is copied has to give back at least this share of it; otherwise the next runs had better fill the holes.
MIN_GAIN = 0.25
# Below this a new file is not worth its while.
MIN_GAIN_BYTES = 2 << 20

# What a copy has been called in the connection that makes it.
_COPY = "breadcrumb_copy"


@dataclass(frozen=True, slots=True)
class Space:
    """What a database takes on disk."""

    file_bytes: int
    reusable_bytes: int  # of these, about so many will be filled by later traces
    why_not_given_back: str = ""  # where copying was tried and failed


def compact(database: Database, expected_bytes: int) -> Space:
    """Makes the file as small as is worth its while; waits for its other users as every writer does.

    Args:
        expected_bytes: what the rows that are left should take, as far as can be told from what they took.

    Raises:
        DatabaseBusy: others held the file for longer than the lock timeout.
    """
    import duckdb

    path = database.path.resolve()
    why_not = ""
    with database.write() as con:
        checkpoint(con)
        free, used = _blocks(con, path)
        gain = max(free, path.stat().st_size - expected_bytes)
        if gain >= max(MIN_GAIN_BYTES, used * MIN_GAIN) and used <= MAX_COPIED_BYTES:
            try:
                _replace_by_copy(con, path)
                gain = 0
            except (duckdb.Error, OSError) as error:  # a full disk; the database is as it was
                why_not = str(error)
    return Space(path.stat().st_size, gain, why_not)


def _blocks(con: DuckDBPyConnection, path: Path) -> tuple[int, int]:
    """Bytes in free and in used blocks. The size that DuckDB tells is that before it cut the file."""
    ((used,),) = con.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    return max(path.stat().st_size - int(used), 0), int(used)


def _replace_by_copy(con: DuckDBPyConnection, path: Path) -> None:
    """Puts a copy of the database in the place of its file, and closes ``con``, which holds the old one."""
    ((name,),) = con.execute("SELECT current_database()").fetchall()
    prefix = f".{path.name}.copy-"
    for left_over in path.parent.glob(f"{glob.escape(prefix)}*"):  # of a process that was killed: we hold the file
        shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as private_folder:
        copy = Path(private_folder, "copy.duckdb")
        file, original = _quoted(str(copy), "'"), _quoted(name, '"')
        con.execute(f"ATTACH {file} AS {_COPY}")
        try:
            con.execute(f"COPY FROM DATABASE {original} TO {_COPY}")
        finally:
            con.execute(f"DETACH {_COPY}")
        copy.chmod(stat.S_IMODE(path.stat().st_mode))
        with _locked(copy):
            copy.replace(path)
            # Whoever waits for the file meets the new one, which is locked until the old one's log has gone with it:
            # both have the same name.
            con.close()
            own_write_ahead_log(path)


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Holds the lock by which DuckDB keeps others away from a file (fcntl's: it ends with the descriptor)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
