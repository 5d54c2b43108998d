"""Make a home with a recorded spool, of which each trial takes a copy."""

from __future__ import annotations

import itertools
import marshal
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from benchmarks.reliability import child, work
from benchmarks.reliability.child import Child
from benchmarks.reliability.names import DATABASE, OTHER_PROJECT, PROJECT, TRACE_ID
from benchmarks.reliability.records import Records, written_records

from breadcrumb import record_format
from breadcrumb_server.projects.home import Home
from breadcrumb_server.projects.manage import init_project
from breadcrumb_server.runs.launcher import inject_folder
from breadcrumb_server.runs.recording import record_start
from breadcrumb_server.runs.state import RunState
from breadcrumb_storage.database import Database

CALLS = 2000
EXCEPTIONS = 2 * (CALLS // 200)

# Two threads with half of the calls each, of which one in a hundred raises.
PROGRAM = f"""
import threading
def half(number, text):
    if number % 100 == 0:
        raise ValueError(f"{{number}} of {{text}}")
    return number / 2
def work(name):
    for number in range({CALLS // 2 - 1}):
        try:
            half(number, name * (number % 90))
        except ValueError:
            pass
thread = threading.Thread(target=work, args=("x",))
thread.start()
work("y")
thread.join()
"""
PYTHON = {"BREADCRUMB_OVERHEAD": "off"}
# How a trial's moments follow the time that its work takes.
FIRST_SECONDS = 1.0
SHORTER, LONGER = 0.9, 1.1


class Bench:
    """A folder with a home in which a server died after its run's program had ended.

    Args:
        folder: An empty folder.

    Attributes:
        template: The home.
        stored: The same after the next server has stored the run.
        logged: The same with the run in the write-ahead log of the database.
        written: The complete records of the run.
        sizes: The files of its spool, by their paths below the folder of all spools, with their sizes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "program.py"
        self.program.write_text(PROGRAM)
        self.template = folder / "template"
        self._numbers = itertools.count()
        self._seconds: dict[str, float] = {}
        self._record()
        self.stored = folder / "stored"
        self.logged = folder / "logged"
        self._copy(self.template, self.stored)
        child.call(work.recover, self.stored)
        self._copy(self.template, self.logged)
        child.call(work.ingest_into_log, self.logged, self.spool_of(self.logged))
        self.written: Records = written_records(self.spool_of(self.template))
        spools = self.spool_of(self.template).parent
        self.sizes = {
            str(file.relative_to(spools)): file.stat().st_size for file in spools.rglob("*") if file.is_file()
        }

    def _record(self) -> None:
        home = Home(self.template)
        init_project(home, PROJECT, workspace=str(self.folder), include=["__main__"])
        init_project(home, OTHER_PROJECT)
        spool = self.spool_of(self.template)
        spool.mkdir(parents=True)
        state = RunState(
            project=PROJECT, trace_id=TRACE_ID, command=["python", "program.py"], label=None, cwd="/",
            timeout_seconds=60, config="{}", not_traced_reason="", server_started=1,
        )  # fmt: skip
        record_start(Database(self.template / DATABASE), state)
        self.trace_into(spool, self.program)
        state.save(spool)

    @staticmethod
    def spool_of(home: Path) -> Path:
        """Return the spool folder of the run in a home."""
        return Home(home).spool_folder(PROJECT) / TRACE_ID

    def trace_into(self, spool: Path, program: Path) -> None:
        """Run a program under the tracer until its end."""
        subprocess.run([sys.executable, str(program)], env=traced_environment(spool, self.folder), check=True)

    def new_folder(self, name: str) -> Path:
        """Return the path of a folder that no other trial has."""
        return self.folder / f"{name}{next(self._numbers)}"

    @contextmanager
    def copy(self, source: Path | None = None) -> Iterator[tuple[Path, Path]]:
        """Yield a home and the spool in it, both removed afterwards.

        Args:
            source: `stored`, where the run is in the database, or `logged`, where it is in the write-ahead log and its
                spool is left; None for the home in which nothing has been read yet.
        """
        home = self.new_folder("home")
        self._copy(source or self.template, home)
        try:
            yield home, self.spool_of(home)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    @staticmethod
    def _copy(source: Path, home: Path) -> None:
        shutil.copytree(source, home, ignore=shutil.ignore_patterns("*.fifo"))
        for config in home.glob("*.yaml"):
            config.write_text(config.read_text().replace(str(source), str(home)))

    def kill_sometime(self, killed: Child, random: Random, work: str) -> bool:
        """Kill a child at a random moment of its work; return whether it was still at it.

        Args:
            killed: The child; this waits until it begins.
            random: Chooses the moment.
            work: The name of the work, whose length is learned from trial to trial.
        """
        killed.wait_until_ready()
        seconds = self._seconds.get(work, FIRST_SECONDS)
        time.sleep(random.random() * seconds)
        hit = killed.kill()
        self._seconds[work] = seconds * (LONGER if hit else SHORTER)
        return hit


def traced_environment(spool: Path, workspace: Path) -> dict[str, str]:
    """Return the variables that trace a program into a spool folder, whose settings are written."""
    settings = {
        "format": record_format.FORMAT_VERSION, "workspace": str(workspace), "include": ["__main__"],
        "exclude": [], "capture": {"mode": "full"}, "redact": [], "backend": "auto", "probes": [],
        "suspects": "off", "only_lines": False, "passed_lines": {},
    }  # fmt: skip
    (spool / record_format.CONFIG_FILE).write_bytes(marshal.dumps(settings, 2))
    return {**os.environ, **PYTHON, "PYTHONPATH": str(inject_folder()), record_format.ENV_TRACE: str(spool)}
