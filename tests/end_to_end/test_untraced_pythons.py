"""A Python that ran without the tracer is named in the report, with the true reason and with what helps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from breadcrumb.platform_features import HAS_PROC
from gates import HANG_SECONDS, Gate

pytestmark = pytest.mark.anyio

PYTHON = sys.executable
CODE = "def greet(name):\n    return 'hello ' + name\n\nprint(greet('you'))\n"


@pytest.fixture
async def project(session, workspace: Path):
    (workspace / "app.py").write_text(CODE)
    (workspace / "held.py").write_text("import sys\n" + CODE + "open(sys.argv[1], 'w').write('on')\n")
    (workspace / "src").mkdir()
    (workspace / "wrapper").mkdir()
    (workspace / "wrapper" / "sitecustomize.py").write_text("import builtins\nbuiltins.WRAPPED = True\n")
    await session.project(workspace, ["__main__"])
    return session


def lines_about_pythons(report: dict[str, Any]) -> list[str]:
    return [line for line in report.get("not_traced", []) if "(pid " in line]


async def told(project, gate: Gate, *command: str) -> str:
    """Run a command whose Python waits at the gate until it was told of; return the line about it."""
    report = await project.run(*command, wait_seconds=0)
    with anyio.fail_after(HANG_SECONDS):
        while not (while_running := lines_about_pythons(report)):
            report = await project.ok("get_trace", project="p", trace_id=report["trace_id"])
    assert report["status"] == "running"
    await gate.message()
    report = await project.ok("wait_for_run", project="p", trace_id=report["trace_id"], wait_seconds=60)
    assert report["status"] == "completed", report
    assert lines_about_pythons(report) == while_running
    assert "warnings" not in report
    (line,) = while_running
    return line


HELD = f"{PYTHON} held.py"
REPLACED_PATH = "its PYTHONPATH was replaced by src, without the tracer's folder"
REPLACED_ENVIRONMENT = "its environment was replaced, without BREADCRUMB_TRACE and the tracer's PYTHONPATH"
UNTRACED = {
    f"exec env PYTHONPATH=src {HELD} $0": REPLACED_PATH,
    f"PYTHONPATH=src {HELD} $0; true": REPLACED_PATH,
    f"unset PYTHONPATH; {HELD} $0": "PYTHONPATH, with the tracer's folder, was removed from its environment",
    f"unset BREADCRUMB_TRACE; {HELD} $0": REPLACED_ENVIRONMENT,
    f"env -i {HELD} $0": REPLACED_ENVIRONMENT,
    f"{PYTHON} -I held.py $0; true": "it was started with -I",
    f"PYTHONPATH=wrapper:$PYTHONPATH {HELD} $0": "another sitecustomize comes before the tracer's and does not load it",
}


@pytest.mark.parametrize("code", UNTRACED, ids=lambda code: code.replace(PYTHON, "python"))
async def test_a_python_that_did_not_load_the_tracer_is_named_with_the_reason(project, gate: Gate, code: str) -> None:
    if not HAS_PROC and ("env -i" in code or "=wrapper:" in code):
        pytest.skip("ps shows neither that an environment is empty nor the current folder")
    line = await told(project, gate, "bash", "-c", code, str(gate.path))
    assert UNTRACED[code] in line
    assert "held.py" in line or PYTHON in line


async def test_what_is_proposed_for_a_replaced_python_path_helps(project, gate: Gate) -> None:
    line = await told(project, gate, "env", "-u", "NOTHING", "PYTHONPATH=src", PYTHON, "held.py", str(gate.path))
    assert line.endswith('Keep the old value behind it: src:$PYTHONPATH, or give run env={"PYTHONPATH": "src"}.')
    for report in (
        await project.run(PYTHON, "app.py", env={"PYTHONPATH": "src"}),
        await project.run("sh", "-c", f"PYTHONPATH=src:$PYTHONPATH {PYTHON} app.py"),
    ):
        assert report["traced"]["calls"] == 2
        assert "not_traced" not in report


async def test_what_is_proposed_for_the_sitecustomize_of_another_tool_loads_both(
    project, workspace: Path, gate: Gate
) -> None:
    command = f"PYTHONPATH=$PWD/wrapper:$PYTHONPATH {PYTHON} held.py $0"
    line = await told(project, gate, "sh", "-c", command, str(gate.path))
    proposed = {"PYTHONPATH": str(workspace / "wrapper")}
    assert str(proposed).replace("'", '"') in line
    report = await project.run(PYTHON, "-c", "print(WRAPPED)", env=proposed)
    assert (report["stdout_tail"].strip(), report["traced"]["processes"]) == ("True", 1)


CHILD = """
import os, subprocess, sys
subprocess.run([sys.executable, "app.py"], env={**os.environ, "PYTHONPATH": "src"})
subprocess.run([sys.executable, "app.py"], env={**os.environ, "PYTHONPATH": "src"})
subprocess.run([sys.executable, "-I", "app.py"])
subprocess.run(f"PYTHONPATH=lib {sys.executable} app.py", shell=True)
subprocess.run([sys.executable, "app.py"])
"""


async def test_children_that_a_traced_program_starts_without_the_tracer_are_named_by_kind(
    project, workspace: Path
) -> None:
    (workspace / "main.py").write_text(CHILD)
    report = await project.run(PYTHON, "main.py")
    assert report["traced"]["processes"] == 2
    lines = lines_about_pythons(report)
    for said in (" and 1 more: " + REPLACED_PATH, "Run it without -I", "its PYTHONPATH was replaced by lib"):
        (line,) = (line for line in lines if said in line)
        lines.remove(line)
        assert "app.py" in line
    assert lines == []


async def test_the_script_is_named_however_long_the_path_of_the_interpreter_is(project, workspace: Path) -> None:
    folder = workspace / ("environment" * 12)
    folder.mkdir()
    (folder / "python").symlink_to(PYTHON)
    (workspace / "main.py").write_text(
        f"import subprocess\nsubprocess.run('PYTHONPATH=lib {folder}/python app.py', shell=True)\n"
    )
    (line,) = lines_about_pythons(await project.run(PYTHON, "main.py"))
    assert "app.py (pid" in line or "app.py' (pid" in line


async def test_the_forks_of_an_untraced_python_are_told_with_it(project, workspace: Path, gate: Gate) -> None:
    forks = "import os, sys\nif os.fork() == 0:\n    open(sys.argv[1], 'w').write('on')\nelse:\n    os.wait()\n"
    (workspace / "forks.py").write_text(forks)
    line = await told(project, gate, "env", "-u", "BREADCRUMB_TRACE", PYTHON, "forks.py", str(gate.path))
    assert REPLACED_ENVIRONMENT in line and "more" not in line


async def test_a_child_that_was_seen_and_noted_is_told_once(project, workspace: Path, gate: Gate) -> None:
    (workspace / "main.py").write_text(
        f"import subprocess\nsubprocess.run([{PYTHON!r}, 'held.py', {str(gate.path)!r}], env={{'PYTHONPATH': 'src'}})\n"
    )
    assert REPLACED_ENVIRONMENT in await told(project, gate, PYTHON, "main.py")


ORDINARY = """
import concurrent.futures, multiprocessing, os, subprocess, sys

