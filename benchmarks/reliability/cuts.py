"""Cut a file off at each boundary of a page, as a power cut may leave it."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from benchmarks.reliability import work
from benchmarks.reliability.bench import CALLS, Bench
from benchmarks.reliability.child import ChildFailed, call
from benchmarks.reliability.kills import compare
from benchmarks.reliability.names import DATABASE, OTHER_PROJECT, PROJECT, TRACE_ID
from benchmarks.reliability.outcome import Outcome
from benchmarks.reliability.records import written_records

from breadcrumb_server.projects.home import Home

PAGE_BYTES = 4096
PLACES_AT_ONCE = 16  # by one server
QUESTIONS = [
    ("list_projects", {}),
    ("get_calls", {"project": PROJECT, "function": "half"}),
    ("query_traces", {"project": PROJECT, "sql": "SELECT bit_xor(hash(c)) FROM call_records c"}),
    ("list_traces", {"project": OTHER_PROJECT}),
]
# What an answer to each question holds if it is about all that was stored.
WHOLE = [f'["{PROJECT}"', f'"total":{CALLS - 2}', '"rows":[[', '"total":0']


def places_of(size: int) -> int:
    """Return the number of boundaries of pages in a file, its beginning among them."""
    return -(-size // PAGE_BYTES)


def spool_places(bench: Bench) -> int:
    """Return the number of places in the files of a spool."""
    return sum(places_of(size) for size in bench.sizes.values())


def database_sweep(bench: Bench) -> int:
    """Return the number of trials that cut a database off at each place."""
    return -(-places_of((bench.stored / DATABASE).stat().st_size) // PLACES_AT_ONCE)


def log_places(bench: Bench) -> int:
    """Return the number of places in a write-ahead log."""
    return places_of(log_of(bench.logged).stat().st_size)


def log_of(home: Path) -> Path:
    """Return the write-ahead log of the database in a home."""
    return home / f"{DATABASE}.wal"


def cut_spool(bench: Bench, _: Random, number: int) -> Outcome:
    """Cut a file of a spool off: what is before the cut is stored."""
    places = [(name, page) for name, size in sorted(bench.sizes.items()) for page in range(places_of(size))]
    name, page = places[number % len(places)]
    with bench.copy() as (home, spool):
        os.truncate(spool.parent / name, page * PAGE_BYTES)
        os.utime(spool, (0, 0))
        outcome = compare(home, written_records(spool))
    problem = outcome.problem and f"{name}, page {page}: {outcome.problem}"
    return Outcome(outcome.expected, outcome.found, 1, problem)


def cut_database(bench: Bench, _: Random, number: int) -> Outcome:
    """Cut a database off: each tool answers from all of it, or names it; the other project is as it was."""
    size = (bench.stored / DATABASE).stat().st_size
    first = number % database_sweep(bench) * PLACES_AT_ONCE
    cuts = [(DATABASE, page * PAGE_BYTES, []) for page in range(first, min(first + PLACES_AT_ONCE, places_of(size)))]
    with bench.copy(bench.stored) as (home, _spool):
        return ask_after(home, bench.stored, cuts)


def ask_after(home: Path, source: Path, damages: list[work.Damage]) -> Outcome:
    """Ask a server after each damage, and count the answers that are whole or an error that names the file."""
    expected = len(damages) * len(QUESTIONS)
    try:
        answers = call(work.call_tools_after, home, source, damages, QUESTIONS)
    except ChildFailed as error:
        return Outcome(expected, 0, len(damages), f"{damages}: {error}")
    problems: list[str] = []
    for damage, each in zip(damages, answers, strict=True):
        for (tool, arguments), whole, (failed, text) in zip(QUESTIONS, WHOLE, each, strict=True):
            is_other = not arguments or arguments["project"] == OTHER_PROJECT
            helps = not is_other and str(home / DATABASE) in text and "error in Breadcrumb itself" not in text
            if not (helps if failed else whole in text):
                problems.append(f"{damage}: {tool} {arguments}: {text[:300]}")
    return Outcome(expected, expected - len(problems), len(damages), "; ".join(problems))


def cut_log(bench: Bench, _: Random, number: int) -> Outcome:
    """Cut the log of a database off that holds all of a run, and follow the error: the spool gives what is missing."""
    with bench.copy(bench.logged) as (home, spool):
        os.truncate(log_of(home), number % log_places(bench) * PAGE_BYTES)
        expected = written_records(spool)
        ((_, projects), (failed, text)) = call(
            work.call_tools, home, [("list_projects", {}), ("list_traces", {"project": OTHER_PROJECT})]
        )
        problem = "" if f'["{OTHER_PROJECT}"' in projects and not failed else text
        errors = call(work.recover, home)
        if errors:
            if f"Move {log_of(home)} away" in errors[0]:
                log_of(home).unlink()
            else:
                problem = errors[0]
        outcome = compare(home, expected)
        spool_left = Home(home).spool_folder(PROJECT) / TRACE_ID
        problem = problem or outcome.problem or ("its spool is left" if spool_left.exists() else "")
    return Outcome(outcome.expected, outcome.found, 1, problem)
