"""Test what is read from the command line of a Python."""

from __future__ import annotations

import pytest

from breadcrumb_server.runs.python_command import is_python, read_python_command


@pytest.mark.parametrize(
    "program",
    [
        "python",
        "/usr/bin/python3",
        "python3.12",
        "python3.13t",
        "python3.13d",
        "pypy3",
        "pypy3.10",
        "Python",
        "python.exe",
    ],
)
def test_a_python_is_known_by_its_name(program: str) -> None:
    assert is_python(program)


@pytest.mark.parametrize("program", ["pythonw-build", "ipython", "python-config", "python3-config", "pytest", "", "sh"])
def test_other_programs_are_none(program: str) -> None:
    assert not is_python(program)


@pytest.mark.parametrize(
    ("words", "isolating", "script", "module"),
    [
        ("python app.py -I", (), "app.py", ""),
        ("python -I app.py", ("I",), "app.py", ""),
        ("python -sSu -B app.py", ("S",), "app.py", ""),
        ("python -EIS -c pass -S", ("E", "I", "S"), "", ""),
        ("python -X dev -I -W error::UserWarning app.py -E", ("I",), "app.py", ""),
        ("python -Xdev -WdI app.py", (), "app.py", ""),
        ("python -Im tox -S", ("I",), "", "tox"),
        ("python -mtox", (), "", "tox"),
        ("python -uc -I", (), "", ""),
        ("python --check-hash-based-pycs never -S app.py", ("S",), "app.py", ""),
        ("python - -I", (), "", ""),
        ("python", (), "", ""),
    ],
)
def test_the_options_of_the_interpreter_are_told_from_those_of_the_program(
    words: str, isolating: tuple[str, ...], script: str, module: str
) -> None:
    command = read_python_command(words.split())
    assert (command.isolating, command.script, command.module) == (isolating, script, module)
    assert not command.runs_nothing


@pytest.mark.parametrize(
    "words",
    [
        ["python", "-V"],
        ["python", "-I", "--version"],
        ["python3", "--help-env"],
        ["python", "-s", "-c", "from multiprocessing.resource_tracker import main;main(5)"],
        ["python", "-s", "-c", "from", "multiprocessing.resource_tracker", "import", "main;main(5)"],  # as ps lists it
    ],
)
def test_a_python_that_runs_no_program_is_recognised(words: list[str]) -> None:
    assert read_python_command(words).runs_nothing


def test_the_age_is_read_from_the_name_of_the_program_or_of_the_file_that_runs() -> None:
    for old in ("python2", "python2.7", "/usr/bin/python3.6", "pypy3.7"):
        assert read_python_command([old, "x.py"]).is_too_old, old
    for new in ("python", "python3", "python3.8", "python3.10", "python3.14t", "pypy3.10"):
        assert not read_python_command([new, "x.py"]).is_too_old, new
    assert read_python_command(["python3", "x.py"], "/usr/bin/python3.7").is_too_old
