"""The database file after rows are deleted."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from breadcrumb_storage import compaction
from breadcrumb_storage.compaction import compact
from breadcrumb_storage.database import Database, checkpoint
from breadcrumb_storage.trace_rows import TraceStart, delete_traces, insert_trace

PLENTY = 1 << 40
CALLS = 150_000  # more than one of DuckDB's row groups, so that a deleted trace leaves free space


def make_database(folder: Path, *traces: str) -> Database:
    database = Database(folder / "it's-traces.duckdb")
    with database.write() as con:
        for trace_id in traces:
            insert_trace(con, TraceStart(trace_id=trace_id, started_at=datetime(2025, 1, 10, 12), command="x"))
            con.execute(
                """
                INSERT INTO call_records (trace_no, process_id, thread_id, call_id, function_id, started_ns, args)
                SELECT (SELECT trace_no FROM traces WHERE trace_id = ?), 0, 0, i, i % 200, i, md5(i::VARCHAR)
                FROM range(?) t(i)
                """,
                [trace_id, CALLS],
            )
            checkpoint(con)
    return database


def delete(database: Database, *trace_ids: str) -> None:
    with database.write() as con:
        delete_traces(con, trace_ids)


def content(database: Database) -> dict[str, object]:
    """Return the definitions, and the number and hash of each table's rows."""
    with database.read() as con:
        tables = [row[0] for row in con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        rows = {t: con.execute(f"SELECT count(*), bit_xor(hash(t)) FROM {t} t").fetchall() for t in tables}
        definitions = con.execute(
            """
            SELECT table_name, sql FROM duckdb_tables() UNION ALL SELECT view_name, sql FROM duckdb_views()
            UNION ALL SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY ALL
            """
        ).fetchall()
        return {**rows, "definitions": definitions}


def files_of(database: Database) -> set[str]:
    """Return the endings of the names of all files beside the database, its locks left out."""
    names = {file.name.removeprefix(database.path.name) for file in database.path.parent.iterdir()}
    return names - {".lock", ".queue"}


@pytest.fixture
def compact_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MIN_GAIN_BYTES", 0)
    monkeypatch.setattr(compaction, "MIN_GAIN", 0)


@pytest.mark.slow
def test_a_file_with_much_free_space_shrinks_and_keeps_its_content(tmp_path: Path) -> None:
    database = make_database(tmp_path, "a", "b", "c")
    delete(database, "a", "c")
    before, large = content(database), database.path.stat().st_size
    space = compact(database, PLENTY)
    assert space.file_bytes == database.path.stat().st_size < large / 2
    assert (space.reusable_bytes, space.compaction_error) == (0, "")
    assert content(database) == before
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    with database.write() as con:  # trace numbers are not reused
        insert_trace(con, TraceStart(trace_id="d", started_at=datetime(2025, 1, 10, 12), command="x"))
        assert con.execute("SELECT trace_no FROM traces ORDER BY trace_id").fetchall() == [(2,), (4,)]


@pytest.mark.slow
def test_little_free_space_is_left_to_later_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database(tmp_path, "a", "b", "c")
    delete(database, "a")
    monkeypatch.setattr(compaction, "MIN_GAIN", 100)
    number = database.path.stat().st_ino
    space = compact(database, PLENTY)
    assert 1_000_000 < space.reusable_bytes < space.file_bytes
    assert database.path.stat().st_ino == number


@pytest.mark.slow
def test_rows_deleted_between_others_count_as_free_space(tmp_path: Path) -> None:
    database = make_database(tmp_path, "a")
    with database.write() as con:
        con.execute("DELETE FROM call_records WHERE call_id % 10 <> 0")
    before, large = content(database), database.path.stat().st_size
    assert compact(database, large // 10).file_bytes < large / 2
    assert content(database) == before


@pytest.mark.slow
def test_a_large_database_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database(tmp_path, "a", "b", "c")
    delete(database, "a", "b")
    monkeypatch.setattr(compaction, "MAX_COPIED_BYTES", 1_000_000)
    number = database.path.stat().st_ino
    assert compact(database, PLENTY).reusable_bytes > 1_000_000
    assert database.path.stat().st_ino == number


def run_python(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)


_COMPACT = """
import json, os, resource, signal, sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from breadcrumb_storage import compaction
from breadcrumb_storage.database import Database
compaction.MIN_GAIN_BYTES = compaction.MIN_GAIN = 0
{}
print(json.dumps(asdict(compaction.compact(Database(Path(sys.argv[1])), 1 << 40))))
"""


_COPY_TO_FULL_DISK = """
copy, before = compaction._replace_by_copy, resource.getrlimit(resource.RLIMIT_FSIZE)
def copy_to_full_disk(con, path):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        copy(con, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
compaction._replace_by_copy = copy_to_full_disk
"""


@pytest.mark.processes
def test_a_full_disk_leaves_the_database_unchanged_and_is_reported(tmp_path: Path) -> None:
    database = make_database(tmp_path, "a", "b")
    delete(database, "a")
    before = content(database)
    # Python ignores SIGXFSZ, so that writing beyond this size fails as on a full disk.
    done = run_python(_COMPACT.format(_COPY_TO_FULL_DISK), database.path)
    space = json.loads(done.stdout)
    assert space["reusable_bytes"] > 1_000_000, done.stderr
    assert space["compaction_error"]
    assert content(database) == before
    assert files_of(database) == {"", ".wal"}


@pytest.mark.processes
@pytest.mark.parametrize("moment", ["Path.replace", "compaction.create_write_ahead_log"])
def test_a_process_killed_before_or_after_the_replacement_leaves_an_intact_database(
    tmp_path: Path, moment: str, compact_always: None
) -> None:
    database = make_database(tmp_path, "a", "b")
    delete(database, "a")
    before = content(database)
    done = run_python(_COMPACT.format(f"{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"), database.path)
    assert done.returncode == -9, done.stderr
    assert content(database) == before
    delete(database, "b")
    compact(database, PLENTY)
    assert files_of(database) == {"", ".wal"}


def test_a_file_that_is_replaced_twice_while_it_is_opened_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = make_database(tmp_path, "a")

    def replace() -> None:
        shutil.copy(database.path, tmp_path / "copy")
        (tmp_path / "copy").replace(database.path)

    def connect_between_replacements(*args: Any, connect: Any = duckdb.connect, **options: Any) -> Any:
        monkeypatch.undo()
        replace()
        con = connect(*args, **options)
        replace()  # the file system may give the number of the first file to this one
        return con

    monkeypatch.setattr(duckdb, "connect", connect_between_replacements)
    with database.write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 7, 'code', 'message')")
    with database.read() as con:
        assert con.execute("SELECT process_id FROM notices WHERE trace_id = 't'").fetchall() == [(7,)]


_WRITE_OFTEN = """
import sys
from pathlib import Path
from typing import Any
from breadcrumb_storage.database import Database
database = Database(Path(sys.argv[1]), lock_timeout_seconds=60)
for number in range(8):
    with database.write() as con:
        con.execute("INSERT INTO notices VALUES ('t', ?, 'code', 'message')", [number])
"""


@pytest.mark.processes
def test_writes_of_other_processes_during_compaction_are_kept(tmp_path: Path, compact_always: None) -> None:
    database = Database(tmp_path / "traces.duckdb", lock_timeout_seconds=60)
    with database.write():
        pass
    writers = [subprocess.Popen([sys.executable, "-c", _WRITE_OFTEN, str(database.path)]) for _ in range(2)]
    replacements = 0
    while any(writer.poll() is None for writer in writers):
        number = database.path.stat().st_ino
        compact(database, PLENTY)
        replacements += database.path.stat().st_ino != number
    assert [writer.wait() for writer in writers] == [0, 0]
    assert replacements > 0
    with database.read() as con:
        assert con.execute("SELECT count(*), count(DISTINCT process_id) FROM notices").fetchall() == [(16, 8)]
