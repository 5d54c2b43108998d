from __future__ import annotations

from pathlib import Path

import pytest

from breadcrumb_storage import migrate
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import DatabaseFailed
from breadcrumb_storage.migrate import Migration, known_migrations


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "shop-traces.duckdb"
    with Database(path).write():
        pass
    return path


def add_migration(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    known = known_migrations()
    added = Migration(len(known) + 1, "next", sql)
    monkeypatch.setattr(migrate, "known_migrations", lambda: (*known, added))


def test_migrations_are_numbered_from_one_without_a_hole():
    assert [step.version for step in known_migrations()] == list(range(1, len(known_migrations()) + 1))


def test_each_migration_is_recorded_once(path: Path):
    with Database(path).write() as con:
        rows = con.execute("SELECT version, name FROM schema_versions").fetchall()
    assert rows == [(step.version, step.name) for step in known_migrations()]


@pytest.mark.parametrize("use", [Database.read, Database.write])
def test_an_older_database_is_migrated_when_opened(path: Path, monkeypatch: pytest.MonkeyPatch, use):
    with Database(path).write() as con:
        con.execute("INSERT INTO notices VALUES ('t', 0, 'kept', '')")
    add_migration(monkeypatch, "CREATE TABLE added (a INTEGER); ALTER TABLE notices ADD COLUMN level VARCHAR")
    with use(Database(path)) as con:
        assert con.execute("SELECT code, level FROM notices").fetchall() == [("kept", None)]
        assert con.execute("SELECT * FROM added").fetchall() == []


def test_a_migration_that_fails_leaves_the_schema_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        add_migration(patch, "CREATE TABLE added (a INTEGER); SELECT * FROM missing")
        with pytest.raises(DatabaseFailed, match="Table with name missing"), Database(path).write():
            pass
    with Database(path).read() as con:
        tables = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'added'").fetchall()
    assert tables == [(0,)]
