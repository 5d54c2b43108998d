"""Measure what the default mode costs ordinary programs, as a ratio to the untraced run.

    python -m benchmarks.overhead [--pythons 3.12 3.11] [--programs richards go] [--rounds 3] [--mode adaptive]

The programs are those of pyperformance, whose sources it takes from the package index; a million calls of a small
function; and tests of networkx with ``--suite``. Each runs as long as ``--seconds`` says (long), and once (short).
Traced and untraced runs alternate; the processor time of the whole process counts, the least of each, as other load
adds to it. The limits hold for Python 3.12 and newer: 1.10 for each long program, 150 ms for each short one, 1.024 for
the million calls, 1.3 for the suite. Exits with 1 if one is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.common import usage
from benchmarks.common.environments import find_python, make_environment
from benchmarks.common.traced import inject_folder, untraced_environment, write_settings

from breadcrumb import record_format

PYPERFORMANCE = "pyperformance==1.14.0"
PROGRAMS: dict[str, tuple[str, ...]] = {
    "richards": (),
    "deltablue": (),
    "raytrace": (),
    "go": (),
    "chaos": (),
    "nqueens": (),
    "hexiom": (),
    "float": (),
    "deepcopy": (),
    "generators": (),
    "async_tree": ("none",),
    "json_dumps": (),
}
MILLION = "million"
NETWORKX = ("networkx==3.6.1", "pytest==9.2.0")
# A part of networkx's tests that takes some seconds and calls most of its code.
NETWORKX_TESTS = ("networkx.classes", "networkx.algorithms.shortest_paths", "networkx.algorithms.flow")

MAX_RATIO = 1.10
MAX_SHORT_MS = 150.0
MAX_MILLION_RATIO = 1.024
MAX_SUITE_RATIO = 1.3

# One call takes some 0.85 µs on the machine of the figures.
MILLION_CALLS = """
def small(a, b):
    total = a
    for each in (1, 2, 3, 4, 5, 6, 7, 8):
        total += each * b
    return total & 0xFFFF

def main():
    value = 0
    for number in range(1_000_000):
        value = small(value, number)
    print(value)

