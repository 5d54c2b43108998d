"""Provide fixtures that run a program under the injected tracer, without the server, and read its spool."""

from __future__ import annotations

import marshal
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from pythons import MONITORING_VERSIONS, VERSIONS
from spool_reader import INJECT, Spool, Trace, interpreter, read_spool

# Far longer than any program here runs: one that reaches it hangs.
HANG_SECONDS = 120


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """Return each supported Python in turn: monitoring from 3.12 on, settrace before."""
    return interpreter(request.param)


@pytest.fixture(params=MONITORING_VERSIONS)
def monitoring_python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


class Traced:
    """A program that runs under the tracer."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.process = process

    def line(self) -> str:
        """Return the next line that the program prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def finish(self, *, stdin: str | None = None, expect_lost: bool = False, hang_seconds: int = HANG_SECONDS) -> Spool:
        """Wait for the end of the program and read its spool; fail if records were lost, unless *expect_lost*."""
        out, err = self.process.communicate(stdin, timeout=hang_seconds)
        spool = read_spool(Spool(self.folder, self.process.returncode, out, err))
        losses = [n for n in spool.of("notice") if n["code"] in ("records_lost", "not_observing")]
        assert expect_lost or not losses, losses
        return spool


@pytest.fixture
def start(tmp_path: Path, processes: None) -> Iterator[Callable[..., Traced]]:
    """Return a function that starts a command: ``start(python, [args], include=[...], mode="full")``.

    Instead of args, it takes the text of a program.
    """
    started: list[Traced] = []

    def run(
        python: str,
        args: list[str] | str,
        *,
        include: list[str] | None = None,
        exclude: list[str] | None = None,
        mode: str = "full",
        capture: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        redact: list[str] | None = None,
        probes: list[dict[str, Any]] | None = None,
        suspects: str = record_format.DEFAULT_SUSPECTS,
        only_lines: bool = False,
        program_lines: bool = False,
        passed_lines: dict[str, list[int]] | None = None,
        before: Callable[[Path], None] | None = None,
    ) -> Traced:
        folder = tmp_path / f"spool{len(list(tmp_path.glob('spool*')))}"
        folder.mkdir(mode=0o700)
        if isinstance(args, str):
            program = tmp_path / "program.py"
            program.write_text(args)
            args = [str(program)]
        cwd = cwd or tmp_path
        settings = {
            "format": record_format.FORMAT_VERSION,
            "workspace": str(cwd),
            "include": include or ["__main__"],
            "exclude": exclude or [],
            "capture": {"mode": mode, **(capture or {})},
            "redact": redact or [],
            "backend": "auto",
            "probes": probes or [],
            "suspects": suspects,
            "only_lines": only_lines,
            "program_lines": program_lines,
            "passed_lines": passed_lines or {},
        }
        (folder / record_format.CONFIG_FILE).write_bytes(marshal.dumps(settings, 2))
        if before is not None:
            before(folder)
        full_env = {**os.environ, "PYTHONPATH": str(INJECT), record_format.ENV_TRACE: str(folder), **(env or {})}
        process = subprocess.Popen(
            [python, *args],
            cwd=cwd,
            env=full_env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Traced(folder, process))
        return started[-1]

    yield run
    for traced in started:
        with traced.process:  # waits for it, and closes the pipes
            traced.process.kill()


@pytest.fixture
def trace(start: Callable[..., Traced]) -> Trace:
    """Return a function that runs a command to its end, with the arguments of ``start``."""

    def run(*args: Any, expect_lost: bool = False, **options: Any) -> Spool:
        return start(*args, **options).finish(expect_lost=expect_lost)

    return run
