"""Open a project's DuckDB file for one operation at a time.

DuckDB lets either one process write or many processes read. Every use is therefore a short `with` block, and a locked
file is tried again until the lock timeout. Three locks lie one within the other: `process_gate` between the threads of
a process, `file_lock` between the processes of Breadcrumb, and DuckDB's own, which other programs know. A checkpoint
that a kill cuts off is undone by `rollback_journal`.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from breadcrumb.platform_features import HAS_PATH_DESCRIPTORS
from breadcrumb_storage.errors import (
    BreadcrumbError,
    DatabaseBusy,
    DatabaseFailed,
    DatabaseUnusable,
    first_line,
    is_corruption,
    is_interrupt,
    is_refusal,
)
from breadcrumb_storage.file_lock import LockTimeout, file_lock, lock_files_of, lock_holder
from breadcrumb_storage.migrate import is_current, migrate
from breadcrumb_storage.process_gate import GateTimeout, gate_for
from breadcrumb_storage.rollback_journal import RollbackJournal, journal_of, journals_of, roll_back

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Between looks at a file that another program holds: each opens it.
FIRST_RETRY_SECONDS = 0.005
LONGEST_RETRY_SECONDS = 0.1  # a typical write takes 50 ms, so that a much longer pause only adds delay

OWN_PATIENCE = 3

# The traced program runs on the same machine and needs its memory.
MEMORY_LIMIT = "2GB"

_COMMON_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": MEMORY_LIMIT,
    "autoinstall_known_extensions": "false",  # nothing here needs the network
    "python_enable_replacements": "false",  # DuckDB would resolve unknown table names to Python variables
}
_WRITE_CONFIG = _COMMON_CONFIG | {
    # After a checkpoint of its own DuckDB would make the next write-ahead log with the umask's mode; `checkpoint` below
    # makes it private.
    "wal_autocheckpoint": "1TB",
}
# read_only alone lets a query read and write other files, and change settings.
_READ_CONFIG = _COMMON_CONFIG | {
    "enable_external_access": "false",
    "temp_directory": "",
    "lock_configuration": "true",
    "TimeZone": "UTC",  # so that now() compares with the times in the tables
}

# What DuckDB says of a file that the system does not let it open, whatever is in it.
REFUSED_BY_SYSTEM = "Cannot open file"
READ_ONLY = os.strerror(errno.EROFS)

# Of the databases that this process has open to write, by the path that DuckDB has of them.
_journals: dict[str, RollbackJournal] = {}

_LOCK_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)")


class Database:
    """A project's database file, opened by `read` and `write` only.

    Args:
        path: The file. A missing file is made on first use, with its folder.
        lock_timeout_seconds: Seconds to wait while another program holds the file; OWN_PATIENCE times as many while
            other processes of Breadcrumb do, which let go of it soon.
    """

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 10.0) -> None:
        self.path = path
        self.lock_timeout_seconds = lock_timeout_seconds

    @property
    def _file(self) -> Path:
        """The path without links: DuckDB would give each name of a file a write-ahead log of its own."""
        return Path(os.path.realpath(self.path))

    @contextmanager
    def write(self) -> Generator[DuckDBPyConnection]:
        """Open the database for changes, exclusively and with the current schema.

        Another thread may use the connection, or stop its statement by `interrupt()`.

        Yields:
            A connection, closed at the end of the block.

        Raises:
            DatabaseBusy: The file stayed locked for longer than the lock timeout.
            DatabaseTooNew: A newer Breadcrumb wrote the database. The file is unchanged.
            DatabaseUnusable: The file is not a valid Breadcrumb database. It is unchanged.
            DatabaseFailed: DuckDB failed in the block, or this process may write to a part of the file only. An
                interrupted statement raises DuckDB's own exception.
        """
        with self._connection(read_only=False) as opened:
            assert opened is not None
            con, current = opened
            try:
                create_write_ahead_log(self._file)
            except OSError as error:
                raise self._unreachable_error(error) from error
            if not current:
                migrate(con)
            yield con

    @contextmanager
    def read(self) -> Generator[DuckDBPyConnection]:
        """Open the database read-only, for any SQL: it can reach no other file either.

        Several readers share the file, within a process and between processes. A missing database is made, an older one
        migrated, and a checkpoint that was cut off undone first.

        Yields:
            A connection, closed at the end of the block.

        Raises:
            DatabaseBusy: The file stayed locked for longer than the lock timeout.
            DatabaseTooNew: A newer Breadcrumb wrote the database. The file is unchanged.
            DatabaseUnusable: The file is not a valid Breadcrumb database. It is unchanged.
            DatabaseFailed: DuckDB failed in the block. An interrupted statement raises DuckDB's own exception.
        """
        while True:
            if self._exists():
                with self._connection(read_only=True) as opened:
                    if opened is not None and opened[1]:
                        yield opened[0]
                        return
            with self.write():
                pass

    @contextmanager
    def reading_elsewhere(self) -> Generator[None]:
        """Hold the place of a reader while another process reads the file, so that it takes turns with our writers.

        Raises:
            DatabaseBusy: Another thread wrote, or waited to write, for longer than the lock timeout.
        """
        try:
            with gate_for(self._file).shared(time.monotonic() + self.lock_timeout_seconds):
                yield
        except GateTimeout as error:
            raise self._busy_error("another operation of this process") from error

    @contextmanager
    def _connection(self, *, read_only: bool) -> Generator[tuple[DuckDBPyConnection, bool] | None]:
        """Yield a connection, and whether the schema is the newest; None if the file must be opened to write first."""
        import duckdb

        deadline = time.monotonic() + self.lock_timeout_seconds
        try:
            with self._locks(deadline, exclusive=not read_only):
                if read_only and self._has_to_roll_back():
                    yield None
                    return
                con, current = self._open(time.monotonic() + self.lock_timeout_seconds, read_only=read_only)
                with ExitStack() as closed:
                    if read_only:
                        closed.callback(con.close)
                    else:
                        closed.enter_context(self._written(con))
                    yield con, current
        except duckdb.Error as error:
            if is_interrupt(error):
                raise
            raise self._error_in_use(error) from error

    def _has_to_roll_back(self) -> bool:
        """Return whether a process died in a checkpoint, if it can be undone here. Call it while nobody can write."""
        return journal_of(self._file).exists() and os.access(self._file.parent, os.W_OK)

    @contextmanager
    def _written(self, con: DuckDBPyConnection) -> Generator[None]:
        """Close a connection in the end so that a checkpoint that is cut off can be undone."""
        file = self._file
        try:
            journal = RollbackJournal(file)
        except OSError as error:
            _close_unchanged(con, read_only=False)
            raise self._unreachable_error(error) from error
        with journal:
            _journals[str(file)] = journal
            try:
                yield
            finally:
                del _journals[str(file)]
                _close(con, file, journal)

    @contextmanager
    def _locks(self, deadline: float, *, exclusive: bool) -> Generator[None]:
        """Hold the file against the other threads and the other processes of Breadcrumb."""
        file = self._file
        gate = gate_for(file)
        with ExitStack() as held:
            try:
                held.enter_context(gate.exclusive(deadline) if exclusive else gate.shared(deadline))
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                patience = self.lock_timeout_seconds * (OWN_PATIENCE - 1)
                held.enter_context(file_lock(file, deadline + patience, exclusive=exclusive))
            except GateTimeout as error:
                raise self._busy_error("another operation of this process") from error
            except LockTimeout as error:
                holder = lock_holder(file)
                who = f"process {holder} (Breadcrumb)" if holder else "another Breadcrumb"
                raise self._busy_error(who, OWN_PATIENCE) from error
            except OSError as error:
                raise self._unreachable_error(error) from error
            yield

    def remove(self) -> None:
        """Remove the file with its write-ahead log and its lock files, if they exist.

        Raises:
            DatabaseBusy: The file stayed locked for longer than the lock timeout.
            OSError: A file cannot be removed.
        """
        file = self._file
        with self._locks(time.monotonic() + self.lock_timeout_seconds, exclusive=True):
            # The log first: one that were left would be taken for that of the next file.
            for each in (_log_of(file), *journals_of(file), file, self.path, *lock_files_of(file)):
                each.unlink(missing_ok=True)

    def _open(self, deadline: float, *, read_only: bool) -> tuple[DuckDBPyConnection, bool]:
        """Connect to the file, made if there is none; return also whether the schema is the newest."""
        try:
            for file in (self._file, _log_of(self._file), journal_of(self._file)):
                if file.exists() and not file.is_file():  # DuckDB would wait for the other end of a pipe
                    raise self._no_file_error(file)
            if not self.path.exists():
                self._create()
            elif not read_only:
                self._check_largest_file()
            return self._connect(deadline, read_only=read_only)
        except OSError as error:
            raise self._unreachable_error(error) from error

    def _check_largest_file(self) -> None:
        """Refuse to write where the largest size of a file (`ulimit -f`) is below that of the database.

        DuckDB writes some of the blocks in use where they are: cut off at the limit, such a block would be corrupt.
        """
        size = self._file.stat().st_size
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY and limit < size:
            raise DatabaseFailed(
                f"The database {self.path} cannot be written.",
                why=f"It has {size:,} bytes, and this process may write to the first {limit:,} bytes of a file only.",
                hint="Nothing is lost. Raise the limit (ulimit -f unlimited) for the server, then ask again.",
            )

    def _exists(self) -> bool:
        try:
            return self.path.exists()
        except OSError as error:
            raise self._unreachable_error(error) from error

    def _create(self) -> None:
        """Make the file in a private folder, then link it, so that other processes see it complete or not at all."""
        import duckdb

        file = self._file
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as private_folder:
            new_file = Path(private_folder, "new.duckdb")
            con = duckdb.connect(new_file, config=_WRITE_CONFIG)
            try:
                migrate(con)
            finally:
                con.close()
            new_file.chmod(0o600)
            try:
                os.link(new_file, file)
            except FileExistsError:
                pass  # another process has made an equal one meanwhile
            except OSError:
                new_file.rename(file)  # a file system without hard links

    def _connect(self, deadline: float, *, read_only: bool) -> tuple[DuckDBPyConnection, bool]:
        import duckdb

        file = self._file
        config = _READ_CONFIG if read_only else _WRITE_CONFIG
        pause = FIRST_RETRY_SECONDS
        while True:
            before: _Version | None = None
            try:
                if not read_only:
                    roll_back(file)
                with _pinned(file) as before:
                    con = duckdb.connect(file, read_only=read_only, config=config)
                    if _version(file) == before:
                        break
                # Another program wrote the file, or replaced it, before it was locked: DuckDB has read old headers.
                _close_unchanged(con, read_only=read_only)
                if time.monotonic() > deadline:
                    raise self._busy_error("a program that changes it all the time")
                continue
            except (duckdb.Error, BlockingIOError) as error:
                if not isinstance(error, BlockingIOError) and "Could not set lock" not in str(error):
                    if before is not None and _version(file) != before and time.monotonic() < deadline:
                        continue
                    raise self._unusable_error(error) from error
                if time.monotonic() + pause > deadline:
                    holder = _LOCK_HOLDER.search(str(error))
                    who = f"process {holder['pid']} ({holder['program']})" if holder else "another process"
                    raise self._busy_error(who) from error
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)
        try:
            return con, is_current(con)
        except BaseException as error:
            _close_unchanged(con, read_only=read_only)
            if isinstance(error, duckdb.Error):
                raise self._unusable_error(error) from error
            raise

    def _busy_error(self, who: str, patience: int = 1) -> DatabaseBusy:
        return DatabaseBusy(
            f"The database {self.path} stayed locked for {self.lock_timeout_seconds * patience:g} s.",
            why=f"It is in use by {who}.",
            hint="Try again; if it stays locked, close that program's connection to the file.",
        )

    def _unreachable_error(self, error: BaseException) -> DatabaseUnusable:
        is_read_only = READ_ONLY in str(error)
        hint = (
            "What is stored can be asked for. To run and to change, set db_path in the project's config, or "
            "BREADCRUMB_HOME, to a folder that can be written to."
            if is_read_only
            else "Look at the path (db_path in the project's config), its rights and the free space of its disk."
        )
        return DatabaseUnusable(f"The database {self.path} cannot be opened.", why=first_line(error), hint=hint)

    def _no_file_error(self, file: Path) -> DatabaseUnusable:
        return DatabaseUnusable(
            f"The database {self.path} cannot be used.",
            why=f"{file} is no regular file: {'a folder' if file.is_dir() else 'a pipe or a device'} has its name.",
            hint="Nothing was changed. Move it away.",
        )

    def _error_in_use(self, error: BaseException) -> BreadcrumbError:
        """Return the error for one of DuckDB's that came while the database was open."""
        if is_corruption(error):
            return self._unusable_error(error)
        hint = (
            "A row that cannot be read, or a defect in Breadcrumb: other calls may work. If it is about one trace, "
            "delete_traces removes that one."
            if is_refusal(error)
            else "What is stored is kept. Look at the free space of its disk and at the free memory, then call again."
        )
        return DatabaseFailed(f"DuckDB failed with {self.path}.", why=first_line(error), hint=hint)

    def _unusable_error(self, error: BaseException) -> DatabaseUnusable:
        if REFUSED_BY_SYSTEM in str(error):
            return self._unreachable_error(error)
        log = _log_of(self._file)
        hint = (
            f"Nothing was changed. Move {log} away: what was written last is missing then, and the rest is kept."
            if "replaying WAL" in str(error)
            else "Nothing was changed. Move the file away to start with a new one, or put back a copy."
        )
        return DatabaseUnusable(
            f"The database {self.path} cannot be used.", why=f"DuckDB says: {first_line(error)}", hint=hint
        )


