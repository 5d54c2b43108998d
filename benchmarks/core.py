"""Measure what recording adds with the core in Python and with the one in C, in one run.

    python -m benchmarks.core [--python PATH ...] [--runs 5] [--only NAME ...]

The programs call a function of two integers, a method, and one that is only counted; generators that yield once,
recorded and counted, coroutines, and a function that raises (the first raises are written, the others counted); pass
small objects (an order with its items), and a large graph of dicts as `self`; and execute recorded lines of functions
with 3 and 10 variables, and with containers. For each Python, untraced runs and runs with each core alternate, and the
best batch of each counts, because other load on the machine only adds time. It prints the nanoseconds that a call or
line adds with each core, and their ratio, which depends little on the machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.traced import core_in, traced_environment, untraced_environment, write_settings

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

CALLS = """
import sys, time

def add(a, b):
    return a

class Holder:
    def __init__(self):
        self.number = 1
    def get(self):
        return self.number

holder = Holder()

def hot(count):
    for number in range(count):
        add(number, 3)

def method(count):
    for number in range(count):
        holder.get()
"""

STEPS = """
import sys, time

def some(n):
    yield n

async def gives(n):
    return n

def fails(n):
    raise ValueError(n)

def generators(count):
    for number in range(count):
        for each in some(number):
            pass

def coroutines(count):
    for number in range(count):
        try:
            gives(number).send(None)
        except StopIteration:
            pass

def raises(count):
    for number in range(count):
        try:
            fails(number)
        except ValueError:
            pass
"""

LINES = """
import sys, time

def three(n):
    total = 0
    for i in range(n):
        total += i
        total -= 1
        n = n
    return total

def ten(n):
    a = b = c = d = e = f = g = 1
    total = 0
    for i in range(n):
        total += i
        total -= a
        b = total
        c = b
    return total

def containers(n):
    items = [1, 2, 3]
    table = {"a": 1, "b": [1, 2]}
    for i in range(n):
        k = i + 1
        k = k * 2
        items[0] = k
        k = table["a"]
    return k

def lines_of(function, count):
    for _ in range(count):
        function(300)
"""

MEASURE = """
best = 1e99
for _ in range(int(sys.argv[1])):
    started = time.process_time_ns()
    batch(COUNT)
    best = min(best, time.process_time_ns() - started)
print(best)
"""

FULL: dict[str, object] = {"mode": "full"}


@dataclass(frozen=True)
class Program:
    """A program that is measured.

    Attributes:
        text: Its text, which defines `batch` and `COUNT`.
        capture: The settings that it is recorded with.
        unit: What is counted: the kind of a record, or the number of calls in a batch.
    """

    text: str
    capture: dict[str, object]
    unit: str | int = record_format.KIND_CALL


def _lines(function: str) -> Program:
    text = LINES + f"def batch(count): lines_of({function}, count)\nCOUNT = 20\n"
    return Program(text, {**FULL, "lines": [function]}, record_format.KIND_LINE)


COUNTED = 10_000  # all batches together stay below the number from which a function is switched off
PROGRAMS = {
    "hot call": Program(CALLS + "batch, COUNT = hot, 20_000\n", FULL),
    "method": Program(CALLS + "batch, COUNT = method, 10_000\n", FULL),
    "counted call": Program(
        CALLS + f"batch, COUNT = hot, {COUNTED}\n",
        {"mode": "adaptive", "overhead": "off", "calls_per_function": 5},
        COUNTED,
    ),
    "generator": Program(STEPS + "batch, COUNT = generators, 5_000\n", FULL),
    "counted generator": Program(
        STEPS + f"batch, COUNT = generators, {COUNTED}\n",
        {"mode": "adaptive", "overhead": "off", "calls_per_function": 5},
        COUNTED,
    ),
    "coroutine": Program(STEPS + "batch, COUNT = coroutines, 5_000\n", FULL),
    "raising call": Program(STEPS + "batch, COUNT = raises, 5_000\n", FULL),
    "orders": Program(ORDERS, FULL),
    "big self": Program(BIG_SELF, FULL),
    "line, 3 variables": _lines("three"),
    "line, 10 variables": _lines("ten"),
    "line, containers": _lines("containers"),
}
BATCHES = 8


@dataclass(frozen=True)
class Run:
    """One run of a program."""

    batch_ns: float
    units: float  # recorded or counted in a batch
    core: str


def prepare(folder: Path, program: Program, core: str | None) -> tuple[Path, dict[str, str]]:
    """Write a program into an empty folder, and return its file and the variables it runs with.

    Args:
        folder: Where its records go, too.
        program: The program.
        core: The core that records it; None: untraced.
    """
    file = folder / "program.py"
    file.write_text(program.text + MEASURE)
    if core is None:
        return file, untraced_environment()
    write_settings(folder, folder, ["__main__"], capture=program.capture)
    return file, traced_environment(folder, core)


def units_in(folder: Path, program: Program, batches: int) -> float:
    """Return the number of calls or lines that a batch of a program recorded, or counted, in its folder."""
    if isinstance(program.unit, int):
        return program.unit
    records = b"".join(file.read_bytes() for file in folder.glob("*" + record_format.CALLS_SUFFIX))
    return records.count(f"\n{program.unit}\t".encode()) / batches


def run(python: str, program: Program, core: str | None) -> Run:
    """Run a program once; None: untraced."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, env = prepare(folder, program, core)
        done = subprocess.run(
            [python, str(file), str(BATCHES)], env=env, cwd=folder, capture_output=True, text=True, check=True
        )
        return Run(float(done.stdout), units_in(folder, program, BATCHES), core_in(folder))


def measure(python: str, name: str, runs: int) -> None:
    """Print the figures of one program with one interpreter."""
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    runs_of: dict[str | None, list[Run]] = {None: [], "pure": [], "c": []}
    for _ in range(runs):
        for core, done in runs_of.items():
            done.append(run(python, PROGRAMS[name], core))
    batch = {core: min(each.batch_ns for each in done) for core, done in runs_of.items()}
    units = runs_of["pure"][0].units
    pure, compiled = (batch["pure"] - batch[None]) / units, (batch["c"] - batch[None]) / units
    added = f"{version}, {name}: {pure:,.0f} ns more with the core in Python"
    if runs_of["c"][0].core == record_format.CORE_C:
        print(f"{added}, {compiled:,.0f} ns with the one in C: {pure / compiled:.1f} times", flush=True)
    else:
        print(f"{added}; there is no compiled core for it", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters to measure")
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind; the best counts")
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=list(PROGRAMS), help="programs to measure")
    options = parser.parse_args()
    for python in options.python:
        for name in options.only:
            measure(python, name, options.runs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
