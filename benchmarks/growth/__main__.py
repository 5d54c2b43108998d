"""Measure how the cost of tracing grows with what a program does, and draw it.

    python -m benchmarks.growth [--python 3.12] [--only NAME ...] [--rounds 5] [--plots FOLDER]

Programs do more and more of one thing: calls, functions, threads, calls below each other, calls that an exception
passes through, and larger arguments. Each runs with six sizes, each double the one before, untraced and in mode `full`
with each core, in turns; what the tracer wrote is read into a database, as the server does. The least processor time of
each counts: other load adds to it.

It prints what tracing adds, without what it adds to the start of the program, and the slope of the four largest sizes
in log-log: "linear 1.02" means that twice as much costs twice as much. Costs below 5 ms have no slope: they are noise.
Exits with 1 if a slope is over 1.15. It writes the plots of `docs/performance.md`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import usage
from benchmarks.common.environments import Unavailable, find_python
from benchmarks.common.traced import core_in, traced_environment, untraced_environment, write_settings
from benchmarks.growth.plot import Line, draw
from benchmarks.growth.programs import GROWTHS, Growth
from benchmarks.growth.slope import Slope, fit
from benchmarks.ingest import ingest_once

from breadcrumb import record_format

PLOTS = Path(__file__).parents[2] / "docs" / "images"
SIZES = 6
FITTED = 4  # the largest, in which little is hidden by noise

NOISE_SECONDS = 0.005

UNTRACED, STORED = "untraced", "read into the database"
SERIES = {record_format.CORE_PURE: "core in Python", record_format.CORE_C: "core in C", STORED: STORED}

Least = dict[tuple[str, int], float]


@dataclass(frozen=True)
class Found:
    """What one series of a growth costs: seconds for each size, and the slope; None where it is lost in the noise."""

    label: str
    seconds: list[float]
    slope: Slope | None

    @property
    def is_within(self) -> bool:
        return self.slope is None or self.slope.is_linear


def sizes_of(growth: Growth) -> list[int]:
    return [growth.smallest << doubled for doubled in range(SIZES)]


def run(python: str, growth: Growth, size: int, core: str | None) -> dict[str, float]:
    """Run a program once, and return the processor seconds by series."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = folder / "spool"
        spool.mkdir(mode=0o700)
        program = folder / "program.py"
        program.write_text(growth.text)
        environment = untraced_environment()
        if core is not None:
            write_settings(spool, folder, ["__main__"], capture={"mode": "full", **growth.capture})
            environment = traced_environment(spool, core)
        used = usage.run([python, str(program), str(size), str(folder)], environment, folder)
        if core is None:
            return {UNTRACED: used.processor_seconds}
        if core_in(spool) != core:
            raise usage.Failed(f"another core than {core} recorded: is there a compiled one for {python}?")
        if core != record_format.CORE_C:
            return {core: used.processor_seconds}
        before = time.process_time()
        ingest_once(spool, folder / "growth.duckdb")
        return {core: used.processor_seconds, STORED: time.process_time() - before}


def measure(python: str, growth: Growth, rounds: int) -> Least:
    """Return the least processor seconds of each series and size; size 0 is the start."""
    least: Least = {}
    for _ in range(rounds):
        for size in (0, *sizes_of(growth)):
            for core in (None, record_format.CORE_PURE, record_format.CORE_C):
                for series, seconds in run(python, growth, size, core).items():
                    least[series, size] = min(seconds, least.get((series, size), seconds))
    return least


def added(least: Least, growth: Growth) -> list[Found]:
    """Return what each series adds to the untraced program, without the start."""
    sizes = sizes_of(growth)
    found = []
    for series, label in SERIES.items():
        seconds = [least[series, size] - least[series, 0] for size in sizes]
        if series != STORED:
            untraced = [least[UNTRACED, size] - least[UNTRACED, 0] for size in sizes]
            seconds = [traced - alone for traced, alone in zip(seconds, untraced, strict=True)]
        fitted = seconds[-FITTED:]
        slope = fit(sizes[-FITTED:], fitted) if min(fitted) >= NOISE_SECONDS else None
        found.append(Found(label, seconds, slope))
    return found


def show(growth: Growth, found: list[Found]) -> None:
    """Print the figures of a growth."""
    print(f"\n{growth.name}: ms for a number of {growth.axis}")
    print(f"{'':24}" + "".join(f"{size:>11,}" for size in sizes_of(growth)) + "   slope")
    for each in found:
        costs = "".join(f"{seconds * 1000:>11,.1f}" for seconds in each.seconds)
        print(f"{each.label:24}{costs}   {each.slope or 'too little to tell'}", flush=True)


def plot(growth: Growth, found: list[Found]) -> str:
    lines = [
        Line(f"{each.label}: {each.slope or 'too little to tell'}", [seconds * 1000 for seconds in each.seconds])
        for each in found
    ]
    return draw(f"{growth.name.capitalize()}: added processor time", growth.axis, sizes_of(growth), lines)


def main() -> int:
    """Print the figures and slopes, and write the plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--python", default="3.12", metavar="VERSION", help="with a compiled core (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", choices=GROWTHS, default=list(GROWTHS), metavar="NAME", help="%(choices)s")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind (default: %(default)s)")
    parser.add_argument("--plots", type=Path, default=PLOTS, metavar="FOLDER", help="default: docs/images")
    options = parser.parse_args()
    try:
        python = find_python(options.python)
    except Unavailable as missing:
        parser.error(str(missing))
    is_within = True
    for name in options.only:
        growth = GROWTHS[name]
        try:
            found = added(measure(python, growth, options.rounds), growth)
        except usage.Failed as failed:
            raise SystemExit(f"{name}: {failed}") from failed
        show(growth, found)
        (options.plots / f"performance-{name}.svg").write_text(plot(growth, found))
        is_within &= all(each.is_within for each in found)
    return 0 if is_within else 1


if __name__ == "__main__":
    sys.exit(main())
