"""A traced process notes the children that it starts without the tracer, and a process why the tracer did not start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from spool_reader import INJECT, Spool, Trace, interpreter, program

PREAMBLE = "import os, subprocess, sys\nPASS = [sys.executable, '-c', 'pass']\n"


def noted(spool: Spool) -> list[dict[str, Any]]:
    files = sorted(spool.folder.glob("*" + record_format.CHILDREN_SUFFIX))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def without(name: str) -> str:
    return f"{{k: v for k, v in os.environ.items() if k != '{name}'}}"


@pytest.mark.parametrize(
    ("statement", "lacks"),
    [
        ("subprocess.run(PASS, env={**os.environ, 'PYTHONPATH': 'src'})", (True, "src")),
        ("subprocess.run(PASS, env={b'PYTHONPATH': b'src'})", (False, "src")),
        (f"subprocess.run(PASS, env={without('BREADCRUMB_TRACE')})", (False, str(INJECT))),
        (f"subprocess.run(PASS, env={without('PYTHONPATH')})", (True, None)),
        ("os.environ['PYTHONPATH'] = 'src'; subprocess.run(PASS)", (True, "src")),
        ("del os.environ['PYTHONPATH']; subprocess.run(PASS)", (True, None)),
        ("subprocess.run(PASS, env={'PYTHONPATH': 'src'}, close_fds=False)", (False, "src")),  # by posix_spawn
        ("subprocess.run(' '.join(PASS[:1]) + ' -V', shell=True, env={})", (False, None)),
        (
            "import asyncio\nasync def main(): await (await asyncio.create_subprocess_exec(*PASS, env={})).wait()\n"
            "asyncio.run(main())",
            (False, None),
        ),
    ],
)
def test_a_child_without_the_variables_of_the_tracer_is_noted(
    python: str, trace: Trace, statement: str, lacks: tuple[bool, str | None]
) -> None:
    spool = trace(python, PREAMBLE + statement)
    assert spool.exit_code == 0, spool.stderr
    (child,) = noted(spool)
    assert (child["has_trace"], child["python_path"]) == lacks
    assert child["pid"] != int(spool.of("process")[0]["pid"])
    assert Path(child["program"]).name.startswith(("python", "sh"))


def test_a_python_path_that_is_no_text_is_noted(python: str, trace: Trace) -> None:
    (child,) = noted(trace(python, PREAMBLE + "subprocess.run(PASS + [b'\\xff'], env={b'PYTHONPATH': b's\\xe4\\xff'})"))
    assert os.fsencode(child["python_path"]) == b"s\xe4\xff"
    assert child["command"][-1] == os.fsdecode(b"\xff")


def test_the_words_of_an_isolated_child_are_noted(python: str, trace: Trace) -> None:
    (child,) = noted(trace(python, PREAMBLE + "subprocess.run([sys.executable, '-I', '-c', 'pass'])"))
    assert child["command"][1:] == ["-I", "-c", "pass"]
    assert child["has_trace"] and child["has_folder"]


def test_a_shell_that_sets_the_python_path_is_noted(python: str, trace: Trace) -> None:
    (child,) = noted(trace(python, PREAMBLE + "subprocess.run('PYTHONPATH=src true', shell=True)"))
    assert child["command"][1:] == ["-c", "PYTHONPATH=src true"]
    assert child["has_trace"] and child["has_folder"]


@pytest.mark.parametrize(
    "statement",
    [
        "subprocess.run(PASS)",
        "subprocess.run(PASS, env={**os.environ, 'PYTHONPATH': 'src' + os.pathsep + os.environ['PYTHONPATH']})",
        "subprocess.run(PASS, env={**os.environ, 'BREADCRUMB_TRACE': '/another/trace'})",
        "subprocess.run(['true'])",
    ],
)
def test_a_child_that_can_load_a_tracer_is_not_noted(python: str, trace: Trace, statement: str) -> None:
    spool = trace(python, PREAMBLE + statement)
    assert spool.exit_code == 0, spool.stderr
    assert noted(spool) == []


def test_a_child_that_could_not_be_started_is_not_noted(python: str, trace: Trace) -> None:
    spool = trace(
        python, PREAMBLE + "try: subprocess.run(['/not/there'], env={})\nexcept FileNotFoundError: print('no')"
    )
    assert (spool.stdout, noted(spool)) == ("no\n", [])


def test_a_child_is_noted_if_the_module_that_starts_it_is_traced_too(python: str, trace: Trace) -> None:
    spool = trace(python, PREAMBLE + "subprocess.run(PASS, env={})", include=["__main__", "subprocess"])
    assert len(noted(spool)) == 1
    assert len(spool.named("Popen._execute_child")) == 1


def test_a_forked_child_notes_its_own_children(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        PREAMBLE
        + program(
            """
            subprocess.run(PASS, env={})
            if os.fork() == 0:
                subprocess.run(PASS, env={})
                os._exit(0)
            os.wait()
            """
        ),
    )
    files = [path.name for path in spool.folder.glob("*" + record_format.CHILDREN_SUFFIX)]
    assert len(files) == len(noted(spool)) == 2


def test_secrets_in_the_command_of_a_child_are_redacted_also_at_the_cut(python: str, trace: Trace) -> None:
    secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    code = f"pass  # {'x' * 180} {secret}"
    command = f"[sys.executable, '-c', {code!r}, '--password', 'swordfish-77']"
    (child,) = noted(trace(python, PREAMBLE + f"subprocess.run({command}, env={{}})"))
    assert "swordfish" not in str(child) and secret[:10] not in str(child)
    assert child["command"][-1] == "[REDACTED]"


def test_of_many_children_that_are_alike_the_first_hundred_are_noted(trace: Trace) -> None:
    spool = trace(interpreter("3.12"), "import subprocess\nfor _ in range(103): subprocess.run(['/bin/true'], env={})")
    assert len(noted(spool)) == 100


def test_a_process_in_which_the_tracer_cannot_start_says_why(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        "import os; print(os.getpid())",
        before=lambda folder: (folder / record_format.CONFIG_FILE).write_bytes(b"damaged"),
    )
    file = spool.folder / f"{int(spool.stdout)}{record_format.UNSTARTED_SUFFIX}"
    assert file.read_text("ascii").startswith("error ")
    assert "bootstrap.py:" in file.read_text("ascii")
    assert spool.stderr == "" and not spool.of("process")


@pytest.mark.processes
def test_a_python_that_is_too_old_says_so(tmp_path: Path) -> None:
    code = (
        f"import sys\nsys.version_info = (3, 7, 16)\nsys.path.insert(0, {str(INJECT)!r})\n"
        "try: import sitecustomize\nexcept ImportError: print('none of the user')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, record_format.ENV_TRACE: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "none of the user\n"
    (file,) = tmp_path.iterdir()
    assert file.suffix == record_format.UNSTARTED_SUFFIX
    assert file.read_text("ascii") == "version 3.7"
