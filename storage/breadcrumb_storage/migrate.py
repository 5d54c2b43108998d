"""Migrate a database to the current schema by numbered SQL files, each applied once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from breadcrumb_storage.errors import DatabaseTooNew, DatabaseUnusable
from breadcrumb_storage.transaction import transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CREATE_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_versions (
    version INTEGER PRIMARY KEY, name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL
)
"""
_TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
_VERSION = "SELECT coalesce(max(version), 0) FROM schema_versions"
_RECORD = "INSERT INTO schema_versions VALUES (?, ?, current_timestamp AT TIME ZONE 'UTC')"


@dataclass(frozen=True, slots=True)
class Migration:
    """The statements of one ``migrations/<version>_<name>.sql``."""

    version: int
    name: str
    sql: str


@cache
def known_migrations() -> tuple[Migration, ...]:
    """Return the migrations of this Breadcrumb by version; a test holds the versions gapless."""
    found: list[Migration] = []
    for file in files("breadcrumb_storage").joinpath("migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.version))


def schema_version(con: DuckDBPyConnection) -> int:
    """Return the schema version of an open database, 0 for an empty one.

    Raises:
        DatabaseUnusable: The file has tables, but not Breadcrumb's.
    """
    import duckdb

    try:  # first, since it takes a tenth of the time that the names of the tables take
        ((version,),) = con.execute(_VERSION).fetchall()
        return int(version)
    except duckdb.CatalogException:
        tables = {str(name) for (name,) in con.execute(_TABLES).fetchall()}
    if tables:
        raise DatabaseUnusable(
            "This is not a Breadcrumb database.",
            why=f"It holds other tables ({', '.join(sorted(tables)[:5])}); nothing was changed.",
            hint="Point db_path in the project's config at another file.",
        )
    return 0


def is_current(con: DuckDBPyConnection) -> bool:
    """Return whether the schema has the newest version; if not, `migrate` is due.

    Raises:
        DatabaseTooNew: A newer Breadcrumb wrote the database.
        DatabaseUnusable: The file has tables, but not Breadcrumb's.
    """
    version, newest_known = schema_version(con), known_migrations()[-1].version
    if version > newest_known:
        raise DatabaseTooNew(
            f"The database has schema version {version}; this Breadcrumb knows versions up to {newest_known}.",
            why="A newer Breadcrumb wrote it. Nothing was changed.",
            hint="Upgrade breadcrumb-mcp, or give the project another db_path.",
        )
    return version == newest_known


def migrate(con: DuckDBPyConnection) -> None:
    """Apply the missing migrations, one transaction each, so that a later call continues after a crash.

    Raises:
        DatabaseTooNew: A newer Breadcrumb wrote the database.
        DatabaseUnusable: The file has tables, but not Breadcrumb's.
    """
    if is_current(con):
        return
    version = schema_version(con)
    for migration in known_migrations():
        if migration.version > version:
            with transaction(con):
                con.execute(_CREATE_VERSIONS)
                con.execute(migration.sql)
                con.execute(_RECORD, [migration.version, migration.name])
