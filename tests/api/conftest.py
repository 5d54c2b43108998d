"""Provide fixtures that run programs which trace themselves, and read the database that they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import duckdb
import pytest

from pythons import VERSIONS
from spool_reader import INJECT, interpreter

TRACER_ROOT = INJECT.parent.parent
# Far longer than any program here runs: one that reaches it hangs.
HANG_SECONDS = 120


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """Return each supported Python in turn: monitoring from 3.12 on, settrace before."""
    return interpreter(request.param)


class Program:
    """A program of a test, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / ".breadcrumb" / "traces.duckdb"

    def start(
        self, python: str, *words: str, env: dict[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a Python that finds the tracer alone; the traces are stored by the Python of the tests."""
        variables = {"PYTHONPATH": str(TRACER_ROOT), "BREADCRUMB_SERVER_PYTHON": sys.executable, **(env or {})}
        environment = {name: value for name, value in {**os.environ, **variables}.items() if value}
        return subprocess.Popen(
            [python, *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def write(self, text: str, name: str = "program.py") -> str:
        """Write a file of the program and return its name."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
        return name

    def run(
        self, python: str, text: str, *arguments: str, env: dict[str, str] | None = None, exit_code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run the text of a program to its end."""
        process = self.start(python, self.write(text), *arguments, env=env)
        out, err = process.communicate(timeout=HANG_SECONDS)
        assert process.returncode == exit_code, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def rows(self, sql: str, database: Path | None = None) -> list[tuple[Any, ...]]:
        """Query the database as a script of a user would."""
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            try:
                with duckdb.connect(str(database or self.database)) as con:
                    return con.execute(sql).fetchall()
            except duckdb.IOException:  # on a busy machine the programs did not wait for the end of the storing
                assert time.monotonic() < deadline

    def calls(self, database: Path | None = None) -> list[tuple[str, str]]:
        """Return the function and the arguments of each call, in order."""
        return self.rows("SELECT function_name, args FROM calls ORDER BY started_at, call_id", database)

    def ask(self, *words: str) -> str:
        """Ask the database by the command line, and return what it prints."""
        command = "from breadcrumb_server.command_line.breadcrumb import main; import sys; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", command, *words, "--db-path", str(self.database)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def program(tmp_path: Path, processes: None, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return a program to be written and run; its folder has no other files."""
    monkeypatch.setenv("BREADCRUMB_HOME", str(tmp_path / "home"))
    folder = tmp_path / "code"
    folder.mkdir()
    return Program(folder)


Run = Callable[..., Any]