class _Version(NamedTuple):
    """What changes when a file is written or replaced."""

    inode: int
    size: int
    written_ns: int


_NO_FILE = _Version(0, 0, 0)


def _version_of(status: os.stat_result) -> _Version:
    return _Version(status.st_ino, status.st_size, status.st_mtime_ns)


def _version(path: Path) -> _Version:
    """Return the version of the file that has the path now."""
    try:
        return _version_of(path.stat())
    except FileNotFoundError:
        return _NO_FILE


@contextmanager
def _pinned(path: Path) -> Generator[_Version]:
    """Keep the inode number of a file from being used again; yield the file's version.

    Many file systems give the number of a replaced file to the next new one, so two replacements in a row would look
    like none. O_PATH, because closing any other descriptor would drop the locks that this process has on the file.
    Without it the number is only read: APFS uses none twice.
    """
    if not HAS_PATH_DESCRIPTORS:
        yield _version(path)
        return
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        yield _NO_FILE
        return
    try:
        yield _version_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _close_unchanged(con: DuckDBPyConnection, *, read_only: bool) -> None:
    """Close a connection without moving the write-ahead log into the file."""
    if not read_only:
        con.execute("PRAGMA disable_checkpoint_on_shutdown")
    con.close()


def _close(con: DuckDBPyConnection, file: Path, journal: RollbackJournal) -> None:
    """Close a connection, with a checkpoint only if that can be undone; otherwise the log stays, to be read again."""
    import duckdb

    is_saved = False
    try:
        with suppress(OSError, duckdb.Error):
            if _has_content(_log_of(file)):
                journal.save(con)
            is_saved = True
    finally:
        if not is_saved:
            for statement in ("ROLLBACK", "PRAGMA disable_checkpoint_on_shutdown"):
                with suppress(duckdb.Error):
                    con.execute(statement)
        con.close()


def checkpoint(con: DuckDBPyConnection) -> None:
    """Move the write-ahead log into the database file.

    Args:
        con: A connection of `Database.write`, outside any transaction.
    """
    ((path,),) = con.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()").fetchall()
    if path in _journals:
        with suppress(OSError):  # on a full disk, a checkpoint may make room
            _journals[path].save(con)
    con.execute("CHECKPOINT")
    create_write_ahead_log(Path(path))


def create_write_ahead_log(path: Path) -> None:
    """Create the write-ahead log of a database file with mode 0600, since DuckDB would use the umask's."""
    os.close(os.open(_log_of(path), os.O_CREAT | os.O_WRONLY, 0o600))


def _has_content(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _log_of(path: Path) -> Path:
    """Return the write-ahead log of a database file."""
    return Path(f"{path}.wal")
