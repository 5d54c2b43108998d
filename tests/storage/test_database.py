from __future__ import annotations

import resource
import signal
import stat
import threading
import time
from pathlib import Path

import duckdb
import pytest

from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import DatabaseBusy, DatabaseFailed, DatabaseTooNew, DatabaseUnusable
from breadcrumb_storage.file_lock import file_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "shop-traces.duckdb"


def file_contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_new_database_and_its_log_are_readable_by_their_owner_alone(path: Path):
    with Database(path).write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 0, 'code', 'message')")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {path.name + suffix: 0o600 for suffix in ("", ".wal", ".lock", ".queue")}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_reading_first_makes_the_database(path: Path):
    with Database(path).read() as con:
        assert con.execute("SELECT * FROM traces").fetchall() == []


def test_a_block_sees_the_writes_of_the_one_before(path: Path):
    database = Database(path)
    with database.write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 0, 'code', 'message')")
    with database.read() as con:
        assert con.execute("SELECT code FROM notices").fetchall() == [("code",)]


def test_an_unfinished_transaction_is_rolled_back(path: Path):
    database = Database(path)
    with pytest.raises(RuntimeError), database.write() as con:
        con.execute("BEGIN")
        con.execute("INSERT INTO notices VALUES ('t', 0, 'code', 'message')")
        raise RuntimeError
    with database.read() as con:
        assert con.execute("SELECT * FROM notices").fetchall() == []


@pytest.mark.parametrize(
    "sql", ["INSERT INTO notices VALUES ('t', 0, 'c', 'm')", "SET threads = 1", "FROM '/etc/passwd'"]
)
def test_a_reader_can_neither_write_nor_reach_outside(path: Path, sql: str):
    with Database(path).read() as con, pytest.raises(duckdb.Error):
        con.execute(sql)


def test_a_users_own_script_can_read_the_file_between_operations(path: Path, start_python):
    with Database(path).write():
        pass
    code = "import sys, duckdb; print(duckdb.connect(sys.argv[1]).execute('SELECT * FROM traces').fetchall())"
    output, errors = start_python(code, path).communicate()
    assert (output, errors) == ("[]\n", "")


def test_commits_of_a_killed_process_are_kept(path: Path, start_python):
    code = (
        "import os, sys; from pathlib import Path; from breadcrumb_storage.database import Database\n"
        "with Database(Path(sys.argv[1])).write() as con:\n"
        "    con.execute(\"INSERT INTO notices VALUES ('t', 0, 'kept', '')\")\n"
        "    con.execute('BEGIN')\n"
        "    con.execute(\"INSERT INTO notices VALUES ('t', 0, 'lost', '')\")\n"
        "    os.kill(os.getpid(), 9)"
    )
    process = start_python(code, path)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with Database(path).read() as con:
        assert con.execute("SELECT code FROM notices").fetchall() == [("kept",)]
    with Database(path).write() as con:
        assert con.execute("SELECT code FROM notices").fetchall() == [("kept",)]


HOLD = "import sys, duckdb; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"


@pytest.mark.parametrize("use", [Database.read, Database.write])
def test_the_error_about_a_locked_file_names_its_holder(path: Path, start_python, use):
    with Database(path).write():
        pass
    holder = start_python(HOLD, path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(DatabaseBusy, match=f"process {holder.pid}"), use(Database(path, lock_timeout_seconds=0.05)):
        pass
    holder.communicate("\n")


def test_a_locked_file_is_waited_for(path: Path, start_python):
    with Database(path).write():
        pass
    holder = start_python(HOLD, path)
    holder.stdout.readline()
    release = threading.Timer(0.05, lambda: holder.communicate("\n"))
    release.start()
    with Database(path, lock_timeout_seconds=30).read() as con:
        assert con.execute("SELECT 1").fetchall() == [(1,)]
    release.join()


def test_threads_of_one_process_read_together_and_write_alone(path: Path):
    database = Database(path, lock_timeout_seconds=30)
    impatient = Database(path, lock_timeout_seconds=0.01)
    with (
        database.read(),
        impatient.read(),
        pytest.raises(DatabaseBusy, match="another operation of this process"),
        impatient.write(),
    ):
        pass
    with database.write():
        with pytest.raises(DatabaseBusy), impatient.read():
            pass
        with pytest.raises(DatabaseBusy), impatient.write():
            pass

    def add() -> None:
        with database.write() as con:
            ((count,),) = con.execute("SELECT count(*) FROM notices").fetchall()
            con.execute("INSERT INTO notices VALUES ('t', 0, ?, '')", [str(count)])
        with database.read() as con:
            con.execute("SELECT * FROM notices").fetchall()

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as con:
        assert con.execute("SELECT code FROM notices ORDER BY code").fetchall() == [(str(n),) for n in range(8)]


def test_a_query_can_be_interrupted_from_another_thread(path: Path):
    with Database(path).read() as con:
        started = threading.Event()

        def stop() -> None:
            started.wait()
            while running.is_set():
                con.interrupt()
                time.sleep(0)

        running = threading.Event()
        running.set()
        stopper = threading.Thread(target=stop)
        stopper.start()
        try:
            with pytest.raises(duckdb.InterruptException):
                started.set()
                con.execute("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b").fetchall()
        finally:
            running.clear()
            stopper.join()


@pytest.mark.parametrize("use", [Database.read, Database.write])
def test_a_database_of_a_newer_version_is_refused_and_keeps_every_byte(path: Path, start_python, use):
    with Database(path).write() as con:
        con.execute("INSERT INTO schema_versions VALUES (9999, 'from_the_future', now()::TIMESTAMP)")
    leave_a_log = (
        "import os, sys, duckdb; con = duckdb.connect(sys.argv[1]); con.execute('CREATE TABLE newer(a INT)')\n"
        "os.kill(os.getpid(), 9)"
    )
    start_python(leave_a_log, path).communicate()
    before = file_contents(path.parent)
    assert f"{path.name}.wal" in before
    with pytest.raises(DatabaseTooNew, match=r"version 9999.*\n.*Nothing was changed"), use(Database(path)):
        pass
    assert file_contents(path.parent) == before


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 3] = bytes(4096)
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:8192])


