from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from breadcrumb_server.runs.not_traced import not_traced_reason


def reason(*command: str, enabled: bool = True, cwd: Path = Path("/")) -> str:
    return not_traced_reason(command, cwd, os.environ, enabled=enabled)


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["python", "-S", "x.py"], "-S"),
        (["python3.12", "-B", "-E", "-m", "x"], "-E"),
        (["/usr/bin/python3", "-X", "dev", "-I", "x.py"], "-I"),
        (["python", "-Bs", "-WdI", "-IBc", "pass"], "-I"),
        (["uv", "run", "python", "-I", "x.py"], "-I"),
    ],
)
def test_an_option_that_blocks_the_tracer_is_named(command: list[str], flag: str) -> None:
    assert f"started with {flag}" in reason(*command)


def test_the_options_of_the_program_itself_are_not_blamed() -> None:
    assert "was started with" not in reason("python", "x.py", "-S", "-I")
    assert "was started with" not in reason("python", "-m", "tool", "-E")
    assert "was started with" not in reason("python", "-W", "error::UserWarning", "-c", "pass", "-S")


def test_a_program_that_is_not_python_is_recognised() -> None:
    assert "not a Python program" in reason("/bin/true")


@pytest.mark.parametrize("command", [["sudo", "app"], ["env", "-i", "app"], ["docker", "run", "x"]])
def test_a_program_that_replaces_the_environment_is_named(command: list[str]) -> None:
    assert "with another environment" in reason(*command)


@pytest.mark.parametrize("python", ["python2", "python2.7", "/usr/bin/python3.6"])
def test_a_python_that_is_too_old_is_recognised(python: str) -> None:
    assert "3.8 or newer" in reason(python, "x.py")


def test_options_in_the_interpreter_line_of_a_script_are_found(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text(f"#!{sys.executable} -Es\n")
    assert "started with -E" in reason("./tool", cwd=tmp_path)


def test_for_a_project_switched_off_the_reason_says_how_to_switch_it_on() -> None:
    assert '"enabled": True' in reason("python", "x.py", enabled=False)


def test_otherwise_the_likely_reasons_are_listed() -> None:
    assert "emptied the environment" in reason("python", "x.py")
