"""Test delete_traces: what it deletes, keeps and refuses."""

from __future__ import annotations

import json

import pytest
from mcp import Client

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS
from breadcrumb_server.mcp_server.server import build_server
from breadcrumb_server.runs.state import RunState
from breadcrumb_storage.database import Database

pytestmark = [pytest.mark.anyio, pytest.mark.processes]


async def record(session, count: int = 1) -> list[str]:
    """Run commands to their end; return their trace ids, the oldest first."""
    runs = [
        await session.ok("run", project="shop", command=["true"], timeout_seconds=60, label=f"run {number}")
        for number in range(count)
    ]
    return [run["trace_id"] for run in runs]


async def remaining(session) -> list[str]:
    """Return the trace ids of the project, the oldest first."""
    return [row[0] for row in (await session.ok("list_traces", project="shop"))["rows"]][::-1]


async def test_the_named_traces_are_deleted_and_the_others_stay(shop) -> None:
    ids = await record(shop, 3)
    answer = await shop.ok("delete_traces", project="shop", trace_ids=[ids[0], ids[2][-4:], ids[0]])
    assert (answer["deleted"], answer["kept"]) == (2, 1)
    columns = answer["traces"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in answer["traces"]["rows"]]
    assert [(row["trace_id"], row["label"], row["command"]) for row in rows] == [
        (ids[2], "run 2", "true"),
        (ids[0], "run 0", "true"),
    ]
    assert await remaining(shop) == [ids[1]]
    assert answer["next"] == ['list_traces(project="shop")']


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "it got none"),
        ({"all": False}, "it got none"),
        ({"trace_ids": []}, "it got an empty list"),
        ({"all": True, "older_than": "1d"}, "it got older_than and all together"),
        ({"trace_ids": ["x"], "older_than": "1d"}, "it got trace_ids and older_than together"),
        ({"older_than": "last week"}, "older_than='last week' is not a time"),
    ],
)
async def test_anything_but_exactly_one_argument_is_refused(shop, arguments, expected) -> None:
    (trace,) = await record(shop)
    assert expected in await shop.error("delete_traces", project="shop", **arguments)
    assert await remaining(shop) == [trace]


async def test_an_unknown_id_deletes_nothing_and_the_error_lists_the_known_ones(shop) -> None:
    ids = await record(shop, 2)
    error = await shop.error("delete_traces", project="shop", trace_ids=[ids[0], "nosuch"])
    assert "no trace 'nosuch'" in error and all(trace in error for trace in ids)
    ambiguous = await shop.error("delete_traces", project="shop", trace_ids=[ids[0][:4]])
    assert "ambiguous" in ambiguous
    assert await remaining(shop) == ids


async def test_traces_older_than_a_time_are_deleted(shop, home) -> None:
    ids = await record(shop, 2)
    with Database(home.database_file("shop")).write() as con:
        con.execute("UPDATE traces SET started_at = started_at - INTERVAL 3 DAY WHERE trace_id = ?", [ids[0]])
    nothing = await shop.ok("delete_traces", project="shop", older_than="4d")
    assert nothing["deleted"] == 0 and nothing["freed_mb"] == 0
    assert "none of the 2 traces" in nothing["notes"][0]
    assert (await shop.ok("delete_traces", project="shop", older_than="2d"))["deleted"] == 1
    assert await remaining(shop) == ids[1:]


async def test_a_running_trace_is_refused_by_id_and_skipped_by_all(shop, hanging, gate) -> None:
    (ended,) = await record(shop)
    run = await shop.ok("run", project="shop", command=hanging, timeout_seconds=90, wait_seconds=0)
    await gate.message()
    running = run["trace_id"]
    error = await shop.error("delete_traces", project="shop", trace_ids=[ended, running])
    assert f"Still running: {running}. Nothing was deleted." in error
    assert f'stop_run(project="shop", trace_id="{running}")' in error
    assert await remaining(shop) == [ended, running]

    answer = await shop.ok("delete_traces", project="shop", all=True)
    assert (answer["deleted"], answer["kept"], answer["running"]) == (1, 1, [running])
    assert answer["next"][0] == f'stop_run(project="shop", trace_id="{running}")'
    assert (await shop.ok("stop_run", project="shop", trace_id=running))["status"] == "stopped"
    assert (await shop.ok("delete_traces", project="shop", trace_ids=[running]))["kept"] == 0


async def test_a_project_can_be_used_after_all_its_traces_were_deleted(shop) -> None:
    await record(shop, 2)
    assert (await shop.ok("delete_traces", project="shop", all=True))["deleted"] == 2
    again = await shop.ok("delete_traces", project="shop", all=True)
    assert (again["deleted"], again["kept"]) == (0, 0)
    assert again["notes"] == ["nothing was deleted: the project has no traces"]
    assert await remaining(shop) == []
    assert await remaining(shop) == [] != await record(shop)


async def test_a_leftover_spool_folder_is_removed_and_not_ingested_again(shop, home) -> None:
    (trace,) = await record(shop)
    spool = home.spool_folder("shop") / trace
    spool.mkdir()
    # The state after a server dies between storing a trace and removing its folder.
    state = RunState("shop", trace, ["true"], None, "/", 60, "{}", "")
    state.save(spool)
    (spool / "1-a-0-0.calls").write_bytes(b"x" * 3_000_000)
    answer = await shop.ok("delete_traces", project="shop", trace_ids=[trace])
    assert answer["freed_mb"] >= 3
    assert not spool.exists()
    assert await remaining(shop) == []


