from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from breadcrumb_server.runs.not_traced import not_traced_reason


def reason(*command: str, switched_off: str = "", cwd: Path = Path("/"), seen: tuple[str, ...] = ()) -> str:
    return not_traced_reason(command, cwd, os.environ, switched_off=switched_off, seen=seen)


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
    assert "true is not a Python program, and it started no Python that was seen." in reason("/bin/true")


def test_the_programs_that_it_started_are_named() -> None:
    assert "no Python that was seen (but sh, cc)" in reason("make", seen=("make", "sh", "cc"))
    assert "(but a, b, c, d, e, …)" in reason("make", seen=tuple("abcdef"))


@pytest.mark.parametrize("command", [["sudo", "app"], ["docker", "run", "x"]])
def test_a_program_that_starts_others_elsewhere_is_named(command: list[str]) -> None:
    assert f"{command[0]} starts its programs elsewhere" in reason(*command)


def test_an_emptied_environment_is_named_unless_other_programs_were_seen_in_it() -> None:
    assert "env -i empties the environment" in reason("env", "-i", "app")
    assert "not a Python program" in reason("env", "-i", "ls", seen=("ls",))


@pytest.mark.parametrize(
    ("command", "value"),
    [
        (["bash", "-c", "cd x && PYTHONPATH=src python app.py"], "src"),
        (["sh", "-c", "PYTHONPATH='a b' python3 app.py"], "a b"),
        (["env", "PYTHONPATH=.", "python", "app.py"], "."),
    ],
)
def test_a_command_that_replaces_the_python_path_is_told_what_to_give_instead(command: list[str], value: str) -> None:
    assert f'Give run env={{"PYTHONPATH": "{value}"}} instead' in reason(*command)


def test_a_command_that_keeps_the_old_python_path_is_not_blamed_for_it() -> None:
    assert "sets PYTHONPATH" not in reason("sh", "-c", "PYTHONPATH=src:$PYTHONPATH python app.py")
    assert "sets PYTHONPATH" not in reason("sh", "-c", "MY_PYTHONPATH=src python app.py")


def test_of_a_python_in_the_code_of_a_shell_only_that_much_is_said() -> None:
    assert "The code of sh names a Python" in reason("sh", "-c", "cd src; (python3 app.py)")
    assert "not a Python program" in reason("sh", "-c", "echo pythonic")


@pytest.mark.parametrize("python", ["python2", "python2.7", "/usr/bin/python3.6"])
def test_a_python_that_is_too_old_is_recognised(python: str) -> None:
    assert "3.8 or newer" in reason(python, "x.py")


def test_options_in_the_interpreter_line_of_a_script_are_found(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text(f"#!{sys.executable} -Es\n")
    assert "started with -E" in reason("./tool", cwd=tmp_path)


def test_for_a_project_switched_off_the_reason_says_how_to_switch_it_on() -> None:
    assert 'edit_config(project="shop", set={"enabled": True})' in reason("python", "x.py", switched_off="shop")


def test_where_the_cause_is_not_known_no_cause_is_named() -> None:
    text = reason("python", "x.py")
    assert "why is not known" in text
    assert not any(guess in text for guess in ("sudo", "tox", "env -i", "older"))


def test_a_python_that_only_says_its_version_is_not_blamed() -> None:
    assert reason("python3", "-VV") == "This command of Python runs no program."
