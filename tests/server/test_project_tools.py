from __future__ import annotations

import stat
from pathlib import Path

import anyio
import pytest

pytestmark = pytest.mark.anyio


async def test_a_new_project_gets_private_files_and_the_patterns_found(session, write, workspace, home) -> None:
    write("shop/__init__.py")
    answer = await session.ok("init_project", project="shop", workspace=str(workspace))
    assert answer["created"] is True
    assert answer["config"]["include"] == ["__main__", "shop.*"]
    for file in (Path(answer["config_file"]), Path(answer["database"])):
        assert file.parent == home.folder
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700


async def test_without_a_workspace_the_started_script_is_traced(session) -> None:
    answer = await session.ok("init_project", project="shop")
    assert answer["config"]["include"] == ["__main__"]


async def test_an_existing_project_is_returned_untouched(shop, home) -> None:
    before = home.config_file("shop").read_text()
    answer = await shop.ok("init_project", project="shop", include=["other.*"])
    assert answer["created"] is False
    assert "not applied: use edit_config" in str(answer["notes"])
    assert home.config_file("shop").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"project": "no/good"}, "letters, digits"),
        ({"project": "shop", "workspace": "/nowhere/at/all"}, "does not exist: /nowhere/at/all"),
        ({"project": "shop", "workspace": __file__}, "is not a folder"),
        ({"project": "shop", "include": ["", "a\nb"]}, "must not be empty"),
    ],
)
async def test_a_project_that_cannot_be_made_leaves_nothing_behind(session, home, arguments, expected) -> None:
    assert expected in await session.error("init_project", **arguments)
    assert home.project_names() == []


async def test_projects_with_a_broken_file_are_listed_too(shop, home) -> None:
    home.config_file("broken").write_text("project: [\n")
    answer = await shop.ok("list_projects")
    assert [row[0] for row in answer["projects"]["rows"]] == ["broken", "shop"]
    assert "broken.yaml, line 2" in str(answer["notes"])


async def test_the_answer_stays_short_for_many_projects(session, home) -> None:
    home.create()
    for number in range(200):
        home.config_file(f"project-{number:03}").write_text(
            f"project: project-{number:03}\nworkspace: /{'deep/' * 20}\ndb_path: /nowhere/{number}.duckdb\n"
        )
    result = await session.client.call_tool("list_projects", {})
    assert len(result.content[0].text) <= 8_000
    assert result.structured_content["projects"]["more"] > 0


async def test_setting_the_current_value_changes_nothing(shop) -> None:
    answer = await shop.ok("edit_config", project="shop", set={"capture.mode": "adaptive"})
    assert (answer["changed"], answer["before"]) == ([], {})


@pytest.mark.parametrize(
    "call",
    [
        ("get_config", {}),
        ("edit_config", {"add_include": ["x.*"]}),
        ("run", {"command": "true", "timeout_seconds": 1}),
        ("wait_for_run", {"trace_id": "x", "wait_seconds": 0}),
        ("stop_run", {"trace_id": "x"}),
        ("list_traces", {}),
        ("get_trace", {"trace_id": "x"}),
        ("find_gaps", {}),
        ("get_calls", {"function": "x"}),
        ("find_exceptions", {}),
        ("get_flow", {}),
        ("analyze_performance", {}),
        ("search_values", {"text": "x"}),
        ("find", {"value": "x"}),
        ("compare_traces", {"base_trace_id": "x", "trace_id": "y"}),
        ("query_traces", {"sql": "SELECT 1"}),
        ("delete_traces", {"all": True}),
    ],
)
async def test_the_error_for_an_unknown_project_lists_the_existing_ones(shop, call) -> None:
    name, arguments = call
    error = await shop.error(name, project="shopp", **arguments)
    assert "There is no project 'shopp'." in error
    assert "Projects here: shop." in error


async def test_a_broken_file_stops_every_tool_and_is_not_overwritten(shop, home) -> None:
    broken = "project: shop\ninclude: [\n"
    home.config_file("shop").write_text(broken)
    for name, arguments in (("init_project", {}), ("edit_config", {"add_include": ["x.*"]}), ("get_config", {})):
        error = await shop.error(name, project="shop", **arguments)
        assert "shop.yaml, line 3" in error and "left untouched" in error
    assert home.config_file("shop").read_text() == broken