def not_duckdb(path: Path) -> None:
    path.write_text("project: shop\n" * 1000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_tables(path: Path) -> None:
    path.unlink()
    con = duckdb.connect(path)
    con.execute("CREATE TABLE invoices (number INTEGER)")
    con.close()


@pytest.mark.parametrize("use", [Database.read, Database.write])
@pytest.mark.parametrize("spoil", [damaged, cut_off, not_duckdb, empty, other_tables])
def test_an_invalid_database_is_refused_and_keeps_every_byte(path: Path, spoil, use):
    with Database(path).write():
        pass
    Path(f"{path}.wal").unlink(missing_ok=True)
    spoil(path)
    before = file_contents(path.parent)
    with pytest.raises(DatabaseUnusable), use(Database(path)) as con:
        con.execute("SELECT * FROM traces").fetchall()
    assert file_contents(path.parent) == before


@pytest.mark.parametrize("limit", [0, 17_253, 500_000])
def test_a_process_that_may_not_write_to_the_end_of_the_file_leaves_it_alone(path: Path, limit: int):
    """DuckDB would write a part of a block in use: a checkpoint with a limit of 17,253 bytes made the file corrupt."""
    database = Database(path)
    with database.write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 0, 'code', 'message')")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(DatabaseFailed, match="ulimit -f"), database.write() as con:
            con.execute("INSERT INTO notices SELECT 't', number, 'code', 'message' FROM range(1000) r(number)")
        with database.read() as con:
            assert con.execute("SELECT count(*) FROM notices").fetchall() == [(1,)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with database.write() as con:
        assert con.execute("SELECT count(*) FROM notices").fetchall() == [(1,)]


def test_importing_the_module_does_not_load_duckdb(start_python):
    code = "import sys, breadcrumb_storage.database, breadcrumb_storage.ingest.ingest, breadcrumb_storage.sql_access.read_only_sql\n"
    output, errors = start_python(f"{code}print('duckdb' in sys.modules)").communicate()
    assert (output, errors) == ("False\n", "")


def test_while_a_process_holds_a_database_no_other_one_opens_the_file(path: Path):
    # DuckDB reads the headers before it locks a file: those that it read meanwhile would be old.
    with Database(path).write():
        pass
    content = path.read_bytes()
    with file_lock(path, time.monotonic(), exclusive=True):
        path.write_bytes(b"no DuckDB file at the moment")
        with pytest.raises(DatabaseBusy, match="in use by"), Database(path, lock_timeout_seconds=0.05).read():
            pass
        path.write_bytes(content)
    with Database(path).read() as con:
        assert con.execute("SELECT * FROM traces").fetchall() == []


HOLD_WITHOUT_POSIX = """
import sys
from pathlib import Path
from breadcrumb_storage.database import Database
with Database(Path(sys.argv[1])).write():
    open(sys.argv[1]).close()
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_process_that_closes_another_descriptor_of_the_file_keeps_its_lock(path: Path, start_python):
    # It loses that of DuckDB, which is one of POSIX.
    holder = start_python(HOLD_WITHOUT_POSIX, path)
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(DatabaseBusy, match=f"process {holder.pid}|another Breadcrumb"),
        Database(path, lock_timeout_seconds=0.05).write(),
    ):
        pass
    holder.communicate("\n")


def test_a_link_to_a_database_is_the_database(path: Path, tmp_path: Path):
    link = tmp_path / "link.duckdb"
    link.symlink_to(path)
    with Database(link).write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 0, 'code', 'message')")
        assert path.exists() and not Path(f"{link}.wal").exists()
        with pytest.raises(DatabaseBusy), Database(path, lock_timeout_seconds=0.05).read():
            pass
    with Database(path).read() as con:
        assert con.execute("SELECT code FROM notices").fetchall() == [("code",)]
