"""Opens a project's DuckDB file: late, briefly, and never two ways at once.

DuckDB lets one process write, or many read. So every use is a `with` block that is as short as it can be,
and whoever finds the file locked tries again until the lock timeout.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb_storage.errors import DatabaseBusy, DatabaseUnusable
from breadcrumb_storage.migrate import is_current, migrate
from breadcrumb_storage.process_gate import GateTimeout, gate_for

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIRST_RETRY_SECONDS = 0.005
LONGEST_RETRY_SECONDS = 0.1  # a typical write takes 50 ms: waiting much longer than that only adds delay

# The machine also runs the traced program; and a query must not take its memory.
MEMORY_LIMIT = "2GB"

_COMMON_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": MEMORY_LIMIT,
    "autoinstall_known_extensions": "false",  # nothing here needs the network
    "python_enable_replacements": "false",  # a table name must never resolve to a Python variable
}
_WRITE_CONFIG = _COMMON_CONFIG | {
    # A checkpoint drops the write-ahead log and the next write makes a new one, with the umask's mode:
    # `checkpoint` below is the only one who may do that.
    "wal_autocheckpoint": "1TB",
}
# read_only alone still lets a query write and read any other file, and change settings.
_READ_CONFIG = _COMMON_CONFIG | {
    "enable_external_access": "false",
    "temp_directory": "",
    "lock_configuration": "true",
    "TimeZone": "UTC",  # as all times in the tables, when a query compares them with now()
}

_LOCK_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)")


class Database:
    """A project's database file. Nothing is opened before `read` or `write`.

    Args:
        path: The file; it and its folder are made when they are missing.
        lock_timeout_seconds: How long to try while others use the file.
    """

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 10.0) -> None:
        self.path = path
        self.lock_timeout_seconds = lock_timeout_seconds

    @contextmanager
    def write(self) -> Generator[DuckDBPyConnection]:
        """A connection that may change everything, alone, with the schema up to date.

        May be used from another thread than the one that opened it; `interrupt()` stops it from outside.

        Raises:
            DatabaseBusy: others held the file for longer than the lock timeout.
            DatabaseTooNew, DatabaseUnusable: see there; the file is as it was.
        """
        with self._opened(read_only=False) as con:
            own_write_ahead_log(self.path)
            migrate(con)
            yield con

    @contextmanager
    def read(self) -> Generator[DuckDBPyConnection]:
        """A connection on which nothing can be changed and no other file be reached, whatever SQL it is given.

        Several readers share the file, in one process and in many. A missing or older database is first made
        or migrated. Raises as `write` does.
        """
        while True:
            if self.path.exists():
                with self._opened(read_only=True) as con:
                    if is_current(con):
                        yield con
                        return
            with self.write():
                pass

    @contextmanager
    def _opened(self, *, read_only: bool) -> Generator[DuckDBPyConnection]:
        import duckdb

        deadline = time.monotonic() + self.lock_timeout_seconds
        gate = gate_for(self.path)
        try:
            with gate.shared(deadline) if read_only else gate.exclusive(deadline):
                if not self.path.exists():
                    self._create()
                con = self._connect(deadline, read_only=read_only)
                try:
                    yield con
                finally:
                    con.close()
        except GateTimeout as error:
            raise self._busy("another operation of this process") from error
        except duckdb.Error as error:
            if "Corrupt database file" in str(error):  # a damaged block is only met when something reads it
                raise self._unusable(error) from error
            raise

    def _create(self) -> None:
        """Makes the file whole and private under another name, then gives it its own: no one meets half of it."""
        import duckdb

        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}.") as private_folder:
            unborn = Path(private_folder, "new.duckdb")
            con = duckdb.connect(unborn, config=_WRITE_CONFIG)
            try:
                migrate(con)
            finally:
                con.close()
            unborn.chmod(0o600)
            try:
                os.link(unborn, self.path)
            except FileExistsError:
                pass  # another process was faster: its file is as good
            except OSError:
                unborn.rename(self.path)  # a file system without hard links

    def _connect(self, deadline: float, *, read_only: bool) -> DuckDBPyConnection:
        import duckdb

        config = _READ_CONFIG if read_only else _WRITE_CONFIG
        pause = FIRST_RETRY_SECONDS
        while True:
            file = self._file_number()
            try:
                con = duckdb.connect(self.path, read_only=read_only, config=config)
                if self._file_number() == file:
                    break
                _close_untouched(con, read_only=read_only)  # a copy took its place between opening and locking
                continue
            except duckdb.Error as error:
                if "Could not set lock" not in str(error):
                    raise self._unusable(error) from error
                if time.monotonic() + pause > deadline:
                    holder = _LOCK_HOLDER.search(str(error))
                    who = f"process {holder['pid']} ({holder['program']})" if holder else "another process"
                    raise self._busy(who) from error
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)
        try:
            is_current(con)
        except BaseException as error:
            _close_untouched(con, read_only=read_only)
            if isinstance(error, duckdb.Error):
                raise self._unusable(error) from error
            raise
        return con

    def _file_number(self) -> int:
        """Which file has the name now: ``compaction`` puts another one in its place."""
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return 0

    def _busy(self, who: str) -> DatabaseBusy:
        return DatabaseBusy(
            f"The database {self.path} stayed locked for {self.lock_timeout_seconds:g} s.",
            why=f"It is in use by {who}.",
            hint="Try again; if it stays locked, close that program's connection to the file.",
        )

    def _unusable(self, error: BaseException) -> DatabaseUnusable:
        return DatabaseUnusable(
            f"The database {self.path} cannot be used.",
            why=f"DuckDB says: {error}",
            hint="Nothing was changed. Move the file away to start with a new one, or put back a copy.",
        )


def _close_untouched(con: DuckDBPyConnection, *, read_only: bool) -> None:
    """Closing would fold a write-ahead log into the file: what is refused keeps each of its bytes."""
    if not read_only:
        con.execute("PRAGMA disable_checkpoint_on_shutdown")
    con.close()


def checkpoint(con: DuckDBPyConnection) -> None:
    """Moves the write-ahead log into the file of a `Database.write` connection, outside any transaction."""
    con.execute("CHECKPOINT")
    ((path,),) = con.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()").fetchall()
    own_write_ahead_log(Path(path))


def own_write_ahead_log(path: Path) -> None:
    """Makes the write-ahead log before DuckDB does, which would leave its mode to the umask."""
    os.close(os.open(f"{path}.wal", os.O_CREAT | os.O_WRONLY, 0o600))
