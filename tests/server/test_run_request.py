from __future__ import annotations

import math
from pathlib import Path

import pytest

from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.runs.request import check_wait, make_request
from breadcrumb_storage.errors import BreadcrumbError


@pytest.fixture
def config(workspace: Path) -> ProjectConfig:
    return ProjectConfig(project="shop", workspace=str(workspace))


@pytest.mark.parametrize("command", ["", "   ", [], [""], "python 'unclosed", ["python", "a\0b"]])
def test_an_empty_or_invalid_command_is_refused(config: ProjectConfig, command: str | list[str]) -> None:
    with pytest.raises(BreadcrumbError, match="command"):
        make_request(config, command, 60)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 1e12])
def test_an_invalid_timeout_is_refused(config: ProjectConfig, seconds: float) -> None:
    with pytest.raises(BreadcrumbError, match="more than 0 and at most"):
        make_request(config, "python x.py", seconds)


@pytest.mark.parametrize("seconds", [-1, math.nan, 1e9])
def test_an_invalid_wait_is_refused(seconds: float) -> None:
    with pytest.raises(BreadcrumbError, match="wait_seconds"):
        check_wait(seconds)


def test_the_folder_is_the_workspace_or_relative_to_it(config: ProjectConfig, workspace: Path) -> None:
    (workspace / "sub").mkdir()
    assert make_request(config, "x", 1).cwd == workspace
    assert make_request(config, "x", 1, cwd="sub").cwd == workspace / "sub"


def test_a_folder_that_does_not_exist_is_named(config: ProjectConfig, workspace: Path) -> None:
    with pytest.raises(BreadcrumbError, match=f"does not exist: {workspace}/nowhere"):
        make_request(config, "x", 1, cwd="nowhere")


def test_a_file_as_folder_is_refused(config: ProjectConfig, workspace: Path) -> None:
    (workspace / "file").write_text("")
    with pytest.raises(BreadcrumbError, match="is not a folder"):
        make_request(config, "x", 1, cwd="file")


def test_the_error_for_a_missing_workspace_says_how_to_correct_it() -> None:
    config = ProjectConfig(project="shop", workspace="/nowhere/at/all")
    with pytest.raises(BreadcrumbError, match=r"edit_config\(project=\"shop\""):
        make_request(config, "x", 1)


def test_variables_that_env_sets_before_a_program_become_those_of_the_run(config: ProjectConfig) -> None:
    request = make_request(config, ["env", "PYTHONPATH=src", "A=b=c", "python", "A=1"], 1, env={"A": "0", "B": "2"})
    assert request.command == ["python", "A=1"]
    assert request.env == {"PYTHONPATH": "src", "A": "b=c", "B": "2"}


@pytest.mark.parametrize(
    "command", [["env"], ["env", "A=b"], ["env", "-i", "A=b", "python"], ["env", "A=b", "-S", "x"]]
)
def test_an_env_that_does_more_is_started_as_it_is(config: ProjectConfig, command: list[str]) -> None:
    request = make_request(config, command, 1)
    assert (request.command, request.env) == (command, {})


@pytest.mark.parametrize("env", [{"": "x"}, {"A=B": "x"}, {"A": "secret-value\0"}])
def test_an_impossible_environment_is_refused_without_showing_values(
    config: ProjectConfig, env: dict[str, str]
) -> None:
    with pytest.raises(BreadcrumbError) as caught:
        make_request(config, "x", 1, env=env)
    assert "secret-value" not in str(caught.value)


def test_capture_settings_of_one_run_are_merged_and_checked(config: ProjectConfig) -> None:
    assert make_request(config, "x", 1, capture={"mode": "full"}).capture.mode == "full"
    with pytest.raises(BreadcrumbError, match="did you mean 'max_depth'"):
        make_request(config, "x", 1, capture={"max_dept": 2})
