"""Fill a disk, or let it not be written."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

from benchmarks.reliability import mounts, work
from benchmarks.reliability.bench import Bench
from benchmarks.reliability.child import call
from benchmarks.reliability.kills import compare
from benchmarks.reliability.names import DATABASE, OTHER_PROJECT, PROJECT
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.records import Records, written_records

from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs import recording

LARGEST_DISK = 8 << 20
# The log of the run takes 0.4 MB, and the database with it 6 MB.
LITTLE, MORE = 500_000, 6_000_000
ROOMY = 256 << 20


def _level(random: Random) -> int:
    return random.randrange(LITTLE if random.random() < 0.6 else MORE)


def limit_file_size(bench: Bench, random: Random, _: int) -> Outcome:
    """Recover where no file may grow beyond a random size, then without the limit."""
    limit = _level(random)
    with bench.copy() as (home, _spool):
        errors = call(work.recover_limited, home, limit)
        outcome = compare(home, bench.written, len(errors))
    return Outcome(outcome.expected, outcome.found, outcome.faults, outcome.problem or _not_helpful(errors))


def _not_helpful(errors: list[str]) -> str:
    return next((error for error in errors if "Nothing is lost" not in error and "free space" not in error), "")


def fill_recovery(bench: Bench, random: Random, _: int) -> Outcome:
    """Recover on a disk with a random number of free bytes, then with more."""
    free = _level(random)
    with bench.copy() as (home, _spool):
        records, errors, later_errors = call(_recover_on_full_disk, home, free)
    problem = "; ".join([*later_errors, bench.written.difference(records)]).strip("; ") or _not_helpful(errors)
    return Outcome(len(bench.written), bench.written.common(records), len(errors), problem and f"{free}: {problem}")


def _recover_on_full_disk(ready: work.Ready, home: Path, free: int) -> tuple[Records, list[str], list[str]]:
    mounts.separate_mounts()
    saved = home.with_name(f"{home.name}.saved")
    shutil.copytree(home, saved)
    mounts.mount_disk(home, ROOMY)
    shutil.copytree(saved, home, dirs_exist_ok=True)
    shutil.rmtree(saved)
    status = os.statvfs(home)
    mounts.resize_disk(home, (status.f_blocks - status.f_bfree) * status.f_frsize + free)
    errors = work.recover(ready, home)
    mounts.resize_disk(home, ROOMY)
    records, _, later_errors = work.recovered_records(ready, home)
    return records, errors, later_errors


def fill_tools(bench: Bench, random: Random, _: int) -> Outcome:
    """Set a project up, run and edit on a disk of a random size, then with more."""
    size = random.randrange(0, LARGEST_DISK)
    home = bench.new_folder("small")
    home.mkdir()
    try:
        expected, found, faults, problem = call(_use_full_disk, home, bench.program, size)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return Outcome(expected, found, faults, problem and f"{size}: {problem}")


def _use_full_disk(ready: work.Ready, home: Path, program: Path, size: int) -> tuple[int, int, int, str]:
    mounts.separate_mounts()
    mounts.mount_disk(home, size)
    kept = home.with_name(f"{home.name}.kept")
    remove = recording.remove_spool

    def keep(spool: Path) -> None:
        if spool.is_dir():
            shutil.copytree(spool, kept, ignore=shutil.ignore_patterns("*.fifo"), dirs_exist_ok=True)
        remove(spool)

    recording.remove_spool = keep
    calls = [
        ("init_project", {"project": PROJECT, "workspace": str(program.parent), "include": ["__main__"]}),
        ("run", work.run_arguments(program)),
        ("list_traces", {"project": PROJECT}),
        ("edit_config", {"project": PROJECT, "add_include": ["a.*"]}),
        ("init_project", {"project": OTHER_PROJECT}),
        ("list_projects", {}),
    ]
    try:
        answers = _call_tools_apart(home, calls)
        problem = next((text[:300] for failed, text in answers if failed and not _tells_of_disk(text)), "")
        faults = sum(failed for failed, _ in answers)
        mounts.resize_disk(home, ROOMY)
        if not (home / f"{PROJECT}.yaml").exists():
            again = _call_tools_apart(home, calls)
            problem = problem or next((text[:300] for failed, text in again if failed), "")
        left = Home(home).spool_folder(PROJECT)
        expected = Records()
        for spool in left.iterdir() if left.is_dir() else ():
            if not spool.is_dir():
                continue
            expected = written_records(spool)
        found, _, errors = work.recovered_records(ready, home)
        if not len(expected) and kept.is_dir():
            expected = written_records(kept)
        problem = problem or "; ".join(errors) or expected.difference(found)
        return len(expected), expected.common(found), faults, problem
    finally:
        shutil.rmtree(kept, ignore_errors=True)


def _call_tools_apart(home: Path, calls: list[work.Call]) -> list[tuple[bool, str]]:
    """Call tools of a server in a forked process, which has the mounts of this one and dies after the last answer."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        return pool.submit(work.call_tools, _begun, home, calls).result()


def _begun() -> None:
    pass


def _tells_of_disk(text: str) -> bool:
    return ("space" in text and "error in Breadcrumb itself" not in text) or "There is no project" in text


QUESTIONS = [
    ("list_projects", {}),
    ("get_config", {"project": PROJECT}),
    ("list_traces", {"project": PROJECT}),
    ("get_trace", {"project": PROJECT, "trace_id": "latest"}),
    ("get_calls", {"project": PROJECT, "function": "half"}),
    ("get_flow", {"project": PROJECT}),
    ("find_exceptions", {"project": PROJECT}),
    ("show", {"project": PROJECT, "what": ["half"]}),
    ("find", {"project": PROJECT, "name": "number"}),
    ("query_traces", {"project": PROJECT, "sql": "SELECT count(*) FROM calls"}),
]
CHANGES = [
    ("init_project", {"project": "new"}),
    ("edit_config", {"project": PROJECT, "add_include": ["a.*"]}),
    ("delete_traces", {"project": PROJECT, "all": True}),
]


def read_only(bench: Bench, random: Random, number: int) -> Outcome:
    """Ask and change in a home that cannot be written: an answer, or an error that says what to do."""
    source = bench.logged if number % 2 else bench.stored
    calls = [*QUESTIONS, *CHANGES, ("run", work.run_arguments(bench.program))]
    with bench.copy(source) as (home, _spool):
        if random.random() < 0.5:
            for suffix in (".lock", ".queue"):
                Path(f"{home / DATABASE}{suffix}").unlink(missing_ok=True)
        answers = call(_call_tools_read_only, home, calls)
    problems = [
        f"{tool}: {text[:400]}"
        for (tool, arguments), (failed, text) in zip(calls, answers, strict=True)
        if not (not failed if (tool, arguments) in QUESTIONS else failed and "BREADCRUMB_HOME" in text)
    ]
    return Outcome(len(calls), len(calls) - len(problems), 1, "; ".join(problems))


def _call_tools_read_only(ready: work.Ready, home: Path, calls: list) -> list[tuple[bool, str]]:
    mounts.separate_mounts()
    mounts.make_read_only(home)
    return work.call_tools(ready, home, calls)
