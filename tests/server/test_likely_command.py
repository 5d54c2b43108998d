"""Test that the command that init_project proposes can be run as it is."""

from __future__ import annotations

import shutil
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from breadcrumb_server.workspace.likely_command import LikelyCommand, likely_command
from proposed_calls import call_of

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

    assert likely_command(workspace) == LikelyCommand(["python", *command])


def test_without_a_program_nothing_is_proposed(write, workspace) -> None:
    assert likely_command(workspace) is None
    write("setup.py", ACTING)
    (workspace / "tests").mkdir()  # without a test

    assert likely_command(workspace) is None


@pytest.mark.parametrize("folder", [".venv", "venv", "env"])
def test_the_interpreter_is_that_of_the_workspaces_environment(write, workspace, folder) -> None:
    write("main.py", GUARDED)
    (workspace / folder / "bin").mkdir(parents=True)
    assert likely_command(workspace) == LikelyCommand(["python", "main.py"])
    (workspace / folder / "bin" / "python").symlink_to(sys.executable)

    assert likely_command(workspace) == LikelyCommand([f"{folder}/bin/python", "main.py"])


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Return a function that decides which programs are on PATH."""

    def only(*names: str) -> None:
        folder = tmp_path / "bin"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in names:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return only


def test_the_python_on_the_path_may_be_called_python3(write, workspace, programs) -> None:
    write("main.py", GUARDED)
    for names, python in ((("python", "python3"), "python"), (("python3",), "python3"), ((), sys.executable)):
        programs(*names)
        assert likely_command(workspace) == LikelyCommand([python, "main.py"])


@pytest.mark.parametrize(
    ("lock", "manager"),
    [("uv.lock", "uv"), ("poetry.lock", "poetry"), ("pdm.lock", "pdm"), ("Pipfile.lock", "pipenv")],
)
def test_a_project_manager_runs_the_command_if_it_is_there(write, workspace, programs, lock, manager) -> None:
    write("tests/test_a.py", "def test_a(): ...")
    write(lock)
    programs("python3")
    assert likely_command(workspace) == LikelyCommand(["python3", "-m", "pytest"])
    programs("python3", manager)
    assert likely_command(workspace) == LikelyCommand([manager, "run", "python", "-m", "pytest"])
    binaries = workspace / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    likely = likely_command(workspace)
    assert likely is not None and likely.command == [".venv/bin/python", "-m", "pytest"]


MANAGE = "import django.core.management\nif __name__ == '__main__':\n    django.core.management.execute_from_command_line()\n"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"shop/__init__.py": "", "shop/tests/test_a.py": ""}, ["-m", "pytest"]),
        ({"shop/__init__.py": "", "shop/deep/tests/unit/a_test.py": ""}, ["-m", "pytest"]),
        ({"manage.py": MANAGE, "shop/tests.py": "", "main.py": GUARDED}, ["manage.py", "test"]),
        ({"manage.py": MANAGE, "shop/tests/test_a.py": ""}, ["manage.py", "test"]),
        ({"manage.py": MANAGE, "shop/models.py": ""}, ["manage.py", "check"]),
        (
            {"manage.py": MANAGE, "shop/test_a.py": "", "pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = shop.settings"},
            ["-m", "pytest"],
        ),
        ({"manage.py": GUARDED}, ["manage.py"]),
        (
            {"pyproject.toml": "[project]\nname='b'\nscripts={a='shop.x:f', b='shop.cli:run.main'}", "shop/cli.py": ""},
            ["-c", "import shop.cli; shop.cli.run.main()"],
        ),
        ({"pyproject.toml": "[tool.poetry.scripts]\nshop = 'shop:main'", "shop/__init__.py": ""}, ["-c", "import shop; shop.main()"]),
        ({"pyproject.toml": "[project]\nscripts = {a = 'gone.cli:main'}", "shop/__main__.py": ""}, ["-m", "shop"]),
        ({"pyproject.toml": "[project\nbroken", "shop/__main__.py": ""}, ["-m", "shop"]),
        ({"pyproject.toml": "project = 3\ntool = []", "shop/__main__.py": ""}, ["-m", "shop"]),
    ],
)  # fmt: skip
def test_the_command_fits_the_kind_of_project(write, workspace, programs, files, command) -> None:
    programs("python")
    for name, text in files.items():
        write(name, text)

    assert likely_command(workspace) == LikelyCommand(["python", *command])


def test_an_installed_console_script_is_started_by_its_name(write, workspace, programs) -> None:
    write("pyproject.toml", "[project]\nname = 'shop'\nscripts = {other = 'shop.b:main', shop = 'shop.a:main'}")
    write("shop/a.py", "def main(): ...")
    programs("python", "uv")
    assert likely_command(workspace) == LikelyCommand(["python", "-c", "import shop.a; shop.a.main()"])
    write("uv.lock")
    assert likely_command(workspace) == LikelyCommand(["uv", "run", "shop"])
    write(".venv/bin/python").chmod(0o755)
    write(".venv/bin/shop").chmod(0o755)
    assert likely_command(workspace) == LikelyCommand([".venv/bin/shop"])


def test_packages_in_src_that_are_not_installed_are_put_on_the_path(write, workspace, programs) -> None:
    programs("python")
    write("src/shop/__init__.py")
    write("src/shop/__main__.py", ACTING)
    assert likely_command(workspace) == LikelyCommand(["python", "-m", "shop"], env={"PYTHONPATH": "src"})
    write("tests/test_a.py")
    assert likely_command(workspace) == LikelyCommand(["python", "-m", "pytest"], env={"PYTHONPATH": "src"})
    write(".venv/bin/python").chmod(0o755)
    write(".venv/lib/python3.12/site-packages/pytest/__init__.py")
    write(".venv/lib/python3.12/site-packages/shop.pth", str(workspace / "src"))
    assert likely_command(workspace) == LikelyCommand([".venv/bin/python", "-m", "pytest"])


def test_tests_of_unittest_need_no_pytest(write, workspace) -> None:
    write(".venv/bin/python").chmod(0o755)
    write(".venv/lib/python3.12/site-packages/idna/__init__.py")
    python = ".venv/bin/python"
    write("tests/test_a.py", "import unittest\n")
    assert likely_command(workspace) == LikelyCommand([python, "-m", "unittest", "discover", "-s", "tests"])
    write("tests/__init__.py")
    assert likely_command(workspace) == LikelyCommand([python, "-m", "unittest", "discover"])
    write("tests/test_b.py", "import pytest\nimport unittest\n")
    note = "the tests need pytest, which is not installed for .venv/bin/python"
    assert likely_command(workspace) == LikelyCommand([python, "-m", "pytest"], notes=[note])
    write(".venv/lib/python3.12/site-packages/pytest/__init__.py")
    assert likely_command(workspace) == LikelyCommand([python, "-m", "pytest"])


def test_a_project_in_a_subfolder_is_run_in_its_folder(write, workspace, programs) -> None:
    programs("python")
    write("tools/deploy.py", GUARDED)
    assert likely_command(workspace) == LikelyCommand(["python", "deploy.py"], cwd="tools")
    write("services/web/pyproject.toml")
    write("services/web/tests/test_web.py")
    write("services/billing/requirements.txt")
    write("services/billing/main.py", GUARDED)
    more = "more projects to run, with their folder as cwd: services/web, tools"
    assert likely_command(workspace) == LikelyCommand(["python", "main.py"], cwd="services/billing", notes=[more])
    write("services/billing/.venv/bin/python").chmod(0o755)
    write(".venv/bin/python").chmod(0o755)
    found = likely_command(workspace)
    assert found is not None and found.command == [".venv/bin/python", "main.py"]
    (workspace / "services/billing/.venv/bin/python").unlink()
    found = likely_command(workspace)
    assert found is not None and found.command == ["../../.venv/bin/python", "main.py"]
    write("tests/test_all.py")
    found = likely_command(workspace)
    assert found is not None and (found.command[-2:], found.cwd) == (["-m", "pytest"], None)


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


def _link_pytest(environment: Path) -> None:
    """Let a virtual environment have the pytest that runs this test."""
    installed, own = Path(sysconfig.get_path("purelib")), next(environment.glob("lib/python3*/site-packages"))
    needed = ("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments")
    for entry in installed.iterdir():  # with the folders that say which versions they are
        if entry.name.partition("-")[0] in needed:
            (own / entry.name).symlink_to(entry)


# Each is a workspace, and a text that its run prints.
LAYOUTS: dict[str, tuple[dict[str, str], str]] = {
    "script": ({"main.py": "print('it runs')\n"}, "it runs"),
    "tests in the package": ({"shop/__init__.py": "", "shop/tests/test_a.py": "def test_a(): ...\n"}, "1 passed"),
    "tests of a source folder": (
        {"src/shop/__init__.py": "", "tests/test_a.py": "import shop\ndef test_a(): ...\n"},
        "1 passed",
    ),
    "console script": (
        {"pyproject.toml": "[project]\nname='x'\nscripts={x='shop.cli:main'}\n", "shop/cli.py": "def main(): print('it runs')\n"},
        "it runs",
    ),
    "package": ({"src/shop/__main__.py": "print('it runs')\n", "src/shop/__init__.py": ""}, "it runs"),
    "subfolder": (
        {"apps/web/pyproject.toml": "", "apps/web/web.py": "X = 'it runs'\n", "apps/web/main.py": "import web\nprint(web.X)\n"},
        "it runs",
    ),
}  # fmt: skip


@pytest.mark.processes
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_the_command_proposed_for_a_layout_runs(session, write, workspace, environment, layout) -> None:
    _link_pytest(environment)
    files, printed = LAYOUTS[layout]
    for name, text in files.items():
        write(name, text)

    created = await session.ok("init_project", project="p", workspace=str(workspace))
    [proposed] = created["next"]
    tool, arguments = call_of(proposed)
    report = await session.ok(tool, **arguments)
    assert (report["status"], printed in str(report)) == ("completed", True), report
    assert report["traced"]["calls"] > 0
    again = await session.ok("init_project", project="p")
    assert proposed in again["next"]


async def test_without_a_program_the_answer_proposes_no_run(session, workspace) -> None:
    created = await session.ok("init_project", project="p", workspace=str(workspace))

    assert "next" not in created
    assert "no script and no tests were found: give `run` your own command" in created["notes"]


async def test_without_projects_one_for_the_folder_of_the_client_is_proposed(
    session, workspace, write, monkeypatch
) -> None:
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", str(workspace))
    assert "next" not in await session.ok("list_projects")
    write("main.py", GUARDED)
    [proposed] = (await session.ok("list_projects"))["next"]
    assert proposed == f'init_project(project="workspace", workspace="{workspace}")'