main()
"""


@dataclass(frozen=True)
class Program:
    """A command to measure, without the interpreter."""

    name: str
    arguments: tuple[str, ...]
    include: tuple[str, ...]
    folder: Path
    loops: int = 1


@dataclass(frozen=True)
class Times:
    """The least processor seconds of the untraced and the traced runs."""

    untraced: float
    traced: float

    @property
    def ratio(self) -> float:
        return self.traced / self.untraced

    @property
    def added_ms(self) -> float:
        return (self.traced - self.untraced) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", nargs="+", default=["3.12"], metavar="VERSION")
    parser.add_argument("--programs", nargs="+", default=[*PROGRAMS, MILLION], metavar="NAME")
    parser.add_argument("--seconds", type=float, default=1.5, help="of a long run, untraced (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default: %(default)s)")
    parser.add_argument("--mode", choices=("adaptive", "full"), default="adaptive")
    parser.add_argument("--suite", action="store_true", help="measure tests of networkx too, which takes minutes")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep sources and environments there")
    options = parser.parse_args()
    within = True
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        sources = get_sources(work)
        for python in options.pythons:
            measure = Measure(find_python(python), options.mode, options.rounds, work)
            print(
                f"Python {python}: {'program':12} calls' loops  untraced s  traced s  ratio   once: added ms",
                flush=True,
            )
            for name in options.programs:
                program = million(work) if name == MILLION else benchmark(name, sources, work)
                limit = MAX_MILLION_RATIO if name == MILLION else MAX_RATIO
                is_kept = measure.row(program, options.seconds, limit)
                within &= is_kept or python < "3.12"
            if options.suite:
                executable, program = networkx(measure.python, python, work)
                is_kept = Measure(executable, options.mode, options.rounds, work).row(program, 0, MAX_SUITE_RATIO)
                within &= is_kept or python < "3.12"
    return 0 if within else 1


def get_sources(work: Path) -> Path:
    """Take the sources of the benchmarks from the package index, and return their folder."""
    sources = work / "pyperformance" / "data-files" / "benchmarks"
    if not sources.exists():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(work), PYPERFORMANCE], check=True)
    return sources


def benchmark(name: str, sources: Path, work: Path) -> Program:
    """Return a program of pyperformance."""
    folder = sources / f"bm_{name}"
    return Program(name, (str(folder / "run_benchmark.py"), *PROGRAMS[name]), ("__main__",), folder)


def million(work: Path) -> Program:
    """Return the program with a million calls of one function."""
    script = work / "million.py"
    script.write_text(MILLION_CALLS)
    return Program(MILLION, (str(script),), ("__main__",), work)


def networkx(python: str, version: str, work: Path) -> tuple[str, Program]:
    """Make an environment with networkx, and return its interpreter and the command of its tests."""
    executable = make_environment(python, work / f"networkx-{version}", NETWORKX)
    found = subprocess.run(
        [executable, "-c", "import networkx; print(networkx.__path__[0])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", *NETWORKX_TESTS)
    return executable, Program("networkx", arguments, ("networkx.*",), Path(found.stdout.strip()))


@dataclass(frozen=True)
class Measure:
    """How one interpreter is measured."""

    python: str
    mode: str
    rounds: int
    work: Path

    def row(self, program: Program, seconds: float, limit: float) -> bool:
        """Print the row of a program, and return whether it is within the limits."""
        once = self.compare(program)
        loops = self.loops(program, seconds)
        long = self.compare(replace(program, loops=loops)) if loops > 1 else once
        is_long = long.untraced >= 1
        is_within = (long.ratio <= limit) if is_long else long.added_ms <= MAX_SHORT_MS
        is_within = is_within and (once.untraced >= 1 or once.added_ms <= MAX_SHORT_MS)
        print(
            f"             {program.name:12} {loops:>13,} {long.untraced:>11.2f} {long.traced:>9.2f} {long.ratio:>6.2f}"
            f" {once.added_ms:>11.0f} {'' if is_within else '   over the limit'}",
            flush=True,
        )
        return is_within

    def loops(self, program: Program, seconds: float) -> int:
        """Return how often a program must repeat itself to take *seconds* untraced; 1 if it does not repeat itself."""
        loops = 1
        while program.folder.name.startswith("bm_") and seconds:
            one = float(self.run(replace(program, loops=loops), traced=False)[1].split()[-1])
            if one * loops >= seconds / 4:
                return max(round(seconds / one), 1)
            loops *= 4
        return loops

    def compare(self, program: Program) -> Times:
        """Run a program in turns without and with the tracer."""
        times = [(self.run(program, traced=False)[0], self.run(program, traced=True)[0]) for _ in range(self.rounds)]
        return Times(min(each[0] for each in times), min(each[1] for each in times))

    def run(self, program: Program, *, traced: bool) -> tuple[float, str]:
        """Run a program, and return the processor seconds of its process and what it printed."""
        variables = {**untraced_environment(), "BENCHMARK_LOOPS": str(program.loops), "PYTHONHASHSEED": "0"}
        paths = [str(Path(__file__).with_name("stand_in"))]
        with tempfile.TemporaryDirectory() as spool:
            if traced:
                write_settings(
                    Path(spool), program.folder, program.include, capture={"mode": self.mode},
                    program_lines="pytest" not in program.arguments,
                )  # fmt: skip
                paths.insert(0, inject_folder())
                variables[record_format.ENV_TRACE] = spool
            variables["PYTHONPATH"] = os.pathsep.join(paths)
            used = usage.run([self.python, *program.arguments], variables, program.folder)
            if traced and not list(Path(spool).glob("*" + record_format.CALLS_SUFFIX)):
                raise SystemExit(f"{program.name}: nothing was recorded")
        return used.processor_seconds, used.shown


if __name__ == "__main__":
    sys.exit(main())
