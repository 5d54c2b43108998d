"""Test that the command that init_project proposes can be run as it is."""

from __future__ import annotations

import sys
import venv

import pytest

from breadcrumb_server.workspace.likely_command import likely_command

pytestmark = pytest.mark.anyio

GUARDED = 'def main(): ...\n\nif __name__ == "__main__":\n    main()\n'
LIBRARY = "import os\n\ndef twice(n):\n    return 2 * n\n"
ACTING = "from shop import total\n\nprint(total())\n"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"a.py": GUARDED, "b.py": LIBRARY, "setup.py": ACTING}, ["a.py"]),
        ({"a.py": LIBRARY, "run_it.py": ACTING}, ["run_it.py"]),
        ({"a.py": GUARDED, "main.py": GUARDED, "tests/test_a.py": ""}, ["main.py"]),
        ({"schedule.py": LIBRARY, "test_schedule.py": ACTING}, ["-m", "pytest"]),
        ({"schedule.py": GUARDED, "test_schedule.py": GUARDED}, ["schedule.py"]),
        ({"a.py": GUARDED, "b.py": GUARDED, "b_test.py": ""}, ["-m", "pytest"]),
        ({"shop/__init__.py": "", "tests/unit/test_a.py": "", "conftest.py": ACTING}, ["-m", "pytest"]),
        ({"shop/__init__.py": "", "shop/__main__.py": ACTING, "util.py": LIBRARY}, ["-m", "shop"]),
        ({"other.py": LIBRARY, "setup.py": ACTING}, ["other.py"]),
    ],
)
def test_the_command_starts_the_most_likely_program(write, workspace, files, command) -> None:
    for name, text in files.items():
        write(name, text)

    assert likely_command(workspace) == (["python", *command], True)


def test_without_a_program_the_command_is_a_placeholder(write, workspace) -> None:
    write("setup.py", ACTING)

    assert likely_command(workspace) == (["python", "app.py"], False)
    assert likely_command(None) == (["python", "app.py"], False)


@pytest.mark.parametrize("folder", [".venv", "venv", "env"])
def test_the_interpreter_is_that_of_the_workspaces_environment(write, workspace, folder) -> None:
    write("main.py", GUARDED)
    (workspace / folder / "bin").mkdir(parents=True)
    assert likely_command(workspace)[0] == ["python", "main.py"]
    (workspace / folder / "bin" / "python").symlink_to(sys.executable)

    assert likely_command(workspace)[0] == [f"{folder}/bin/python", "main.py"]


@pytest.fixture
def environment(workspace):
    venv.create(workspace / ".venv", symlinks=True)
    return workspace / ".venv"


@pytest.mark.processes
async def test_the_command_proposed_for_a_new_project_runs(session, write, workspace, environment) -> None:
    write("schedule.py", "import sys\nif __name__ == '__main__':\n    print(sys.prefix)\n")

    created = await session.ok("init_project", project="p", workspace=str(workspace))
    assert created["next"] == [
        'run(project="p", command=[".venv/bin/python", "schedule.py"], timeout_seconds=60)',
    ]
    report = await session.ok("run", project="p", command=[".venv/bin/python", "schedule.py"], timeout_seconds=60)
    assert report["stdout_tail"].strip() == str(environment)


async def test_without_a_program_the_answer_says_that_the_command_is_an_example(session, workspace) -> None:
    created = await session.ok("init_project", project="p", workspace=str(workspace))

    assert created["next"] == ['run(project="p", command=["python", "app.py"], timeout_seconds=60)']
    assert "replace app.py by your program: no script and no tests were found" in created["notes"]