async def test_an_edit_returns_the_settings_before_and_after(shop, home) -> None:
    answer = await shop.ok(
        "edit_config", project="shop", add_include=["a.*"], add_exclude=["b.*"], set={"capture.mode": "full"}
    )
    assert answer["changed"] == ["include", "exclude", "capture"]
    assert answer["before"]["include"] == ["__main__"]
    assert answer["config"]["include"] == ["__main__", "a.*"]
    assert (await shop.ok("get_config", project="shop"))["config"] == answer["config"]
    removed = await shop.ok("edit_config", project="shop", remove_include=["a.*"], remove_exclude=["b.*"])
    assert removed["config"]["include"] == ["__main__"]
    assert removed["config"]["exclude"] == []
    assert stat.S_IMODE(home.config_file("shop").stat().st_mode) == 0o600


async def test_a_new_pattern_that_matches_nothing_causes_a_warning(shop, write) -> None:
    write("shop/__init__.py")
    answer = await shop.ok("edit_config", project="shop", add_include=["shop.*", "rates.*", "nothing/**/*.py"])
    assert len(answer["warnings"]) == 2
    assert "'rates.*'" in answer["warnings"][0] and "'nothing/**/*.py'" in answer["warnings"][1]


@pytest.mark.processes
async def test_a_pattern_for_a_module_seen_in_a_trace_causes_no_warning(shop, write) -> None:
    write("main.py", "import json\nprint(json.dumps({}))\n")
    await shop.ok("run", project="shop", command=["python3", "main.py"], timeout_seconds=60)
    answer = await shop.ok("edit_config", project="shop", add_include=["json.*"])
    assert "warnings" not in answer
    assert "main.py" in answer["next"][0] and answer["next"][0].startswith("run(")


@pytest.mark.processes
async def test_a_pattern_for_a_module_of_a_package_seen_in_a_trace_causes_no_warning(shop, write, tmp_path) -> None:
    installed = tmp_path / "lib"
    for name in ("index.py", "collectors.py", "query/__init__.py", "query/terms.py"):
        (installed / "finder" / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / "finder" / name).write_text("def find():\n    return 1\n")
    write("main.py", f"import sys\nsys.path.append({str(installed)!r})\nimport finder.index\nfinder.index.find()\n")
    await shop.ok("run", project="shop", command=["python3", "main.py"], timeout_seconds=60)

    patterns = ["finder.collectors", "finder.query.*", "finder.query", "finder.quarry", "finders.index"]
    answer = await shop.ok("edit_config", project="shop", add_include=patterns)

    assert [warning.split("'")[1] for warning in answer["warnings"]] == ["finder.quarry", "finders.index"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "asked to change nothing"),
        ({"set": {"capture.mod": "full"}}, "did you mean 'capture.mode'"),
        ({"set": {"project": "other"}}, "cannot be renamed"),
        ({"set": {"capture": {"mode": "sometimes"}}}, "must be one of 'adaptive' or 'full'"),
        ({"set": {"include": ["a"]}, "add_include": ["b"]}, "add_include or remove_include is given too"),
        ({"add_include": ["a"], "remove_include": ["a"]}, "both name 'a'"),
        ({"add_include": ["x" * 501]}, "500"),
    ],
)
async def test_a_refused_edit_changes_nothing(shop, home, arguments, expected) -> None:
    before = home.config_file("shop").read_text()
    assert expected in await shop.error("edit_config", project="shop", **arguments)
    assert home.config_file("shop").read_text() == before


async def test_concurrent_edits_are_all_applied(shop) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(lambda n: shop.ok("edit_config", project="shop", add_include=[f"m{n}.*"]), number)
    config = (await shop.ok("get_config", project="shop"))["config"]
    assert set(config["include"]) == {"__main__", *(f"m{number}.*" for number in range(8))}


async def test_an_edit_keeps_comments_and_notes_a_rewrite(shop, home) -> None:
    file = home.config_file("shop")
    file.write_text("# mine\nproject: shop\ninclude: &same [a.*]\nexclude: *same\n")
    answer = await shop.ok("edit_config", project="shop", set={"enabled": False})
    assert file.read_text().startswith("# mine\n")
    answer = await shop.ok("edit_config", project="shop", add_include=["b.*"])
    assert "was rewritten" in str(answer["notes"])
    assert answer["config"]["include"] == ["a.*", "b.*"] and answer["config"]["exclude"] == ["a.*"]
