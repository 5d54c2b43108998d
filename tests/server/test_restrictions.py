"""A server may be restricted to some commands and some folders, and says so where it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from breadcrumb_server.restrictions import ENV_COMMANDS, ENV_WORKSPACES, NotAllowed, RestrictionsUnreadable, current
from stdio_server import HANG_SECONDS

pytestmark = pytest.mark.anyio


def allows(patterns: str, command: list[str], env: dict[str, str] | None = None) -> bool:
    try:
        current({ENV_COMMANDS: patterns}).check_command(command, env or {}, Path("/"))
    except NotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("patterns", "command"),
    [
        ("pytest *", ["pytest"]),
        ("pytest *", ["pytest", "-x", "tests/a b.py"]),
        ("pytest", ["pytest"]),
        ("python -m pytest *; pytest *", ["python", "-m", "pytest", "-q"]),
        ("python 'a b.py'", ["python", "a b.py"]),
        ("pytest tests/test_*.py", ["pytest", "tests/test_shop.py"]),
        ("*", ["sh", "-c", "anything"]),
        ("/usr/bin/python3 -m shop.*", ["/usr/bin/python3", "-m", "shop.cart"]),
    ],
)
def test_a_command_that_a_pattern_names_is_allowed(patterns, command) -> None:
    assert allows(patterns, command)


@pytest.mark.parametrize(
    ("patterns", "command"),
    [
        ("", ["pytest"]),
        (" ; ", ["pytest"]),
        ("pytest", ["pytest", "-x"]),
        ("pytest *", ["./pytest"]),
        ("pytest *", ["/tmp/pytest", "-x"]),
        ("pytest *", ["pytest2"]),
        ("pytest *", ["Pytest"]),
        ("pytest *", ["sh", "-c", "pytest"]),
        ("pytest *", ["env", "pytest"]),
        ("pytest *", ["pytest *"]),
        ("pytest *", ["pytest\n"]),
        ("python -m pytest *", ["python", "-c", "pass"]),
        ("python -m pytest *", ["python", "-m"]),
        ("python -m pytest *", ["python", "-mpytest"]),
        ("py*", ["python"]),
        ("pytest tests/test_*.py", ["pytest", "tests/test_a.py", "--pdbcls=os:system"]),
    ],
)
def test_any_other_command_is_refused(patterns, command) -> None:
    assert not allows(patterns, command)


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "PYTHONSTARTUP", "PYTEST_ADDOPTS", "ANY"])
def test_variables_could_make_another_command_of_it_and_are_refused(name) -> None:
    assert not allows("pytest *", ["pytest"], {name: "x"})


def test_nothing_is_restricted_without_the_variables() -> None:
    current({}).check_command(["sh", "-c", "anything"], {"PATH": "/tmp"}, Path("/nowhere"))


@pytest.mark.parametrize("variables", [{ENV_COMMANDS: "python 'a"}, {ENV_WORKSPACES: "relative"}])
def test_what_cannot_be_read_is_refused_and_not_passed_over(variables) -> None:
    with pytest.raises(RestrictionsUnreadable):
        current(variables)


@pytest.mark.processes
async def test_run_refuses_other_commands_and_says_which_are_allowed(shop, monkeypatch, write) -> None:
    write("ok.py", "print('done')")
    monkeypatch.setenv(ENV_COMMANDS, f"{sys.executable} ok.py; pytest *")
    allowed = {"project": "shop", "timeout_seconds": 60}
    text = await shop.error("run", command=[sys.executable, "-c", "open('made', 'w')"], **allowed)
    assert "does not allow the command" in text and "ok.py; pytest *" in text and "--allow-command" in text
    probes = {"ok.py:1": ["__import__('os').system('touch made')"]}
    assert "no probes" in await shop.error("run", command=[sys.executable, "ok.py"], probes=probes, **allowed)
    assert "env" in await shop.error("run", command=[sys.executable, "ok.py"], env={"PATH": "/tmp"}, **allowed)
    report = await shop.ok("run", command=[sys.executable, "ok.py"], **allowed)
    assert report["status"] == "completed"


async def test_projects_and_commands_stay_in_the_allowed_folders(shop, monkeypatch, workspace, tmp_path, home) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (workspace / "link").symlink_to(outside)
    (workspace / "inside").mkdir()
    monkeypatch.setenv(ENV_WORKSPACES, str(workspace))
    for folder in (outside, workspace / "link", workspace / "inside" / ".." / "link", tmp_path):
        for text in (
            await shop.error("init_project", project="other", workspace=str(folder)),
            await shop.error("edit_config", project="shop", set={"workspace": str(folder)}),
            await shop.error("run", project="shop", command=["true"], timeout_seconds=5, cwd=str(folder)),
            await shop.error("run", project="new", command=["true"], timeout_seconds=5, cwd=str(folder)),
        ):
            assert "does not allow the folder" in text and str(workspace) in text and "--allow-workspace" in text
    database = str(outside / "x.duckdb")
    assert "db_path" in await shop.error("edit_config", project="shop", set={"db_path": database})
    assert not home.config_file("other").exists() and not home.config_file("new").exists()
    await shop.ok("init_project", project="other", workspace=str(workspace / "inside"))


async def test_a_project_that_was_made_before_the_restriction_runs_nothing_outside(shop, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv(ENV_WORKSPACES, str(tmp_path / "elsewhere"))
    text = await shop.error("run", project="shop", command=["true"], timeout_seconds=5)
    assert "does not allow the folder of cwd" in text


@pytest.mark.processes
def test_the_options_restrict_a_server(servers, workspace) -> None:
    server = servers(
        [sys.executable, "-m", "breadcrumb_server", "--allow-command", "true", "--allow-workspace", str(workspace)]
    )
    server.call("init_project", project="shop", workspace=str(workspace))
    refused = server.answer(server.start_call("run", project="shop", command=["false"], timeout_seconds=5))
    assert "does not allow the command" in str(refused)


@pytest.mark.processes
@pytest.mark.parametrize("program", ["breadcrumb_server", "breadcrumb_server.command_line"])
def test_a_server_does_not_start_with_restrictions_that_cannot_be_read(program) -> None:
    words = ["serve-mcp"] if program.endswith("command_line") else []
    done = subprocess.run(
        [sys.executable, "-m", program, *words],
        env={**os.environ, ENV_WORKSPACES: "relative"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert done.returncode == 2
    assert "'relative' is not an absolute path" in done.stderr
