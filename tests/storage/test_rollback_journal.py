"""Test that a database can be opened, with all that was committed, after a process died in a checkpoint."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import DatabaseBusy, DatabaseFailed, DatabaseUnusable
from breadcrumb_storage.rollback_journal import RollbackJournal, journal_of

# Where the first block begins, which holds metadata, and how much of it is written before the kill.
FIRST_BLOCK, WRITTEN = 12_288, 5_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "shop-traces.duckdb"
    with Database(path).write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 0, 'code', 'message')")
    return path


@pytest.fixture
def cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave the file as a process that is killed in the checkpoint of a second row does."""
    log, journal = Path(f"{path}.wal"), journal_of(path)
    kept: dict[Path, bytes] = {}
    save = RollbackJournal.save

    def save_and_keep(self: RollbackJournal, con: duckdb.DuckDBPyConnection) -> None:
        save(self, con)
        kept.update({each: each.read_bytes() for each in (path, log, journal)})

    with monkeypatch.context() as patched:
        patched.setattr(RollbackJournal, "save", save_and_keep)
        with Database(path).write() as con:
            con.execute("INSERT INTO notices VALUES ('t', 1, 'code', 'message')")
    end = FIRST_BLOCK + WRITTEN
    new = path.read_bytes()[FIRST_BLOCK:end]
    assert new != kept[path][FIRST_BLOCK:end]
    kept[path] = kept[path][:FIRST_BLOCK] + new + kept[path][end:]
    for file, content in kept.items():
        file.write_bytes(content)
    with pytest.raises(duckdb.Error, match="Corrupt database file"):
        duckdb.connect(path, read_only=True)
    return path


def rows(con: duckdb.DuckDBPyConnection) -> list[int]:
    return [number for (number,) in con.execute("SELECT process_id FROM notices ORDER BY process_id").fetchall()]


@pytest.mark.parametrize("use", [Database.read, Database.write])
def test_what_was_committed_is_there_after_a_process_died_in_a_checkpoint(cut_off: Path, use) -> None:
    with use(Database(cut_off)) as con:
        assert rows(con) == [0, 1]
    with Database(cut_off).read() as con:
        assert rows(con) == [0, 1]
    assert not journal_of(cut_off).exists()


def test_it_is_there_in_a_copy_of_the_files(cut_off: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in (cut_off, Path(f"{cut_off}.wal"), journal_of(cut_off)):
        shutil.copy(file, copy)
    with Database(copy / cut_off.name).read() as con:
        assert rows(con) == [0, 1]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_has_the_journals_name_is_named_and_nothing_waits_for_it(path: Path, make) -> None:
    make(journal_of(path))
    for use in (Database.read, Database.write):
        with pytest.raises(DatabaseUnusable, match="journal is no regular file"), use(Database(path)):
            pass


def test_a_pipe_in_the_place_of_a_new_journal_is_removed(path: Path) -> None:
    os.mkfifo(f"{journal_of(path)}.new")
    with Database(path).write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 1, 'code', 'message')")
    assert {file.name for file in path.parent.iterdir()} == {path.name + end for end in ("", ".lock", ".queue")}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
@pytest.mark.parametrize("statement", ["SELECT 1", "BEGIN", "BEGIN; SELECT 1 / 'x'"])
def test_without_a_journal_the_log_stays_and_the_connection_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], statement: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    before = path.read_bytes()
    with monkeypatch.context() as patched, suppress(KeyboardInterrupt, MemoryError), Database(path).write() as con:
        patched.setattr("os.fsync", fail)
        con.execute("INSERT INTO notices VALUES ('t', 1, 'code', 'message')")
        with suppress(duckdb.Error):
            con.execute(statement)
    assert path.read_bytes() == before
    with pytest.raises(duckdb.ConnectionException):
        con.execute("SELECT 1")
    with Database(path).read() as con:
        assert rows(con) == [0, 1]


def test_a_connection_that_can_have_no_journal_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("breadcrumb_storage.database.RollbackJournal", fail)
        with pytest.raises(DatabaseUnusable, match="Too many open files"), Database(path).write():
            pass
    with Database(path).read() as con:
        assert rows(con) == [0]


def test_it_is_there_after_a_process_that_could_not_undo_the_checkpoint(cut_off: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (17_253, cut_off.stat().st_size + 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with suppress(DatabaseFailed), Database(cut_off).write():
                pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with Database(cut_off).read() as con:
        assert rows(con) == [0, 1]


@pytest.mark.processes
def test_a_file_that_another_program_has_open_is_not_written(cut_off: Path) -> None:
    path = cut_off
    lock = "import fcntl, sys; file = open(sys.argv[1], 'rb'); fcntl.lockf(file, fcntl.LOCK_SH); print(flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", lock, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        before = path.read_bytes()
        with pytest.raises(DatabaseBusy), Database(path, lock_timeout_seconds=0.2).read():
            pass
        assert path.read_bytes() == before
    with Database(path).read() as con:
        assert rows(con) == [0, 1]


@pytest.mark.parametrize("spoil", [bytes, lambda content: content[: len(content) // 2], lambda _: b"noise"])
def test_a_journal_that_is_not_whole_is_removed(path: Path, spoil) -> None:
    before = path.read_bytes()
    with Database(path).write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 1, 'code', 'message')")
        con.execute("PRAGMA disable_checkpoint_on_shutdown")
    journal_of(path).write_bytes(spoil(before))
    with Database(path).read() as con:
        assert rows(con) == [0, 1]
    assert not journal_of(path).exists()


def test_the_journal_of_a_replaced_file_or_of_a_checkpoint_that_was_done_changes_nothing(
    path: Path, monkeypatch
) -> None:
    saved: list[bytes] = []
    monkeypatch.setattr(
        "breadcrumb_storage.rollback_journal.roll_back", lambda file: saved.append(journal_of(file).read_bytes())
    )
    older = path.read_bytes()
    with Database(path).write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 1, 'code', 'message')")
    monkeypatch.undo()
    assert len(saved) == 1
    with Database(path).read() as con:
        assert rows(con) == [0, 1]
    copy = path.with_name("copy")
    copy.write_bytes(older)
    copy.replace(path)
    journal_of(path).write_bytes(saved[0])
    with Database(path).read() as con:
        assert rows(con) == [0]
    assert not journal_of(path).exists()
