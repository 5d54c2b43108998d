"""Count the instructions that recording adds, which do not depend on other load of the machine.

    python -m benchmarks.instructions --python PATH [--only NAME ...] [--check | --update]

The programs are those of `benchmarks.core`, with fewer calls. Each runs under valgrind's callgrind, untraced and with
each core, with one and with three batches: the difference is without the start of the interpreter. It prints the
instructions that a call or a line adds, and those that the tracer adds to `python -c pass`. `--check` exits with 1 if
one has grown by more than TOLERANCE over BOUNDS, and `--update` writes the figures there; they may only fall. Needs
valgrind and a Python for which there is a compiled core.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.common.traced import core_in, inject_folder, write_settings
from benchmarks.core import PROGRAMS, prepare, units_in

from breadcrumb import record_format

BOUNDS = Path(__file__).with_suffix(".json")
# Other compilers and libraries make other instructions of the same source.
TOLERANCE = 0.1
CORES = (record_format.CORE_PURE, record_format.CORE_C)
# Calls of a batch, of some 1,200 lines each where lines are recorded. Under valgrind a program takes 50 times as long.
COUNTS = {
    "hot call": 300,
    "method": 300,
    "counted call": 1_000,
    "generator": 300,
    "counted generator": 1_000,
    "raising call": 300,
    "orders": 5,
    "big self": 4,
    "line, 3 variables": 10,
}
START = "start"  # of an interpreter, with its end
PARTS = [*COUNTS, START]
FEW, MANY = 1, 3  # batches
JOBS = 2

_COLLECTED = re.compile(r"Collected : (\d+)")


def instructions(python: str, name: str, core: str | None, batches: int, parent: Path) -> tuple[int, float]:
    """Return the instructions of a run in a new folder below *parent*, and the calls or lines of a batch.

    Raises:
        RuntimeError: The program failed, or another core than this one ran.
    """
    count = COUNTS[name]
    program = PROGRAMS[name]
    unit = count if isinstance(program.unit, int) else program.unit
    program = replace(program, text=f"{program.text}\nCOUNT = {count}\n", unit=unit)
    folder = parent / "-".join((*re.findall("[a-z]+", name), core or "untraced", "few" if batches == FEW else "many"))
    folder.mkdir()
    file, env = prepare(folder, program, core)
    counted = _count(name, [python, str(file), str(batches)], env, folder, core)
    return counted, units_in(folder, program, batches) if core is not None else 0.0


def instructions_of_start(python: str, core: str | None, parent: Path) -> int:
    """Return the instructions of `python -c pass` in a new folder below *parent*.

    Raises:
        RuntimeError: The program failed, or another core than this one ran.
    """
    folder = parent / f"start-{core or 'untraced'}"
    folder.mkdir()
    # Few variables: each is looked at, as it may be a secret.
    env = {"PATH": os.defpath, "HOME": str(folder)}
    if core is not None:
        write_settings(folder, folder, ["__main__"], program_lines=True)
        env |= {"PYTHONPATH": inject_folder(), record_format.ENV_TRACE: str(folder), record_format.ENV_CORE: core}
        subprocess.run([python, "-c", "pass"], env=env, cwd=folder, check=True)  # which may write the bundle
    return _count(START, [python, "-c", "pass"], env, folder, core)


def _count(name: str, command: list[str], env: dict[str, str], folder: Path, core: str | None) -> int:
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run(
        [*callgrind, *command],
        env={**env, "PYTHONHASHSEED": "0"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    collected = _COLLECTED.search(done.stderr)
    if done.returncode or collected is None:
        raise RuntimeError(f"{name}: {done.stderr[-1000:]}")
    if core is not None and core_in(folder) != core:
        raise RuntimeError(f"{name} ran with another core than {core}: is there a compiled one for {command[0]}?")
    return int(collected[1])


def added(python: str, names: list[str]) -> dict[str, dict[str, int]]:
    """Return the instructions that a call or a line adds, by program and core."""
    wanted = [(name, core, batches) for name in names for core in (None, *CORES) for batches in (FEW, MANY)]
    # All in one folder: whether its path looks like a secret, which takes a search, is a matter of its random name.
    with tempfile.TemporaryDirectory() as parent, ThreadPoolExecutor(JOBS) as pool:
        first = Path(parent, "first")
        first.mkdir()
        for core in CORES:  # of a new checkout, the first runs compile the modules of the tracer
            instructions(python, names[0], core, FEW, first)
        counted = pool.map(lambda each: instructions(python, each[0], each[1], each[2], Path(parent)), wanted)
        done = dict(zip(wanted, counted, strict=True))
    found: dict[str, dict[str, int]] = {}
    for name in names:
        batch = {core: (done[name, core, MANY][0] - done[name, core, FEW][0]) / (MANY - FEW) for core in (None, *CORES)}
        units = done[name, record_format.CORE_PURE, MANY][1]
        found[name] = {core: round((batch[core] - batch[None]) / units) for core in CORES}
    return found


def added_to_start(python: str) -> dict[str, int]:
    """Return the instructions that the tracer adds to `python -c pass`, by core."""
    with tempfile.TemporaryDirectory() as parent:
        counts = {core: instructions_of_start(python, core, Path(parent)) for core in (None, *CORES)}
    return {core: counts[core] - counts[None] for core in CORES}


def measured(python: str, names: list[str]) -> dict[str, dict[str, int]]:
    """Return the instructions that a call, a line or the start adds, by program and core."""
    programs = [name for name in names if name != START]
    found = added(python, programs) if programs else {}
    if START in names:
        found[START] = added_to_start(python)
    return found


def grown_over(bounds: dict[str, dict[str, int]], found: dict[str, dict[str, int]]) -> list[str]:
    """Return the programs for which a core needs more instructions than TOLERANCE over its bound."""
    return [
        name
        for name, of_core in found.items()
        if any(count > bounds.get(name, {}).get(core, count) * (1 + TOLERANCE) for core, count in of_core.items())
    ]


def main() -> int:
    """Print the figures; compare them with the bounds, or write those."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter, of 3.12 or newer")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="programs to measure")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail where a figure has grown")
    what.add_argument("--update", action="store_true", help="write the figures as bounds")
    options = parser.parse_args()
    bounds: dict[str, dict[str, int]] = json.loads(BOUNDS.read_text()) if BOUNDS.exists() else {}
    found = measured(options.python, options.only)
    grown = grown_over(bounds, found)
    if options.check and grown:  # once more: a single run may have had to do what others found done
        for name, of_core in measured(options.python, grown).items():
            found[name] = {core: min(count, of_core[core]) for core, count in found[name].items()}
        grown = grown_over(bounds, found)
    for name, of_core in found.items():
        for core, count in of_core.items():
            bound = bounds.get(name, {}).get(core)
            beside = "" if bound is None else f"  (bound {bound:,}{': GROWN' if name in grown else ''})"
            print(f"{name:18} {core:5} {count:>10,} instructions more{beside}", flush=True)
    if options.update:
        BOUNDS.write_text(json.dumps({**bounds, **found}, indent=2) + "\n")
    return 1 if options.check and grown else 0


if __name__ == "__main__":
    sys.exit(main())
