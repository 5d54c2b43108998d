"""Test the commands that connect the server to clients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_a_client_is_connected_and_disconnected(breadcrumb, user, home) -> None:
    answer = breadcrumb("install", "claude-code").answer
    assert (answer["status"], answer["scope"]) == ("added", "user")
    entry = json.loads((user / ".claude.json").read_text())["mcpServers"]["breadcrumb"]
    assert entry["env"] == {"BREADCRUMB_HOME": str(home)} and "BREADCRUMB_HOME" in answer["notes"][0]
    assert breadcrumb("install", "claude-code").answer["status"] == "already there"
    assert breadcrumb("uninstall", "claude-code").answer["status"] == "removed"


def test_a_file_of_the_code_base_is_written_into_it(breadcrumb, shop, user) -> None:
    breadcrumb("install", "vscode", "--scope", "project")
    assert (
        json.loads((shop / ".vscode" / "mcp.json").read_text())["servers"]["breadcrumb"]["command"] == "breadcrumb-mcp"
    )
    (shop / "inner").mkdir()
    breadcrumb("install", "claude-code", "--scope", "project", "--workspace", "inner")
    assert (shop / "inner" / ".mcp.json").exists() and not list(user.iterdir())


def test_printing_gives_the_entry_on_stdout_and_its_file_on_stderr(breadcrumb, user) -> None:
    done = breadcrumb("install", "cursor", "--print")
    assert done.code == 0 and json.loads(done.out)["mcpServers"]["breadcrumb"]["type"] == "stdio"
    assert done.err == f"Belongs into {user / '.cursor' / 'mcp.json'}\n" and not list(user.iterdir())


def test_the_clients_are_listed(breadcrumb, user) -> None:
    (user / ".codex").mkdir()
    answer = breadcrumb("install").answer
    assert ["codex", True, "user", "none", str(user / ".codex" / "config.toml")] in answer["clients"]["rows"]
    assert "breadcrumb install codex" in answer["next"]
    assert "codex" in breadcrumb("install", "--format", "table").out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["install", "emacs"], 2, "'emacs' is not one of 'claude-code'"),
        (["install", "--print"], 2, "Which client?"),
        (["install", "codex", "--scope", "everyone"], 2, "'everyone' is not one of"),
        (["install", "windsurf", "--scope", "project"], 1, "Windsurf has no scope 'project'"),
        (["install", "codex", "--workspace", "missing"], 2, "does not exist"),
        (["uninstall"], 2, "Missing argument 'CLIENT'"),
    ],
)  # fmt: skip
def test_wrong_usage_says_what_is_right(breadcrumb, words, code, message) -> None:
    done = breadcrumb(*words)
    assert (done.code, done.out) == (code, "") and message in " ".join(done.err.split())
