"""Test that what every earlier version has left behind is opened: databases and spools (old_versions/README.md)."""

from __future__ import annotations

import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from breadcrumb_server.projects.home import Home
from breadcrumb_storage.database import Database
from breadcrumb_storage.migrate import known_migrations
from killed_ingest import DYING_CONNECTION

OLD_VERSIONS = Path(__file__).parent / "old_versions"
ARCHIVES = sorted(file.name for file in OLD_VERSIONS.glob("*.tar.xz"))

CALLS = [("check", 1), ("price", 5), ("total", 1)]
COUNT_CALLS = """
SELECT trace_id, function_name, count(*) FROM calls WHERE function_name IN ('check', 'price', 'total')
GROUP BY ALL ORDER BY ALL
"""


def unpack(archive: str, home: Home) -> None:
    with tarfile.open(OLD_VERSIONS / archive) as packed:
        packed.extractall(home.folder, filter="data")
    config = home.config_file("shop")  # it names the folder in which it was made
    lines = [line for line in config.read_text().splitlines(keepends=True) if not line.startswith("db_path:")]
    config.write_text("".join(lines))


def test_there_is_an_archive_of_each_schema_but_the_newest() -> None:
    versions = [migration.version for migration in known_migrations()]
    assert [f"schema-{version:02}.tar.xz" for version in versions[:-1]] == ARCHIVES


@pytest.mark.anyio
@pytest.mark.processes
@pytest.mark.parametrize("archive", ARCHIVES)
async def test_what_an_earlier_version_has_left_is_answered_and_finished(session, home: Home, archive: str) -> None:
    unpack(archive, home)
    listed = await session.ok("list_traces", project="shop")
    statuses = {row[0]: row[1] for row in listed["rows"]}
    assert sorted(statuses.values()) == ["completed", "stopped"]
    rows = (await session.ok("query_traces", project="shop", sql=COUNT_CALLS))["rows"]
    assert rows == [[trace_id, *counted] for trace_id in sorted(statuses) for counted in CALLS]
    for trace_id in statuses:
        report = await session.ok("get_trace", project="shop", trace_id=trace_id)
        assert report["traced"]["calls"] >= 7
        raised = await session.ok("find_exceptions", project="shop", trace_id=trace_id)
        assert "no price for 4" in str(raised)
        await session.ok("get_flow", project="shop", trace_id=trace_id)
    assert (await session.ok("delete_traces", project="shop", all=True))["deleted"] == 2


KILLED_MIGRATION = (
    """
import os, sys
from pathlib import Path
from breadcrumb_storage import database

"""
    + DYING_CONNECTION
    + """
migrate = database.migrate
database.migrate = lambda con: migrate(Connection(con, int(sys.argv[2])))
with database.Database(Path(sys.argv[1])).write():
    pass
"""
)


@pytest.mark.processes
def test_migrations_killed_at_any_statement_are_resumed(home: Home) -> None:
    unpack(ARCHIVES[0], home)
    file = home.database_file("shop")
    killed = 0
    for statements in range(3, 40, 4):
        code = subprocess.run(
            [sys.executable, "-c", KILLED_MIGRATION, str(file), str(statements)], check=False
        ).returncode
        killed += code == -signal.SIGKILL
    assert killed >= 3
    with Database(file).read() as con:
        versions = con.execute("SELECT version FROM schema_versions ORDER BY version").fetchall()
        assert versions == [(migration.version,) for migration in known_migrations()]
        assert [row[1:] for row in con.execute(COUNT_CALLS).fetchall()][:3] == CALLS
