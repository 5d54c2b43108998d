"""One check of names holds for every tool, and no name or path leads where it should not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.projects.home import Home, is_project_name
from breadcrumb_storage.errors import BreadcrumbError

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SECRET = "canary-4711"

NAMES = {
    "a parent": "../shop",
    "two parents": "../../shop",
    "an absolute path": "/etc/passwd",
    "a folder": "a/shop",
    "a way back": "a/../shop",
    "a backslash": "..\\shop",
    "one dot": ".",
    "two dots": "..",
    "nothing": "",
    "a space": " ",
    "NUL": "shop\0",
    "NUL in the middle": "shop\0.yaml",
    "a line break": "shop\n",
    "a tab": "sh\top",
    "very long": "a" * 5_000,
    "a bit too long": "a" * 101,
    "a megabyte": "../" * 350_000,
    "a letter that looks like o": "sh\u043ep",
    "full width": "\uff53hop",
    "an invisible space": "shop\u200b",
    "written backwards": "\u202epohs",
    "a composed letter": "sho\u0301p",
    "a digit of another script": "shop\u0661",
    "a tilde": "~root",
    "a variable": "$HOME",
    "a glob": "*",
    "a question mark": "sho?",
    "a link of a protocol": "file:shop",
    "percent": "%2e%2e%2fshop",
    "a quote": "shop'",
    "a semicolon": "shop;ls",
}

# What each tool needs besides the name of a project.
NEEDED: dict[str, dict[str, Any]] = {
    "run": {"command": ["true"], "timeout_seconds": 5},
    "wait_for_run": {"trace_id": "latest", "wait_seconds": 0},
    "stop_run": {"trace_id": "latest"},
    "get_trace": {"trace_id": "latest"},
    "get_calls": {"function": "f"},
    "show": {"what": ["f"]},
    "find": {"name": "f"},
    "search_values": {"text": "f"},
    "compare_traces": {"base_trace_id": "latest", "trace_id": "latest"},
    "query_traces": {"sql": "SELECT 1"},
    "delete_traces": {"all": True},
    "edit_config": {"add_include": ["shop.*"]},
}
TOOLS = [tool.name for tool in all_tools() if "project" in tool.parameters["properties"]]


@pytest.fixture
def shop_and_more(shop, home: Home) -> Path:
    """Return the folder of the home, in which there is something to be reached by a wrong name."""
    home.folder.parent.joinpath("shop.yaml").write_text(f"secret: {SECRET}\n")
    return home.folder


def files_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize("tool", TOOLS)
async def test_every_tool_refuses_names_that_no_project_has(shop, shop_and_more, tool) -> None:
    before = files_below(shop_and_more.parent)
    for kind, name in NAMES.items():
        text = await shop.error(tool, project=name, **NEEDED.get(tool, {}))
        assert "is not a project name" in text, (kind, text)
        assert "list_projects" in text
        assert SECRET not in text
        assert len(text) < 1_500, (kind, len(text))
        assert text.isprintable() or "\n" in text
        assert not any(character in text for character in "\0\u202e\u200b"), kind
    assert files_below(shop_and_more.parent) == before


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_home_gives_no_path_for_such_a_name(name, tmp_path) -> None:
    home = Home(tmp_path)
    assert not is_project_name(name)
    for path in (
        home.config_file,
        home.database_file,
        home.spool_folder,
        home.wanted_lines_file,
        home.neighbours_folder,
    ):
        with pytest.raises(BreadcrumbError):
            path(name)


@pytest.mark.parametrize("name", ["shop", "a", "A-b_c.9", "a" * 100, "-x", "..a", "shop.yaml"])
def test_other_names_are_taken_as_they_are(name, tmp_path) -> None:
    assert Home(tmp_path).config_file(name) == tmp_path / f"{name}.yaml"


NO_PATHS = {
    "NUL": ("/tmp/a\0b", "NUL"),
    "a long name": ("/" + "a" * 300, "too long"),
    "very long": ("/" + "a" * 5_000, "too long"),
    "many parts": ("/" + "a/" * 3_000, "too long"),
    "a user who is not there": ("~no-such-user-here/x", "no user"),
}
PATHS = {
    **NO_PATHS,
    "not there": ("/no/such/folder", "does not exist"),
    "a file": (__file__, "is not a folder"),
    "a device": ("/dev/null", "is not a folder"),
}


@pytest.mark.parametrize(("path", "said"), PATHS.values(), ids=PATHS)
async def test_a_path_that_is_no_folder_is_refused_as_cwd_and_as_workspace(shop, path, said) -> None:
    for text in (
        await shop.error("run", project="shop", command=["true"], timeout_seconds=5, cwd=path),
        await shop.error("init_project", project="other", workspace=path),
    ):
        assert said in text
        assert "error in Breadcrumb itself" not in text
        assert len(text) < 4_200


@pytest.mark.parametrize(("path", "said"), NO_PATHS.values(), ids=NO_PATHS)
@pytest.mark.parametrize("key", ["workspace", "db_path"])
async def test_what_the_system_can_have_no_path_for_is_refused_in_the_settings(shop, home, key, path, said) -> None:
    before = home.config_file("shop").read_text()
    assert said in await shop.error("edit_config", project="shop", set={key: path})
    assert home.config_file("shop").read_text() == before


def link_to_a_secret(file: Path, outside: Path) -> None:
    outside.write_text(f"{SECRET}: [\n")
    file.symlink_to(outside)


def link_to_nothing(file: Path, outside: Path) -> None:
    file.symlink_to(outside.with_suffix(".yaml"))


def link_to_itself(file: Path, outside: Path) -> None:
    file.symlink_to(file)


def link_to_a_folder(file: Path, outside: Path) -> None:
    outside.with_suffix(".yaml").mkdir()
    file.symlink_to(outside.with_suffix(".yaml"))


def pipe(file: Path, outside: Path) -> None:
    os.mkfifo(file)


def folder(file: Path, outside: Path) -> None:
    file.mkdir()


def device(file: Path, outside: Path) -> None:
    file.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "make", [link_to_a_secret, link_to_nothing, link_to_itself, link_to_a_folder, pipe, folder, device]
)
async def test_a_config_that_is_no_file_of_settings_is_neither_read_nor_followed(shop, home, tmp_path, make) -> None:
    make(home.config_file("odd"), tmp_path / "outside")
    before = files_below(tmp_path)
    for tool in ("init_project", "get_config", "edit_config", "list_traces"):
        text = await shop.error(tool, project="odd", **NEEDED.get(tool, {}))
        assert str(home.config_file("odd")) in text
        assert SECRET not in text
    listed = await shop.ok("list_projects")
    assert "shop" in str(listed["projects"])
    assert SECRET not in str(listed)
    assert files_below(tmp_path) == before


async def test_a_config_that_is_a_link_to_settings_elsewhere_is_used_and_stays_one(shop, home, tmp_path) -> None:
    kept = tmp_path / "dotfiles" / "shop.yaml"
    kept.parent.mkdir()
    home.config_file("shop").rename(kept)
    home.config_file("shop").symlink_to(kept)
    await shop.ok("edit_config", project="shop", add_include=["more.*"])
    assert home.config_file("shop").is_symlink()
    assert "more.*" in kept.read_text()
