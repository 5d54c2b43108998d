"""Measure what the lines of tests cost: in a first pass, which records nothing else, and in a run.

    python -m benchmarks.first_pass [--packages click attrs] [--pythons 3.12 3.11] [--rounds 3] [--keep FOLDER]

It runs the suite of a package untraced, with lines alone (as a first pass does), and traced in adaptive mode with and
without the lines of tests. Prints processor times relative to the untraced suite, the least of each: other load adds to
them as well, but less than to the time of the clock. Exits with 1 if lines alone take more than the limit, which holds
for 3.12 and newer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common.environments import Unavailable
from benchmarks.fidelity import PACKAGES, Package, suite_environment, traced_suite, unpack_sdist, untraced_suite

LIMIT = 1.75

KINDS: dict[str, dict[str, object]] = {
    "untraced": {},
    "lines alone": {"only_lines": True, "capture": {"mode": "full", "failed_test_lines": False}},
    "run": {"suspects": "auto"},
    "run without": {"suspects": "off"},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=["click", "pluggy"], metavar="NAME")
    parser.add_argument("--pythons", nargs="+", default=["3.12", "3.11"], metavar="VERSION")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep environments and spools there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).resolve()
        print(f"{'package':20} python  untraced s  " + "  ".join(f"{kind:>11}" for kind in list(KINDS)[1:]), flush=True)
        passed = True
        for name in options.packages:
            for python in options.pythons:
                try:
                    passed &= compare(name, python, options.rounds, work / f"{name}-{python}")
                except Unavailable as missing:
                    print(f"{name:20} {python:6}  not run: {missing}", flush=True)
                    passed = False
    return 0 if passed else 1


def compare(name: str, python: str, rounds: int, work: Path) -> bool:
    """Print the row of one package, and return whether lines alone are within the limit."""
    package = PACKAGES[name]
    source = unpack_sdist(name, work)
    executable = suite_environment(name, python, source, work)
    least: dict[str, float] = {}
    for _ in range(rounds):
        for kind, settings in KINDS.items():
            seconds = processor_seconds(package, executable, source, environment(package, source, work, settings))
            least[kind] = min(seconds, least.get(kind, seconds))
    ratios = {kind: seconds / least["untraced"] for kind, seconds in least.items()}
    row = "  ".join(f"{ratio:>11.2f}" for kind, ratio in ratios.items() if kind != "untraced")
    print(f"{name + ' ' + package.version:20} {python:6}  {least['untraced']:>10.1f}  {row}", flush=True)
    return ratios["lines alone"] <= LIMIT or python < "3.12"


def environment(package: Package, source: Path, work: Path, settings: dict[str, object]) -> dict[str, str]:
    """Return the environment of a run; the package is imported from its source, as code of the workspace."""
    variables = untraced_suite()
    paths = [str(source / "src")]
    if settings:
        variables = traced_suite(package, "adaptive", source, work / "spool", **settings)
        paths.insert(0, variables["PYTHONPATH"])
    return {**variables, "PYTHONPATH": os.pathsep.join(paths)}


def processor_seconds(package: Package, executable: str, source: Path, variables: dict[str, str]) -> float:
    """Run the suite once and return the processor time that it took, with its children."""
    before = os.times()
    command = [executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *package.pytest]
    subprocess.run(command, cwd=source, env=variables, stdin=subprocess.DEVNULL, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    sys.exit(main())
