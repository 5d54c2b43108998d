"""Test that a damaged project takes out itself alone, and says what to do."""

from __future__ import annotations

import duckdb
import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def garbage(home) -> None:
    home.database_file("odd").write_bytes(b"\0garbage" * 5000)


def cut_off(home) -> None:
    file = home.database_file("odd")
    file.write_bytes(file.read_bytes()[:9000])


def folder(home) -> None:
    home.database_file("odd").unlink()
    home.database_file("odd").mkdir()


def log_is_a_folder(home) -> None:
    log = home.folder / f"{home.database_file('odd').name}.wal"
    log.unlink(missing_ok=True)
    log.mkdir()


def below_a_file(home) -> None:
    set_database(home, home.config_file("shop") / "traces.duckdb")


def other_tables(home) -> None:
    home.database_file("odd").unlink()
    with duckdb.connect(home.database_file("odd")) as con:
        con.execute("CREATE TABLE invoices (number INTEGER)")


def too_new(home) -> None:
    with duckdb.connect(home.database_file("odd")) as con:
        con.execute("INSERT INTO schema_versions VALUES (9999, 'from_the_future', now()::TIMESTAMP)")


def odd_row(home) -> None:
    with duckdb.connect(home.database_file("odd")) as con:
        con.execute("DROP VIEW IF EXISTS trace_events")
        con.execute("ALTER TABLE traces RENAME COLUMN status TO state")


def set_database(home, path) -> None:
    config = home.config_file("odd")
    lines = [line for line in config.read_text().splitlines() if not line.startswith("db_path:")]
    config.write_text("\n".join([*lines, f"db_path: {path}", ""]))


DAMAGES = [garbage, cut_off, folder, log_is_a_folder, below_a_file, other_tables, too_new, odd_row]


@pytest.fixture
async def projects(shop):
    """Open a session with the projects "shop" and "odd"."""
    await shop.ok("init_project", project="odd")
    return shop


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_database_is_told_and_the_other_projects_are_listed(projects, home, damage) -> None:
    damage(home)
    answer = await projects.ok("list_projects")
    assert [row[0] for row in answer["projects"]["rows"]] == ["odd", "shop"]
    assert answer["projects"]["rows"][1][2] == 0
    if damage not in (log_is_a_folder, below_a_file):  # a log that is none harms no reader; below a file there is none
        assert any(note.startswith(("odd: ", "missing here: odd")) for note in answer["notes"])
    assert (await projects.ok("list_traces", project="shop"))["total"] == 0


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("run", {"command": "true", "timeout_seconds": 1}),
        ("list_traces", {}),
        ("get_trace", {"trace_id": "x"}),
        pytest.param("query_traces", {"sql": "SELECT 1"}, marks=pytest.mark.processes),
        ("delete_traces", {"all": True}),
        ("stop_run", {"trace_id": "x"}),
    ],
)
@pytest.mark.parametrize("damage", [each for each in DAMAGES if each not in (log_is_a_folder, odd_row)])
async def test_the_error_of_a_damaged_database_says_what_to_do(projects, home, damage, tool, arguments) -> None:
    damage(home)
    error = await projects.error(tool, project="odd", **arguments)
    assert "error in Breadcrumb itself" not in error
    what, *rest = error.splitlines()
    assert ("database" in what.lower()) and rest
    await projects.ok("get_config", project="odd")
    await projects.ok("edit_config", project="odd", add_include=["other.*"])


async def test_a_failure_of_duckdb_names_the_file_and_its_reason(projects, home) -> None:
    odd_row(home)
    error = await projects.error("list_traces", project="odd")
    assert error.startswith(f"DuckDB failed with {home.database_file('odd')}.\nBinderException: ")
    assert "delete_traces" in error


@pytest.mark.parametrize(
    "text",
    [
        "project: odd\nworkspace: 2025-13-45\n",
        "project: odd\ninclude: " + "[" * 5000,
        f"project: odd\ncapture: {{calls_per_function: {'9' * 5000}}}\n",
        "\0\0\0",
        "? [a, b]\n: c\n",
        "project: odd\n<<: 5\n",
        "- 1\n",
        "",
    ],
)
async def test_a_garbled_config_is_told_by_name_and_stops_no_other_project(projects, home, text) -> None:
    home.config_file("odd").write_text(text)
    answer = await projects.ok("list_projects")
    assert [row[0] for row in answer["projects"]["rows"]] == ["odd", "shop"]
    assert any(note.startswith("odd: ") for note in answer["notes"])
    error = await projects.error("get_config", project="odd")
    assert "odd.yaml" in error and "left untouched" in error
    assert home.config_file("odd").read_text() == text


async def test_a_config_that_is_a_folder_stops_no_other_project(projects, home) -> None:
    home.config_file("odd").unlink()
    home.config_file("odd").mkdir()
    answer = await projects.ok("list_projects")
    assert [row[0] for row in answer["projects"]["rows"]] == ["odd", "shop"]
    assert "odd.yaml" in await projects.error("get_config", project="odd")


@pytest.mark.parametrize("place", ["spool", "spool/odd"])
async def test_a_file_in_the_place_of_the_spool_folder_stops_runs_alone(projects, home, place) -> None:
    path = home.folder / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    assert (await projects.ok("list_traces", project="odd"))["total"] == 0
    await projects.ok("delete_traces", project="odd", all=True)
    error = await projects.error("run", project="odd", command="true", timeout_seconds=1)
    assert str(path) in error and "error in Breadcrumb itself" not in error


async def test_an_error_of_the_system_says_so_and_what_to_do(projects, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "/full")

    monkeypatch.setattr("breadcrumb_server.projects.manage.get_config", fail)
    error = await projects.error("get_config", project="odd")
    assert error.splitlines() == [
        "get_config failed: the system refused it.",
        "OSError: [Errno 28] No space left on device: '/full'",
        "Free space on that disk, then call again.",
    ]
    resource = await projects.client.list_resources()
    assert resource.resources


@pytest.mark.parametrize(
    ("tool", "arguments", "broken"),
    [
        ("init_project", {"project": "new"}, "manage._first_run"),
        ("edit_config", {"project": "odd", "add_include": ["a.*"]}, "manage.compare_with_traces"),
    ],
)
async def test_what_was_written_is_answered_whatever_fails_afterwards(
    projects, monkeypatch, tool, arguments, broken
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(f"breadcrumb_server.projects.{broken}", fail)
    answer = await projects.ok(tool, **arguments)
    assert any("RuntimeError: odd" in note for note in answer["notes"])
