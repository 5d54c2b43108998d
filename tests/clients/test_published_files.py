"""Test the files that clients and registries read: they agree with the package, with each other and with the tools."""

from __future__ import annotations

import json
import re
import runpy
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from breadcrumb_server.clients.installation import wanted
from breadcrumb_server.doctor import first_turn
from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.projects.home import ENV_HOME
from breadcrumb_server.tool_sets import SMALL_SET

ROOT = Path(__file__).parent.parent.parent
CLIENTS = ROOT / "clients"
PLUGIN = CLIENTS / "claude-code"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def front_matter(file: Path) -> tuple[dict[str, str], str]:
    _, head, body = file.read_text().split("---\n", 2)
    return yaml.safe_load(head), body


@pytest.fixture(scope="module")
def mcpb() -> dict[str, Any]:
    return runpy.run_path(str(CLIENTS / "mcpb.py"))


@pytest.fixture(scope="module")
def bundle(mcpb, tmp_path_factory) -> Path:
    return mcpb["build"](tmp_path_factory.mktemp("bundle"))


@pytest.mark.parametrize("file", [ROOT / ".mcp.json", PLUGIN / ".mcp.json"])
def test_the_entries_in_the_repository_are_those_that_install_writes(place, file) -> None:
    assert file.read_text() == wanted(place("claude-code", "project"))[0] + "\n"


def test_every_file_has_the_version_of_the_package(mcpb) -> None:
    server = read(CLIENTS / "server.json")
    assert {server["version"], *(package["version"] for package in server["packages"])} == {VERSION}
    assert read(PLUGIN / ".claude-plugin" / "plugin.json")["version"] == mcpb["manifest"]()["version"] == VERSION


def test_the_marketplace_leads_to_the_plugin() -> None:
    (plugin,) = read(ROOT / ".claude-plugin" / "marketplace.json")["plugins"]
    manifest = read(ROOT / plugin["source"] / ".claude-plugin" / "plugin.json")
    assert (plugin["name"], plugin["description"]) == (manifest["name"], manifest["description"])


def test_the_skill_is_short_and_names_only_tools_that_exist() -> None:
    (file,) = PLUGIN.glob("skills/*/SKILL.md")
    head, body = front_matter(file)
    assert head["name"] == file.parent.name and len(head["description"]) <= 1024
    assert len(body.splitlines()) <= 40
    named = set(re.findall(r"`([a-z]+_[a-z_]+|run)`", body))
    assert {"init_project", "run", "find_gaps", "edit_config"} <= named <= SMALL_SET


def test_the_agent_changes_no_code_and_has_the_skill() -> None:
    (file,) = PLUGIN.glob("agents/*.md")
    head, _ = front_matter(file)
    assert head["name"] == file.stem and (PLUGIN / "skills" / head["skills"]).is_dir()
    assert {"Edit", "Write"} <= set(head["disallowedTools"].split(", "))


def test_the_registry_finds_the_package() -> None:
    server = read(CLIENTS / "server.json")
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", server["name"]) and len(server["description"]) <= 100
    (package,) = server["packages"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert package["identifier"] == project["name"] and package["identifier"] in project["scripts"]
    assert [variable["name"] for variable in package["environmentVariables"]] == [ENV_HOME]
    # The registry looks for this in the description on PyPI, which is the README.
    assert f"<!-- mcp-name: {server['name']} -->" in (ROOT / "README.md").read_text()


def test_the_bundle_has_the_packages_and_what_they_need_and_is_the_same_each_time(mcpb, bundle, tmp_path) -> None:
    assert mcpb["build"](tmp_path).read_bytes() == bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        project = tomllib.loads(archive.read("pyproject.toml").decode())["project"]
        manifest = json.loads(archive.read("manifest.json"))
    assert {"README.md", "LICENSE", manifest["server"]["entry_point"]} <= names
    assert "tracer_bootstrap/breadcrumb/_inject/sitecustomize.py" in names
    assert "storage/breadcrumb_storage/migrations/0001_initial.sql" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "docs"))]
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == own["dependencies"] and "optional-dependencies" not in project
    assert [tool["name"] for tool in manifest["tools"]] == [tool.name for tool in all_tools() if tool.name in SMALL_SET]


@pytest.mark.processes
def test_the_server_starts_from_the_unpacked_bundle(bundle, tmp_path, monkeypatch) -> None:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path)
        manifest = json.loads(archive.read("manifest.json"))
    roots = [str(tmp_path / root) for root in ("server", "storage", "tracer_bootstrap")]
    monkeypatch.setenv("PYTHONPATH", ":".join(roots))
    assert first_turn.answer_seconds([sys.executable, str(tmp_path / manifest["server"]["entry_point"])]) > 0
