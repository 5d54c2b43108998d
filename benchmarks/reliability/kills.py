"""Kill a program, a server or its work at a random moment, and count what is stored afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.reliability import work
from benchmarks.reliability.bench import CALLS, Bench, traced_environment
from benchmarks.reliability.child import Child, call
from benchmarks.reliability.names import DATABASE, PROJECT
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.records import Records, written_records

from breadcrumb.record_format import CALLS_SUFFIX
from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs import process_group
from breadcrumb_storage import migrate

KILLS = 3
KILLED_PROGRAM = """
import threading
def half(number):
    return number / 2
def work():
    while True:
        half(1)
threading.Thread(target=work).start()
work()
"""
LONGEST_PROGRAM_SECONDS = 0.3
POLL_SECONDS = 0.002


def compare(home: Path, expected: Records, faults: int = 1) -> Outcome:
    """Finish what is unfinished, and compare what is stored with what was written."""
    found, _, errors = call(work.recovered_records, home)
    problem = "; ".join([*errors, expected.difference(found)]).strip("; ")
    return Outcome(len(expected), expected.common(found), faults, problem)


def _kill_work(name: str, doing: Callable[..., Any], *, with_spool: bool) -> Callable[[Bench, Random, int], Outcome]:
    def trial(bench: Bench, random: Random, _: int) -> Outcome:
        with bench.copy() as (home, spool):
            arguments = (home, spool) if with_spool else (home,)
            hits = sum(bench.kill_sometime(Child(doing, *arguments), random, name) for _ in range(KILLS))
            return compare(home, bench.written, hits)

    return trial


kill_ingest = _kill_work("ingest", work.ingest, with_spool=True)
kill_recovery = _kill_work("recovery", work.recover_slowly, with_spool=False)


def kill_program(bench: Bench, random: Random, _: int) -> Outcome:
    """Kill a traced program: each record that was complete is stored."""
    with bench.copy() as (home, spool):
        for file in spool.glob("*-*"):
            file.unlink()
        environment = traced_environment(spool, bench.folder)
        process = subprocess.Popen([sys.executable, "-c", KILLED_PROGRAM], env=environment)
        while not any(spool.glob(f"*{CALLS_SUFFIX}")) and process.poll() is None:
            time.sleep(POLL_SECONDS)
        time.sleep(random.random() ** 2 * LONGEST_PROGRAM_SECONDS)
        process.kill()
        process.wait()
        return compare(home, written_records(spool))


def kill_run(bench: Bench, random: Random, _: int) -> Outcome:
    """Kill a server during a run: what its program wrote until both were dead is stored, by the next server."""
    with bench.copy() as (home, spool):
        shutil.rmtree(spool)
        delete_database(home)
        hit = bench.kill_sometime(Child(work.run_once, home, bench.program), random, "run")
        left = [entry for entry in Home(home).spool_folder(PROJECT).iterdir() if entry.is_dir()]
        if not left:
            return _ended(home, hit)
        while process_group.members(None, left[0]):
            time.sleep(POLL_SECONDS)
        os.utime(left[0], (0, 0))  # it may have died before it wrote the state of the run
        return compare(home, written_records(left[0]), hit)


def delete_database(home: Path) -> None:
    """Delete the database with its log."""
    for suffix in ("", ".wal"):
        Path(f"{home / DATABASE}{suffix}").unlink(missing_ok=True)


def _ended(home: Path, hit: int) -> Outcome:
    """Compare a run that was killed after its end was stored, or before it had a folder: all is there, or nothing."""
    found, _, errors = call(work.recovered_records, home)
    whole = found.calls.total()
    problem = "" if whole in (0, CALLS + 1) else f"{whole} calls of a stored run"
    return Outcome(len(found), len(found), hit, "; ".join([*errors, problem]).strip("; "))


def kill_compaction(bench: Bench, random: Random, _: int) -> Outcome:
    """Kill a compaction of a database whose trace is stored."""
    with bench.copy() as (home, _spool):
        call(work.recover, home)
        hits = sum(bench.kill_sometime(Child(work.compact_forever, home), random, "compaction") for _ in range(KILLS))
        return compare(home, bench.written, hits)


def kill_migration(bench: Bench, random: Random, _: int) -> Outcome:
    """Kill the migrations of an old database, into which the run is read afterwards."""
    with bench.copy() as (home, _spool):
        delete_database(home)
        call(work.make_older, home, random.randrange(1, len(migrate.known_migrations())))
        hits = sum(bench.kill_sometime(Child(work.open_to_write, home), random, "migration") for _ in range(KILLS))
        return compare(home, bench.written, hits)
