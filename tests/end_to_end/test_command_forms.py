"""Programs are traced in every form of command; if one cannot be traced, the report says why."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from pythons import NEWEST
from spool_reader import interpreter

pytestmark = pytest.mark.anyio

CODE = "def greet(name):\n    return 'hello ' + name\nprint(greet('you'))\n"


@pytest.fixture
async def project(session, workspace: Path):
    (workspace / "script.py").write_text(CODE)
    (workspace / "package").mkdir()
    (workspace / "package" / "__init__.py").write_text("")
    (workspace / "package" / "__main__.py").write_text(CODE)
    console_script = workspace / "greeter"
    console_script.write_text(f"#!{sys.executable}\n{CODE}")
    console_script.chmod(0o755)
    (workspace / "wrapper.sh").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (workspace / "wrapper.sh").chmod(0o755)
    await session.project(workspace, ["__main__"])
    return session


TRACED = [
    "{python} script.py",
    "{python} -m package",
    "{python} package",
    "{python} -c {code}",
    "{python} -X dev script.py",
    "{python} -B -u -W error -X utf8 script.py",
    "{python} -",
    "./greeter",
    "./wrapper.sh script.py",
    "sh -c '{python} script.py'",
    "sh -c 'cd package && exec {python} __main__.py'",
    "env COLOUR=blue {python} script.py",
    "{python} -c 'import subprocess, sys; subprocess.run([sys.executable, \"script.py\"], check=True)'",
]

NOT_TRACED = {
    "{python} -I script.py": "-I",
    "{python} -S script.py": "-S",
    "{python} -E script.py": "-E",
    "{python} -sSu script.py": "-S",
    "env -i {python} script.py": "environment",
    "sh -c 'echo hello you'": "not a Python program",
}


def words(command: str) -> list[str]:
    return shlex.split(command.format(python=shlex.quote(sys.executable), code=shlex.quote(CODE)))


# One server for all forms, because its start takes longer than all of these commands.
async def test_each_form_is_traced_and_its_output_is_unchanged(project) -> None:
    seen = {}
    for command in TRACED:
        report = await project.run(*words(command), stdin=CODE)
        sql = "SELECT return_value FROM calls WHERE function_name = 'greet' AND trace_id = '{trace_id}'"
        calls = await project.rows(sql.format(**report))
        seen[command] = (report["status"], report["stdout_tail"], report.get("stderr_tail", ""), calls)
        assert "not_traced" not in report, (command, report["not_traced"])
    assert seen == {command: ("completed", "hello you", "", [['"hello you"']]) for command in TRACED}


async def test_the_report_says_why_a_command_was_not_traced(project) -> None:
    for command, reason in NOT_TRACED.items():
        report = await project.run(*words(command))
        assert (report["status"], report["stdout_tail"]) == ("completed", "hello you"), command
        assert report["traced"]["processes"] == 0, command
        assert reason in " ".join(report["not_traced"]), command
    assert await project.rows("SELECT call_id FROM calls") == []


async def test_the_report_says_that_an_interpreter_is_not_supported(project, tmp_path: Path) -> None:
    # A .pth file that makes CPython look like a free-threaded build; it runs before the tracer.
    packages = tmp_path / "lib" / f"python{NEWEST}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "early.pth").write_text("import sys; sys._is_gil_enabled = lambda: False\n")
    report = await project.run(interpreter(NEWEST), "script.py", env={"PYTHONUSERBASE": str(tmp_path)})
    assert (report["status"], report["stdout_tail"], report["traced"]["processes"]) == ("completed", "hello you", 1)
    (reason,) = report["not_traced"]
    assert reason.startswith("in a process of the program: Free-threaded Python is not supported: ")
    assert "PYTHON_GIL=1" in reason
    assert "warnings" not in report


@pytest.mark.skipif(shutil.which("pytest", path=os.path.dirname(sys.executable)) is None, reason="no console script")  # noqa: PTH120
async def test_the_console_script_of_an_installed_tool_is_traced(project, workspace: Path) -> None:
    (workspace / "test_greeting.py").write_text(
        "def greet(name):\n    return 'hello ' + name\ndef test_greet():\n    assert greet('you') == 'hello me'\n"
    )
    await project.ok("edit_config", project="p", add_include=["*.py"])
    script = str(Path(sys.executable).with_name("pytest"))
    report = await project.run(script, "-q", "-p", "no:cacheprovider", "test_greeting.py")
    assert (report["status"], report["exit_code"]) == ("failed", 1)
    (failing,) = report["tests"]["failing"]
    assert failing["exception"]["raised_at"] == "test_greeting.py:4 test_greet"
    assert await project.rows("SELECT return_value FROM calls WHERE function_name = 'greet'") == [['"hello you"']]
