"""Run, read the gaps, trace more, run again, on a third-party library: iniconfig, a dependency of pytest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from proposed_calls import call_of

pytestmark = pytest.mark.anyio

PROGRAM = """
import sys
import iniconfig

def settings(path):
    return iniconfig.IniConfig(path)

def colour(config):
    return config["paint"]["colour"]

print(colour(settings(sys.argv[1])))
"""


async def modules(session: Any, trace_id: str) -> set[str]:
    rows = await session.rows(f"SELECT DISTINCT module_name FROM calls WHERE trace_id = '{trace_id}'")
    return {module for (module,) in rows}


@pytest.mark.smoke
async def test_gaps_of_the_first_run_lead_to_calls_of_the_second(session, workspace: Path) -> None:
    (workspace / "paint.py").write_text(PROGRAM)
    (workspace / "good.ini").write_text("[paint]\ncolour = green\n")
    await session.ok("init_project", project="p")  # without a workspace: __main__ alone
    assert (await session.ok("get_config", project="p"))["config"]["include"] == ["__main__"]
    first = await session.run(sys.executable, "paint.py", "good.ini", cwd=str(workspace))
    assert (first["status"], first["stdout_tail"]) == ("completed", "green")
    assert await modules(session, first["trace_id"]) == {"__main__"}

    gaps = await session.ok("find_gaps", project="p")
    by_name = {row[0]: dict(zip(gaps["columns"], row, strict=True)) for row in gaps["rows"]}
    suggested = by_name["IniConfig.__init__"]["suggested_include"]
    assert by_name["IniConfig.__init__"]["call_count"] == 1
    assert by_name["IniConfig.__init__"]["called_by"] == "__main__:settings"

    await session.ok("edit_config", project="p", add_include=[suggested])
    second = await session.run(sys.executable, "paint.py", "good.ini", cwd=str(workspace))
    assert suggested in await modules(session, second["trace_id"])
    found = await session.ok("get_calls", project="p", function="IniConfig.__init__")
    (row,) = found["rows"]
    assert "path='good.ini'" in row[found["columns"].index("args")]


@pytest.mark.parametrize("command", [[sys.executable, "-m", "pytest"], [str(Path(sys.executable).parent / "pytest")]])
async def test_gaps_of_a_test_runner_lead_to_the_code_without_a_workspace(
    session, workspace: Path, command: list[str]
) -> None:
    (workspace / "shop").mkdir()
    (workspace / "shop" / "__init__.py").touch()
    (workspace / "shop" / "cart.py").write_text("def total(prices):\n    return sum(prices) - 1\n")
    (workspace / "tests").mkdir()
    (workspace / "tests" / "test_cart.py").write_text(
        "from shop.cart import total\ndef test_total():\n    assert total([1, 2]) == 3\n"
    )
    await session.ok("init_project", project="p")
    environment = {"PYTHONPATH": str(workspace)}
    first = await session.run(*command, "-p", "no:cacheprovider", cwd=str(workspace), env=environment)
    (proposed,) = (text for text in first["next"] if text.startswith("edit_config"))
    assert (await session.ok("find_gaps", project="p"))["edit_config"] == proposed
    tool, arguments = call_of(proposed)
    assert arguments["set"] == {"workspace": str(workspace)}
    await session.ok(tool, **arguments)
    second = await session.run(*command, "-p", "no:cacheprovider", cwd=str(workspace), env=environment)
    found = await session.ok("get_calls", project="p", function="shop.cart:total")
    (row,) = found["rows"]
    assert row[found["columns"].index("args")] == "prices=[1, 2]"
    assert "AssertionError" in json.dumps(second)
    assert "shop.cart" in await modules(session, second["trace_id"])


async def test_each_proposed_call_can_be_made_unchanged(session, workspace: Path) -> None:
    (workspace / "paint.py").write_text(PROGRAM)
    (workspace / "bad.ini").write_text("[paint]\nno equals sign here\n")
    created = await session.ok("init_project", project="p", workspace=str(workspace))
    report = await session.run(sys.executable, "paint.py", "bad.ini")
    assert "ParseError" in report["exceptions"][0]["type"]
    answers = [created, report, await session.ok("find_gaps", project="p")]
    answers.append(await session.ok("find_exceptions", project="p"))
    answers.append(await session.ok("get_calls", project="p", function="settings"))
    answers.append(await session.ok("list_traces", project="p"))
    proposed = {text for answer in answers for text in answer.get("next", ()) if not text.startswith("run(")}
    assert proposed
    for text in sorted(proposed):
        tool, arguments = call_of(text)
        answer = await session.ok(tool, **arguments)
        assert len(json.dumps(answer)) < 8000
