"""Check that what was recorded is kept exactly once, whatever dies, fills up, is cut off or damaged.

    python -m benchmarks.reliability [--minutes 30] [--jobs 2] [--only ingest "spool cuts" ...] [--seed 1]

Each kind of fault repeats trials for its share of the time, and a sweep until it has been at each of its places;
several trials go on at once. A trial compares what is stored afterwards with what the tracer had completed: each record
must be in the database, once. Prints a table for docs/reliability.md, also when it is interrupted (SIGINT, SIGTERM),
says what is wrong on stderr, and exits with 1 if anything is.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from random import Random

from benchmarks.reliability import child, mounts
from benchmarks.reliability.bench import Bench
from benchmarks.reliability.kinds import all_kinds
from benchmarks.reliability.outcome import Kind, Outcome

LONGEST_TEXT = 3000
FIRST_GUESS_SECONDS = 10.0


class Schedule:
    """Choose the next trial: of the kind that is furthest behind its share of the time.

    Args:
        kinds: The kinds.
        bench: Where they take place.
        seconds: The time for all of them together.
    """

    def __init__(self, kinds: list[Kind], bench: Bench, seconds: float) -> None:
        self._kinds = kinds
        self.least = {kind.name: kind.least(bench) for kind in kinds}
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()

    def next(self) -> tuple[Kind, int, float] | None:
        """Return a kind, the number of its next trial and a guess how long it takes; None when nothing is left."""
        with self._lock:
            due = [kind for kind in self._kinds if kind.started < self.least[kind.name]]
            if time.monotonic() < self._end:
                due = self._kinds
            if not due:
                return None
            due = [kind for kind in due if not kind.alone or kind.started == len(kind.outcomes)] or due
            kind = min(due, key=lambda each: each.seconds / each.share)
            # A guess until its end, so that not all jobs take up the same kind.
            guess = kind.seconds / kind.started if kind.started else FIRST_GUESS_SECONDS
            kind.started += 1
            kind.seconds += guess
            return kind, kind.started - 1, guess

    def stop(self) -> None:
        """Let no further trial begin."""
        with self._lock:
            self._kinds = []

    def add(self, kind: Kind, outcome: Outcome, seconds: float) -> None:
        """Add the outcome of a trial, and how much longer than guessed it took."""
        with self._lock:
            kind.seconds += seconds
            kind.outcomes.append(outcome)


def work(schedule: Schedule, bench: Bench, seed: int) -> None:
    """Do trials until none is left."""
    while (task := schedule.next()) is not None:
        kind, number, guess = task
        started = time.monotonic()
        try:
            outcome = kind.trial(bench, Random(f"{seed} {kind.name} {number}"), number)
        except Exception:
            outcome = Outcome(1, 0, 0, traceback.format_exc())
        schedule.add(kind, outcome, time.monotonic() - started - guess)
        if outcome.is_wrong:
            print(f"{kind.name} {number}: {outcome.problem or outcome}"[:LONGEST_TEXT], file=sys.stderr, flush=True)


def main() -> None:
    """Do the trials, and print the table."""
    kinds = all_kinds()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="time for all trials together")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trials at once")
    parser.add_argument("--only", nargs="*", choices=[kind.name for kind in kinds])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ["BREADCRUMB_OVERHEAD"] = "off"
    chosen = [kind for kind in kinds if options.only is None or kind.name in options.only]
    child.prepare()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not mounts.are_allowed():
        print("This system allows no mounts of a process's own, which some kinds need.", file=sys.stderr)
        chosen = [kind for kind in chosen if not kind.needs_mounts]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        schedule = Schedule(chosen, bench, options.minutes * 60)
        jobs = [threading.Thread(target=work, args=(schedule, bench, options.seed)) for _ in range(options.jobs)]
        for job in jobs:
            job.start()
        try:
            for job in jobs:
                job.join()
        except KeyboardInterrupt:  # the table is of what was done until then
            schedule.stop()
            for job in jobs:
                job.join()
    print("| test | fault | trials | faults that hit | expected | found | wrong |\n|---|---|---|---|---|---|---|")
    for kind in chosen:
        print(kind.row(schedule.least[kind.name]))
    sys.exit(any(kind.wrong for kind in chosen))


if __name__ == "__main__":
    main()