def double(number):
    return number * 2

if __name__ == "__main__":
    for method in ("spawn", "fork", "forkserver"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(double, range(4))) == [0, 2, 4, 6]
    subprocess.run([sys.executable, "-V"], env={}, stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["ls"], env={}, stdout=subprocess.DEVNULL)
    subprocess.run("echo | cat", shell=True, stdout=subprocess.DEVNULL, check=True)
    subprocess.run([sys.executable, "app.py"], stdout=subprocess.DEVNULL, check=True)
    os.execv(sys.executable, [sys.executable, "app.py"])
"""


async def test_of_a_program_whose_pythons_are_all_traced_nothing_is_said(project, workspace: Path) -> None:
    (workspace / "main.py").write_text(ORDINARY)
    report = await project.run(PYTHON, "main.py")
    assert (report["status"], report["stdout_tail"].strip()) == ("completed", "hello you"), report
    assert lines_about_pythons(report) == []


async def test_what_a_tool_asks_of_a_python_is_told_only_if_nothing_else_is_traced(
    project, tmp_path: Path, gate: Gate, second_gate: Gate
) -> None:
    ask = ["-exec", PYTHON, "-I", "-c", f"open({str(gate.path)!r}, 'w').write('on')", ";"]
    assert "it was started with -I" in await told(project, gate, "find", ".", "-maxdepth", "0", *ask)
    report = await project.run("find", ".", "-maxdepth", "0", *ask, "-exec", PYTHON, "app.py", ";", wait_seconds=0)
    await gate.message()
    report = await project.ok("wait_for_run", project="p", trace_id=report["trace_id"], wait_seconds=60)
    assert (report["traced"]["processes"], lines_about_pythons(report)) == (1, [])


async def test_a_tracer_that_cannot_start_is_told_with_its_error(project, workspace: Path) -> None:
    broken = "import os, sys; open(os.environ['BREADCRUMB_TRACE'] + '/tracer.config', 'wb').write(b'?')\n"
    broken += "os.execv(sys.executable, [sys.executable, 'app.py'])"
    report = await project.run(PYTHON, "-c", broken)
    (line,) = lines_about_pythons(report)
    assert "the tracer could not start in it (ValueError at bootstrap.py:" in line or "EOFError" in line


async def test_a_command_without_python_is_told_what_it_started(project) -> None:
    report = await project.run("true")
    assert report["not_traced"][1].startswith("true is not a Python program, and it started no Python that was seen.")
