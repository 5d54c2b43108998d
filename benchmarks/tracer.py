"""Measure the cost of tracing for the traced program: time per call and memory.

    python -m benchmarks.tracer [--python PATH ...] [--runs 8]

For each interpreter, traced and untraced runs of the same program alternate, and the best of each is used, because
other load on the machine only adds time. It prints

- the time added to a fully recorded call of a two-argument function (limit 2 µs on 3.12 and newer)
- the time added in adaptive mode once the function is only counted
- the time added to a call of a function that is not included (limit 1 µs)
- the growth of the traced process over millions of calls (limit 30 MB)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common.traced import traced_environment, untraced_environment, write_settings

from breadcrumb import record_format

LIMIT_NS_PER_CALL = 2000
LIMIT_NS_PER_UNTRACED_CALL = 1000
LIMIT_GROWTH_MB = 30

# Only __main__ is included: imported as `program`, the same code is not traced.
PROGRAM = """
import resource, sys, time
def add(a, b):
    return a
def batch(n):
    started = time.perf_counter_ns()
    for i in range(n):
        add(i, 3)
    return (time.perf_counter_ns() - started) / n
if __name__ == "__main__":
    calls, batch = int(sys.argv[1]), __import__(sys.argv[2]).batch
    best = min(batch(50_000) for _ in range(calls // 50_000))
    print(best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(python: str, calls: int, mode: str | None, module: str = "__main__") -> tuple[float, int]:
    """Run the program once and return the nanoseconds per call of the best batch, and its peak resident KiB.

    Mode None runs it untraced.
    """
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(PROGRAM)
        env = untraced_environment()
        if mode is not None:
            write_settings(Path(folder), Path(folder), ["__main__"], capture={"mode": mode})
            env = traced_environment(Path(folder))
        command = [python, str(program), str(calls), module]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        if mode is not None and not list(Path(folder).glob("*" + record_format.CALLS_SUFFIX)):
            raise SystemExit(f"{python}: nothing was recorded\n{done.stderr}")
    nanoseconds, resident = done.stdout.split()
    return float(nanoseconds), int(resident)


def measure(python: str, runs: int) -> bool:
    """Print the figures of one interpreter, and return whether they are within the limits."""
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    untraced, full, adaptive, not_included = [], [], [], []
    for _ in range(runs):
        untraced.append(run(python, 500_000, None)[0])
        full.append(run(python, 500_000, "full")[0])
        adaptive.append(run(python, 500_000, "adaptive")[0])
        not_included.append(run(python, 500_000, "adaptive", "program")[0])
    growth_kib = run(python, 3_000_000, "full")[1] - run(python, 3_000_000, None)[1]
    added, added_untraced = min(full) - min(untraced), min(not_included) - min(untraced)
    print(
        f"{version}: a call untraced {min(untraced):.0f} ns; full mode adds {added:.0f} ns, adaptive mode"
        f" {min(adaptive) - min(untraced):.0f} ns, and one that is not included {added_untraced:.0f} ns;"
        f" 3,000,000 recorded calls grow the process by {growth_kib / 1024:.1f} MB"
    )
    has_monitoring = tuple(int(part) for part in version.split()[1].split(".")[:2]) >= (3, 12)
    return (
        growth_kib / 1024 <= LIMIT_GROWTH_MB
        and added_untraced <= LIMIT_NS_PER_UNTRACED_CALL
        and (added <= LIMIT_NS_PER_CALL or not has_monitoring)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters to measure")
    parser.add_argument("--runs", type=int, default=8, help="runs of each kind; the best counts")
    options = parser.parse_args()
    within = [measure(python, options.runs) for python in options.python]
    return 0 if all(within) else 1


if __name__ == "__main__":
    raise SystemExit(main())
