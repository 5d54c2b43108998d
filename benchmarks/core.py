"""Measure what a recorded call adds with the core in Python and with the one in C, in one run.

    python -m benchmarks.core [--python PATH ...] [--runs 5]

Two programs: one passes small objects (an order with its items), one a large graph of dicts as `self`. For each Python,
untraced runs and runs in mode `full` with each core alternate, and the best batch of each counts, because other load on
the machine only adds time. It prints the nanoseconds that a recorded call adds with each core, and their ratio, which
depends little on the machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import marshal
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from breadcrumb import record_format

ORDERS = """
import sys, time
from dataclasses import dataclass

@dataclass
class Item:
    name: str
    price: float
    quantity: int
    def total(self):
        return self.price * self.quantity

class Order:
    def __init__(self, number, items):
        self.number = number
        self.items = items
        self.tags = {"key": number, "sizes": [1, 2, 3]}
    def total(self):
        return sum(item.total() for item in self.items)
    def discount(self, rate):
        return self.total() * (1 - rate)

def price(order, rates):
    return order.discount(rates.get(order.number % 7, 0.1))

def batch(count):
    rates = {number: number / 100 for number in range(5)}
    for number in range(count):
        price(Order(number, [Item("a" + str(j), 1.5 * j, j) for j in range(5)]), rates)

COUNT = 100
"""

BIG_SELF = """
import sys, time

class Graph:
    def __init__(self, size):
        self.adjacent = {i: {j: {"weight": i * j} for j in range(size)} for i in range(size)}
        self.nodes = {i: {"name": f"n{i}"} for i in range(size)}
    def look(self, number):
        return number

graph = Graph(50)

def batch(count):
    for number in range(count):
        graph.look(number)

COUNT = 200
"""

MEASURE = """
best = 1e99
for _ in range(int(sys.argv[1])):
    started = time.process_time_ns()
    batch(COUNT)
    best = min(best, time.process_time_ns() - started)
print(best)
"""

PROGRAMS = {"orders": ORDERS, "big self": BIG_SELF}
BATCHES = 8


@dataclass(frozen=True)
class Run:
    """One run of a program."""

    batch_ns: float
    calls: float  # recorded in a batch
    core: str


def run(python: str, program: str, core: str | None) -> Run:
    """Run a program once; None: untraced."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", record_format.ENV_TRACE)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.py"
        file.write_text(program + MEASURE)
        if core is not None:
            settings = {
                "format": record_format.FORMAT_VERSION,
                "workspace": folder,
                "include": ["__main__"],
                "exclude": [],
                "capture": {"mode": "full"},
                "redact": [],
                "backend": "auto",
            }
            (Path(folder) / record_format.CONFIG_FILE).write_bytes(marshal.dumps(settings, 2))
            spec = importlib.util.find_spec("breadcrumb")
            assert spec is not None and spec.origin is not None
            env["PYTHONPATH"] = str(Path(spec.origin).parent / "_inject")
            env |= {record_format.ENV_TRACE: folder, record_format.ENV_CORE: core}
        done = subprocess.run(
            [python, str(file), str(BATCHES)], env=env, cwd=folder, capture_output=True, text=True, check=True
        )
        events = b"".join(file.read_bytes() for file in Path(folder).glob("*" + record_format.EVENTS_SUFFIX))
        records = b"".join(file.read_bytes() for file in Path(folder).glob("*" + record_format.CALLS_SUFFIX))
    ran = record_format.CORE_C if b'"core": "c"' in events else record_format.CORE_PURE
    calls = records.count(f"\n{record_format.KIND_CALL}\t".encode()) / BATCHES
    return Run(float(done.stdout), calls, ran)


def measure(python: str, runs: int) -> None:
    """Print the figures of one interpreter."""
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    for name, program in PROGRAMS.items():
        runs_of: dict[str | None, list[Run]] = {None: [], "pure": [], "c": []}
        for _ in range(runs):
            for core, done in runs_of.items():
                done.append(run(python, program, core))
        batch = {core: min(each.batch_ns for each in done) for core, done in runs_of.items()}
        calls = runs_of["pure"][0].calls
        pure, compiled = (batch["pure"] - batch[None]) / calls, (batch["c"] - batch[None]) / calls
        added = f"{version}, {name}, full mode: a call adds {pure:,.0f} ns with the core in Python"
        if runs_of["c"][0].core == record_format.CORE_C:
            print(f"{added}, {compiled:,.0f} ns with the one in C: {pure / compiled:.1f} times")
        else:
            print(f"{added}; there is no compiled core for it")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters to measure")
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind; the best counts")
    options = parser.parse_args()
    for python in options.python:
        measure(python, options.runs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