async def test_the_space_of_deleted_traces_is_freed(shop, home) -> None:
    ids = await record(shop, 2)
    database = Database(home.database_file("shop"))
    with database.write() as con:
        con.execute(
            """
            INSERT INTO call_records (trace_no, process_id, thread_id, call_id, function_id, started_ns, args)
            SELECT t.trace_no, 0, 0, i, 1, i, md5((i * t.trace_no)::VARCHAR) FROM traces t, range(200000) r(i)
            WHERE i < 100000 OR t.trace_id = ?
            """,
            [ids[0]],
        )
    before = sum(file.stat().st_size for file in home.folder.glob("shop-traces.duckdb*"))
    answer = await shop.ok("delete_traces", project="shop", trace_ids=ids[:1])
    after = sum(file.stat().st_size for file in home.folder.glob("shop-traces.duckdb*"))
    assert answer["calls"] == 200_000
    assert answer["freed_mb"] == pytest.approx((before - after) / 1e6, abs=0.1) and answer["freed_mb"] > 3
    assert answer["database_mb"] == pytest.approx(after / 1e6, abs=0.1)
    rest = await shop.ok("query_traces", project="shop", sql="SELECT count(*) FROM call_records")
    assert rest["rows"] == [[100_000]]


async def test_the_answer_stays_short_for_many_traces(shop, home) -> None:
    with Database(home.database_file("shop")).write() as con:
        con.execute(
            """
            INSERT INTO traces (trace_id, status, started_at, command, label)
            SELECT 'trace-' || i, 'failed', TIMESTAMP '2025-01-10', repeat('long ', 200), 'x' FROM range(500) t(i)
            """
        )
    answer = await shop.ok("delete_traces", project="shop", all=True)
    assert answer["deleted"] == len(answer["traces"]["rows"]) + answer["traces"]["more"] == 500
    assert len(json.dumps(answer)) <= MAX_ANSWER_CHARS


async def test_two_servers_delete_the_same_trace_once(shop, home) -> None:
    ids = await record(shop, 2)
    async with Client(build_server(home), mode="legacy") as other:
        await shop.ok("delete_traces", project="shop", trace_ids=ids[:1])
        result = await other.call_tool("delete_traces", {"project": "shop", "trace_ids": ids[:1]})
        assert result.is_error and ids[1] in getattr(result.content[0], "text", "")
        result = await other.call_tool("delete_traces", {"project": "shop", "all": True})
        assert result.structured_content["deleted"] == 1
    assert await remaining(shop) == []


async def test_a_whole_project_is_deleted_and_its_workspace_stays(shop, home, workspace, write) -> None:
    write("main.py", "print(1)\n")
    ids = await record(shop, 2)
    await shop.ok("init_project", project="other", workspace=str(workspace))
    answer = await shop.ok("delete_traces", project="shop", whole_project=True)
    assert (answer["deleted"], answer["kept"], answer["database_mb"]) == (len(ids), 0, 0)
    assert str(workspace) in answer["notes"][0]
    assert answer["next"] == ["list_projects()"]
    assert not [file for file in home.folder.rglob("*") if "shop" in file.name]
    assert [file.name for file in workspace.iterdir()] == ["main.py"]
    projects = await shop.ok("list_projects")
    assert [row[0] for row in projects["projects"]["rows"]] == ["other"]
    assert "There is no project 'shop'" in await shop.error("delete_traces", project="shop", whole_project=True)
    await shop.ok("init_project", project="shop", workspace=str(workspace))
    assert await remaining(shop) == []


async def test_a_project_with_a_running_command_is_not_deleted(shop, home, hanging, gate) -> None:
    run = await shop.ok("run", project="shop", command=hanging, timeout_seconds=90, wait_seconds=0)
    await gate.message()
    error = await shop.error("delete_traces", project="shop", whole_project=True)
    assert f'stop_run(project="shop", trace_id="{run["trace_id"]}")' in error
    assert home.config_file("shop").exists() and await remaining(shop) == [run["trace_id"]]
    await shop.ok("stop_run", project="shop", trace_id="latest")
    assert (await shop.ok("delete_traces", project="shop", whole_project=True, all=True))["deleted"] == 1


@pytest.mark.parametrize("damaged", ["settings", "database"])
async def test_a_damaged_project_can_be_deleted(shop, home, damaged) -> None:
    file = home.config_file("shop") if damaged == "settings" else home.database_file("shop")
    file.write_text("[not: valid")
    answer = await shop.ok("delete_traces", project="shop", whole_project=True)
    assert answer["deleted"] == 0 and ("could not be read" in str(answer["notes"])) == (damaged == "settings")
    assert not [file for file in home.folder.rglob("*") if "shop" in file.name]


async def test_a_database_that_is_not_the_projects_alone_is_kept(shop, home, workspace) -> None:
    inside = workspace / "traces.duckdb"
    await shop.ok("edit_config", project="shop", set={"db_path": str(inside)})
    await record(shop)
    answer = await shop.ok("delete_traces", project="shop", whole_project=True)
    assert (answer["deleted"], answer["kept"]) == (0, 1)
    assert f"kept: {inside}, as it is in the workspace" in answer["notes"]
    assert inside.exists() and not home.config_file("shop").exists()

    for project in ("first", "second"):
        await shop.ok("init_project", project=project)
        await shop.ok("edit_config", project=project, set={"db_path": str(home.folder / "shared.duckdb")})
    await shop.ok("list_traces", project="first")
    answer = await shop.ok("delete_traces", project="first", whole_project=True)
    assert f"kept: {home.folder / 'shared.duckdb'}, as the project second uses it" in answer["notes"]
    letter = home.folder / "letter.txt"
    letter.write_text("not a database")
    await shop.ok("edit_config", project="second", set={"db_path": str(letter)})
    answer = await shop.ok("delete_traces", project="second", whole_project=True)
    assert f"kept: {letter}, which is no database of this Breadcrumb" in answer["notes"]
    assert letter.read_text() == "not a database"
