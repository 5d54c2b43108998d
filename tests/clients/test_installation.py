"""Test the entries in the files of clients: what is written where, and what is left as it is."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

from breadcrumb_server.clients.descriptions import BY_NAME, CLIENTS, Machine
from breadcrumb_server.clients.entries import launch_for
from breadcrumb_server.clients.installation import BACKUP_SUFFIX, install, list_clients, target, uninstall, wanted
from breadcrumb_server.clients.json_text import without_member
from breadcrumb_storage.errors import BreadcrumbError

EVERY_PLACE = [(client.name, scope) for client in CLIENTS for scope in client.scopes]


def read(file: Path) -> dict:
    text = file.read_text()
    return tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)


@pytest.mark.parametrize(("client", "scope"), EVERY_PLACE)
def test_an_entry_is_added_once_and_taken_away_again(place, client, scope) -> None:
    where = place(client, scope)
    done = install(where)
    assert (done.status, done.backup, Path(done.file)) == ("added", None, where.file)
    written = where.file.read_text()
    again = install(where)
    assert (again.status, again.backup, where.file.read_text()) == ("already there", None, written)
    entry = where.entry()
    assert Path(entry["command"]).name in ("breadcrumb-mcp", Path(sys.executable).name)
    assert uninstall(where).status == "removed" and where.entry() is None
    assert uninstall(where).status == "not there"


@pytest.mark.parametrize(("client", "scope"), EVERY_PLACE)
def test_printing_writes_nothing_and_prints_what_would_be_written(place, machine, client, scope) -> None:
    where = place(client, scope)
    text, file = wanted(where)
    assert not where.file.exists() and file == str(where.file)
    install(where)
    parsed = tomllib.loads(text) if file.endswith(".toml") else json.loads(text)
    assert parsed == read(where.file)


def test_a_file_of_the_project_names_the_program_without_its_folder_others_with_it(place) -> None:
    assert place("claude-code", "project").entry() is None
    for scope in ("user", "local", "project"):
        install(place("claude-code", scope))
    assert place("claude-code", "project").entry()["command"] == "breadcrumb-mcp"
    for scope in ("user", "local"):
        command = place("claude-code", scope).entry()["command"]
        assert os.access(command, os.X_OK) and Path(command).parent == Path(sys.executable).parent


def test_each_client_gets_what_its_format_asks_for(place, workspace) -> None:
    (workspace / ".git").mkdir()
    for client in BY_NAME:
        install(place(client))
    assert place("vscode").keys == ("servers",) and place("vscode").entry()["type"] == "stdio"
    assert place("cursor").entry()["type"] == place("claude-code").entry()["type"] == "stdio"
    assert set(place("claude-desktop").entry()) == set(place("windsurf").entry()) == {"command", "args"}
    assert (place("copilot").entry()["type"], place("copilot").entry()["tools"]) == ("local", ["*"])
    codex = place("codex").entry()
    assert (codex["startup_timeout_sec"], codex["tool_timeout_sec"]) == (30, 600)


def test_what_is_local_to_a_code_base_stands_under_the_root_of_its_repository(place, machine, workspace) -> None:
    (workspace / ".git").mkdir()
    (workspace / "deep" / "er").mkdir(parents=True)
    where = target(BY_NAME["claude-code"], "local", workspace / "deep" / "er", machine)
    install(where)
    assert read(where.file)["projects"][str(workspace.resolve())]["mcpServers"]["breadcrumb"]


MAC = "Library/Application Support"


@pytest.mark.parametrize(
    ("client", "platform", "file"),
    [
        ("claude-code", "linux", ".claude.json"),
        ("claude-code", "darwin", ".claude.json"),
        ("claude-desktop", "linux", ".config/Claude/claude_desktop_config.json"),
        ("claude-desktop", "darwin", f"{MAC}/Claude/claude_desktop_config.json"),
        ("codex", "darwin", ".codex/config.toml"),
        ("copilot", "darwin", ".copilot/mcp-config.json"),
        ("cursor", "darwin", ".cursor/mcp.json"),
        ("gemini", "darwin", ".gemini/settings.json"),
        ("vscode", "linux", ".config/Code/User/mcp.json"),
        ("vscode", "darwin", f"{MAC}/Code/User/mcp.json"),
        ("windsurf", "darwin", ".codeium/windsurf/mcp_config.json"),
    ],
)
def test_files_are_where_the_platform_has_them(tmp_path, client, platform, file) -> None:
    machine = Machine(tmp_path, platform, {})
    assert target(BY_NAME[client], None, tmp_path, machine).file == tmp_path / file


@pytest.mark.parametrize(
    ("client", "variable", "file"),
    [
        ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("codex", "CODEX_HOME", "config.toml"),
        ("copilot", "COPILOT_HOME", "mcp-config.json"),
        ("vscode", "XDG_CONFIG_HOME", "Code/User/mcp.json"),
    ],
)
def test_a_variable_of_the_client_moves_its_file(tmp_path, client, variable, file) -> None:
    machine = Machine(tmp_path, "linux", {variable: str(tmp_path / "moved")})
    assert target(BY_NAME[client], None, tmp_path, machine).file == tmp_path / "moved" / file


def test_everything_else_in_the_file_its_rights_and_a_link_to_it_stay(place, tmp_path) -> None:
    where = place("gemini")
    real = tmp_path / "dotfiles" / "settings.json"
    real.parent.mkdir()
    text = '{\n    "theme": "dark",\n    "mcpServers": {\n        "other": {"httpUrl": "https://x"}\n    }\n}\n'
    real.write_text(text)
    real.chmod(0o640)
    where.file.parent.mkdir(parents=True)
    where.file.symlink_to(real)
    backup = Path(install(where).backup or "")
    assert where.file.is_symlink() and real.stat().st_mode & 0o777 == 0o640
    assert (backup, backup.read_text()) == (real.with_name("settings.json" + BACKUP_SUFFIX), text)
    assert backup.stat().st_mode & 0o777 == 0o640
    kept = read(where.file)
    assert kept["mcpServers"].pop("breadcrumb") and kept == json.loads(text)
    uninstall(where)
    assert real.read_text() == text


def test_a_new_file_is_private_unless_git_is_to_share_it(place) -> None:
    for scope, mode in (("user", 0o600), ("project", 0o644)):
        where = place("cursor", scope)
        install(where)
        assert where.file.stat().st_mode & 0o777 == mode


def test_another_entry_is_shown_and_replaced_only_by_force(place) -> None:
    where = place("cursor")
    where.file.parent.mkdir(parents=True)
    text = '{"mcpServers": {"breadcrumb": {"command": "/old/breadcrumb-mcp", "env": {"TOKEN": "s3cret"}}}}'
    where.file.write_text(text)
    with pytest.raises(BreadcrumbError) as error:
        install(where)
    assert "/old/breadcrumb-mcp" in str(error.value) and "--force" in str(error.value)
    assert "TOKEN" in str(error.value) and "s3cret" not in str(error.value)
    assert where.file.read_text() == text
    done = install(where, force=True)
    assert done.status == "replaced" and Path(done.backup or "").read_text() == text
    assert "env" not in where.entry()


def test_fields_that_the_user_added_to_the_entry_are_left_alone(place) -> None:
    where = place("windsurf")
    install(where)
    document = read(where.file)
    document["mcpServers"]["breadcrumb"] |= {"disabled": True, "env": {"A": "secret"}}
    where.file.write_text(json.dumps(document))
    done = install(where)
    assert done.entry is not None
    assert (done.status, done.entry["disabled"], done.entry["env"]) == ("already there", True, {"A": "…"})


@pytest.mark.parametrize(
    ("client", "content"),
    [
        ("vscode", b'{\n  // mine\n  "servers": {}\n}\n'),
        ("vscode", b'{"servers": {},}'),
        ("cursor", b'{"mcpServers": {"x": '),
        ("cursor", b'{"mcpServers": null}'),
        ("cursor", b'{"mcpServers": {"breadcrumb": "x"}}'),
        ("cursor", b"\xff\xfe{}"),
        ("cursor", b"\xef\xbb\xbf{}"),
        ("codex", b'model = "x\n'),
        ("codex", b'[mcp_servers]\nbreadcrumb = {command = "old"}\n'),
    ],
)
def test_a_file_that_cannot_be_edited_is_left_as_it_is_and_the_entry_given_to_paste(place, client, content) -> None:
    where = place(client)
    where.file.parent.mkdir(parents=True)
    where.file.write_bytes(content)
    for act in (lambda: install(where, force=True), lambda: uninstall(where)):
        assert str(where.file) in _raised(act)
    assert wanted(where)[0] in _raised(lambda: install(where, force=True))
    assert where.file.read_bytes() == content
    assert [file.name for file in where.file.parent.iterdir()] == [where.file.name]


def _raised(act) -> str:
    with pytest.raises(BreadcrumbError) as error:
        act()
    return str(error.value)


def test_an_empty_file_is_filled(place) -> None:
    where = place("windsurf")
    where.file.parent.mkdir(parents=True)
    where.file.touch()
    assert install(where).status == "added" and where.entry()


def test_a_folder_that_cannot_be_made_is_said(place) -> None:
    where = place("cursor")
    where.machine.home.mkdir()
    (where.machine.home / ".cursor").write_text("a file")
    refusal = _raised(lambda: install(where))
    assert "mcp.json was not changed" in refusal and "cannot be made or written to" in refusal
    assert '"breadcrumb": {' in refusal and "comments" not in refusal


def test_a_folder_in_place_of_the_file_is_said_with_what_to_look_at(place) -> None:
    where = place("cursor")
    where.file.mkdir(parents=True)
    assert "whether it is a file" in _raised(lambda: install(where))


def test_a_scope_that_the_client_lacks_is_refused_with_those_that_it_has(place) -> None:
    assert "breadcrumb install claude-desktop --scope user" in _raised(lambda: place("claude-desktop", "project"))


def _install_in_another_process(home: str, client: str) -> None:
    install(target(BY_NAME[client], None, Path(home), Machine(Path(home), "linux", {})))


@pytest.mark.processes
def test_several_at_once_leave_one_entry_and_lose_nothing(tmp_path) -> None:
    file = tmp_path / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text('{"mcpServers": {"other": {"command": "x"}}}')
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_install_in_another_process, args=(str(tmp_path), "cursor")) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert set(read(file)["mcpServers"]) == {"other", "breadcrumb"}
    assert '"other"' in (file.parent / f"mcp.json{BACKUP_SUFFIX}").read_text()


def test_a_change_of_another_program_at_the_same_moment_is_kept(place, monkeypatch) -> None:
    where = place("cursor")
    install(where)
    theirs = '{"mcpServers": {"theirs": {}}}'

    def meanwhile(text: str, path: tuple[str, ...]) -> str:
        where.file.write_text(theirs)
        return without_member(text, path)

    monkeypatch.setattr("breadcrumb_server.clients.json_text.without_member", meanwhile)
    assert "changed by another program" in _raised(lambda: uninstall(where))
    assert where.file.read_text() == theirs


def test_an_environment_of_uvx_is_warned_about(monkeypatch) -> None:
    assert launch_for("user", {}).notes == ()
    monkeypatch.setattr(sys, "prefix", "/home/me/.cache/uv/archive-v0/abc")
    assert "uv tool install" in launch_for("user", {}).notes[0]


def test_the_home_folder_and_tools_of_this_shell_go_into_the_entry_but_not_into_shared_files(tmp_path) -> None:
    environ = {"BREADCRUMB_HOME": str(tmp_path), "BREADCRUMB_TOOLS": "all"}
    assert launch_for("user", environ).env == environ and launch_for("project", environ).env == {}


def test_the_list_says_what_is_there_and_what_leads_nowhere(place, machine, workspace) -> None:
    install(place("codex"))
    (machine.home / ".gemini").mkdir(parents=True)
    where = place("cursor", "project")
    where.file.parent.mkdir()
    where.file.write_text('{"mcpServers": {"breadcrumb": {"command": "/gone/breadcrumb-mcp"}}}')
    place("vscode").file.parent.mkdir(parents=True)
    place("vscode").file.write_text("{ // comments\n}")
    answer = list_clients(workspace, machine)
    rows = {(row[0], row[2]): row for row in answer.clients.rows}
    assert rows["codex", "user"][1:4] == [True, "user", "there"]
    assert rows["cursor", "project"][3] == "there, but /gone/breadcrumb-mcp cannot be started"
    assert rows["windsurf", "user"][1:4] == [False, "user", "none"]
    assert str(rows["vscode", "user"][3]).startswith("unknown")
    assert answer.next == ["breadcrumb install gemini"]


def test_every_client_says_how_to_go_on(place) -> None:
    for client in CLIENTS:
        assert client.check or client.then, client.name
        assert re.fullmatch(r"[a-z-]+", client.name)
