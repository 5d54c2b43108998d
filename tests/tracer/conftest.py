"""Runs a program under the injected tracer, without the server, and reads its spool back."""

from __future__ import annotations

import marshal
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from spool_reader import INJECT, VERSIONS, Spool, Trace, interpreter, read_spool


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """Each supported Python: monitoring from 3.12 on, settrace before."""
    return interpreter(request.param)


@pytest.fixture(params=["3.12", "3.13"])
def monitoring_python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    """Traces a command: ``trace(python, [args], include=[...], mode="full")``; a program's text may stand for args."""

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
        expect_lost: bool = False,
        before: Callable[[Path], None] | None = None,
    ) -> Spool:
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
        }
        (folder / record_format.CONFIG_FILE).write_bytes(marshal.dumps(settings, 2))
        if before is not None:
            before(folder)
        full_env = {**os.environ, "PYTHONPATH": str(INJECT), record_format.ENV_TRACE: str(folder), **(env or {})}
        done = subprocess.run([python, *args], cwd=cwd, env=full_env, capture_output=True, text=True, timeout=120)
        spool = read_spool(Spool(folder, done.returncode, done.stdout, done.stderr))
        losses = [n for n in spool.of("notice") if n["code"] in ("records_lost", "not_observing")]
        assert expect_lost or not losses, losses
        return spool

    return run
