"""Undo a checkpoint that was cut off, with a rollback journal as SQLite has one (https://sqlite.org/atomiccommit.html).

A checkpoint of DuckDB writes into free blocks and makes them valid by a header, so that it has happened whole or not at
all. The exception, as of DuckDB 2.0, are blocks of metadata: one that has room is written where it is, all 256 KiB at
once. If the process is killed in the middle, the block has a wrong checksum, and the whole file cannot be opened again.

So these blocks are copied into a file beside the database before each checkpoint, and the copy goes when the checkpoint
is done. Whoever opens the database next finds the copy and puts the blocks back, provided that the headers are those
from before: then the write-ahead log is whole, too.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from breadcrumb_storage.regular_file import open_regular

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUFFIX = ".journal"
# Three blocks before the first one of data: of the file, and two that are written in turn.
_HEADERS_BYTES = 3 * 4096
_MAGIC = b"Breadcrumb rollback journal 1\n"
_CHECKSUM = struct.Struct("<I")
_BLOCK = struct.Struct("<QQ")  # offset and size in bytes

_METADATA_BLOCKS = "SELECT block_id, block_size FROM pragma_metadata_info(), pragma_database_size()"


def journal_of(database: Path) -> Path:
    """Return the journal of a database file."""
    return database.with_name(database.name + SUFFIX)


def journals_of(database: Path) -> tuple[Path, Path]:
    """Return the journal of a database file, and the file that becomes one."""
    journal = journal_of(database)
    return journal, journal.with_name(f"{journal.name}.new")


class RollbackJournal:
    """The journal of a database that this process has open to write.

    Leaving its context, after the connection was closed, keeps or undoes what was written.

    Args:
        database: The database file, without links. Nothing else of this process may have it open but the connection:
            closing a file drops the locks that a process has on it, DuckDB's too.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._descriptor = os.open(database, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        with suppress(OSError):  # whoever opens the file next tries again
            roll_back(self._database)

    def save(self, con: DuckDBPyConnection) -> None:
        """Copy what a checkpoint may overwrite. Call it before each.

        Args:
            con: The connection.

        Raises:
            OSError: The copy cannot be written, as on a full disk.
            duckdb.Error: DuckDB cannot say what it may overwrite.
        """
        with con.cursor() as cursor:
            blocks = cursor.execute(_METADATA_BLOCKS).fetchall()
        parts = [os.pread(self._descriptor, _HEADERS_BYTES, 0)]
        for number, size in blocks:
            offset = _HEADERS_BYTES + number * size
            parts += [_BLOCK.pack(offset, size), os.pread(self._descriptor, size, offset).ljust(size, b"\0")]
        content = b"".join(parts)
        journal, new = journals_of(self._database)
        new.unlink(missing_ok=True)  # of a process that was killed
        try:
            with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(_MAGIC + _CHECKSUM.pack(zlib.crc32(content)) + content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(journal)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        _make_durable(journal.parent)


def roll_back(database: Path) -> None:
    """Put the blocks of a journal back, unless the checkpoint has been done; then remove the journal.

    Args:
        database: The database file, without links, which nothing else of this process has open.

    Raises:
        BlockingIOError: Another program has the database open.
        OSError: The database cannot be written, or something else has the journal's name.
    """
    journal = journal_of(database)
    try:
        with open_regular(journal) as file:
            saved = file.readall()
    except FileNotFoundError:
        return
    begin = len(_MAGIC) + _CHECKSUM.size
    content = saved[begin:]
    if saved[:begin] == _MAGIC + _CHECKSUM.pack(zlib.crc32(content)):
        with suppress(FileNotFoundError):
            _put_back(database, content)
    journal.unlink(missing_ok=True)


def _make_durable(folder: Path) -> None:
    """Let the name of a new file outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_back(database: Path, content: bytes) -> None:
    descriptor = os.open(database, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the lock that DuckDB takes
        if os.pread(descriptor, _HEADERS_BYTES, 0) != content[:_HEADERS_BYTES]:
            return
        at = _HEADERS_BYTES
        while at < len(content):
            offset, size = _BLOCK.unpack_from(content, at)
            at += _BLOCK.size
            block = content[at : at + size]
            at += size
            if os.pread(descriptor, size, offset) != block:
                _write(descriptor, block, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of some bytes; at the limit of a file's size the system writes a part first, and then refuses."""
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)
