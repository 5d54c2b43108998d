"""A run makes the project that it names, if it says which folder is meant and that folder has none."""

from __future__ import annotations

import sys

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.processes]


async def test_a_run_in_a_folder_without_a_project_makes_it_and_says_what_is_traced(session, workspace) -> None:
    (workspace / "main.py").write_text("def half(n):\n    return n / 0\n\nhalf(3)\n")
    given = {"command": [sys.executable, "main.py"], "timeout_seconds": 60, "cwd": str(workspace)}
    first = await session.ok("run", project="cart", **given)
    line, *rest = first["report"].split("\n")
    assert line.startswith("new project cart, traces __main__") and "ZeroDivisionError" in rest[0]
    settings = await session.ok("get_config", project="cart")
    assert settings["config"]["workspace"] == str(workspace)

    again = await session.ok("run", project="cart", **given)
    assert "new project" not in again["report"]


async def test_a_run_makes_no_second_project_of_a_folder_and_none_without_a_folder(session, workspace) -> None:
    await session.ok("init_project", project="cart", workspace=str(workspace))
    command = [sys.executable, "-c", "1"]
    mistyped = await session.error("run", project="crat", command=command, timeout_seconds=60, cwd=str(workspace))
    assert f"The project of {workspace} is 'cart'" in mistyped and 'run(project="cart"' in mistyped
    nowhere = await session.error("run", project="other", command=command, timeout_seconds=60)
    relative = await session.error("run", project="other", command=command, timeout_seconds=60, cwd=".")
    assert nowhere == relative and "There is no project 'other'" in nowhere
    listed = await session.ok("list_projects")
    assert [row[0] for row in listed["projects"]["rows"]] == ["cart"]
