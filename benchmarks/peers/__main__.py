"""Compare what Breadcrumb costs with what other tools do that record calls, in one run.

    python -m benchmarks.peers [--python 3.12] [--tools NAME ...] [--rounds 5] [--keep FOLDER]

The tools are installed from the package index, each into an environment of its own; one that cannot be installed or run
is named with the reason, and left out. `benchmarks/peers/tools.py` says how each is told to record calls with their
values, and how these are counted. The programs are those of `benchmarks/peers/programs`, which also run untraced. The
tools take turns, and the least of the rounds counts, because other load on the machine only adds to it.

It prints a table: how much longer an interpreter takes that does nothing; the processor time that a call adds to each
program, without the start and with what the process writes at its end; of `orders`, the processor time that a call
takes in the server of Breadcrumb, how many times as long it runs, the same until questions are answered, and the memory
(peak) and the files that are added; and how many of the calls of each program were recorded.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.environments import Unavailable, find_python, make_environment
from benchmarks.common.traced import untraced_environment
from benchmarks.common.usage import Failed, Usage
from benchmarks.common.usage import run as run_measured
from benchmarks.peers.counts import recorded
from benchmarks.peers.tools import HERE, TOOLS, UNTRACED, Tool

EMPTY, WHOLE = "empty", "orders"


@dataclass(frozen=True)
class Program:
    """A program that is compared.

    Attributes:
        count: How often it does what it does.
        calls: The calls that it makes each time, by function.
    """

    count: int
    calls: dict[str, int]

    @property
    def made(self) -> dict[str, int]:
        return {name: calls * self.count for name, calls in self.calls.items()}

    @property
    def all_made(self) -> int:
        return sum(self.made.values())


PROGRAMS = {
    "hot": Program(100_000, {"small": 1}),
    "orders": Program(5_000, {"__init__": 6, "total": 6, "discount": 1, "price": 1}),
    "large_self": Program(10_000, {"look": 1}),
}
# Each program runs with its count and with none, which is its start.
RUNS = [(EMPTY, 0), *((name, count) for name, each in PROGRAMS.items() for count in (0, each.count))]


@dataclass(frozen=True)
class Run:
    """One run of a program with a tool.

    Attributes:
        used: What its process took.
        store_seconds: How long the server took to store it.
        store_processor_seconds: The processor time of the server.
        bytes_left: The size of the files that stay.
    """

    used: Usage
    store_seconds: float
    store_processor_seconds: float
    bytes_left: int


@dataclass
class Results:
    """What a tool took and recorded.

    Attributes:
        python: The interpreter of its environment.
        runs: Its runs by program and count.
        calls: The calls that it recorded of each program; None: it records no calls.
    """

    python: str
    runs: dict[tuple[str, int], list[Run]] = field(default_factory=dict)
    calls: dict[str, int | None] = field(default_factory=dict)

    def least(self, name: str, count: int, what: Callable[[Run], float]) -> float:
        """Return the least figure of the runs of a program."""
        return min(what(run) for run in self.runs[name, count])

    def of_calls(self, name: str, what: Callable[[Run], float]) -> float:
        """Return the least figure of a program without that of its start."""
        return self.least(name, PROGRAMS[name].count, what) - self.least(name, 0, what)


def wall(run: Run) -> float:
    return run.used.wall_seconds


def until_stored(run: Run) -> float:
    return run.used.wall_seconds + run.store_seconds


def processor(run: Run) -> float:
    return run.used.processor_seconds


def server(run: Run) -> float:
    return run.store_processor_seconds


def peak_mb(run: Run) -> float:
    return run.used.peak_kib / 1024


def files_mb(run: Run) -> float:
    return run.bytes_left / 1e6


def run(tool: Tool, results: Results, name: str, count: int) -> None:
    """Run a program once with a tool, and add what it took to the results.

    Raises:
        Failed: The command failed, or recorded nothing that can be read.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # A tool's own folder of settings is not the one of whoever measures.
        inherited = {**untraced_environment(), "HOME": temporary, "PYTHONHASHSEED": "0"}
        command = tool.command(results.python, [str(HERE / "programs" / f"{name}.py"), str(count)], folder)
        with tool.variables(results.python, folder, inherited) as variables:
            used = run_measured(command, variables, folder)
        started, processor_started = time.perf_counter(), time.process_time()
        tool.store(folder)
        stored = time.perf_counter() - started, time.process_time() - processor_started
        bytes_left = sum(file.stat().st_size for file in tool.files(folder))
        results.runs.setdefault((name, count), []).append(Run(used, *stored, bytes_left))
        if count and name not in results.calls:
            counted = tool.calls(results.python, folder)
            results.calls[name] = None if counted is None else recorded(PROGRAMS[name].made, counted)


def measure(tools: Sequence[Tool], python: str, rounds: int, work: Path) -> dict[str, Results]:
    """Return the results of the tools that could be installed and run, by key; say why the others could not."""
    results: dict[str, Results] = {}
    for tool in tools:
        requirements = [tool.requirement] if tool.requirement else []
        folder = work / (tool.requirement or "plain")
        try:
            results[tool.key] = Results(make_environment(python, folder, requirements))
        except Unavailable as missing:
            leave_out(tool, missing)
    for _ in range(rounds):
        for name, count in RUNS:
            for tool in tools:
                if tool.key in results:
                    try:
                        run(tool, results[tool.key], name, count)
                    except Failed as failed:
                        leave_out(tool, failed)
                        del results[tool.key]
    return results


def leave_out(tool: Tool, reason: Exception) -> None:
    print(f"left out: {tool.name}: {reason}", file=sys.stderr, flush=True)


HEADINGS = (
    "tool", "an object is recorded as", "start, ms",
    *(f"{name}, µs a call" for name in PROGRAMS),
    "server, µs a call", "time", "until stored", "memory, MB", "files, MB",
    *(f"{name}, calls recorded" for name in PROGRAMS),
)  # fmt: skip


def row(tool: Tool, traced: Results, untraced: Results) -> list[str]:
    """Return the cells of a tool."""
    whole, calls = (WHOLE, PROGRAMS[WHOLE].count), PROGRAMS[WHOLE].all_made
    cells = [versioned(tool, traced.python), tool.objects]
    cells.append(f"{(traced.least(EMPTY, 0, wall) - untraced.least(EMPTY, 0, wall)) * 1000:.0f}")
    for name, program in PROGRAMS.items():
        seconds = traced.of_calls(name, processor) - untraced.of_calls(name, processor)
        cells.append(f"{seconds / program.all_made * 1e6:.2f}")
    stored = max(traced.of_calls(WHOLE, server), 0.0)  # a few calls take less than the noise
    cells.append(f"{stored / calls * 1e6:.2f}" if tool.needs_server else "-")
    cells.append(f"{traced.least(*whole, wall) / untraced.least(*whole, wall):.1f}")
    cells.append(f"{traced.least(*whole, until_stored) / untraced.least(*whole, wall):.1f}")
    cells.append(f"{traced.least(*whole, peak_mb) - untraced.least(*whole, peak_mb):.1f}")
    cells.append(f"{traced.least(*whole, files_mb):.1f}")
    for name, program in PROGRAMS.items():
        count = traced.calls[name]
        cells.append("-" if count is None else f"{count:,} of {program.all_made:,}")
    return cells


def versioned(tool: Tool, python: str) -> str:
    """Return the name of a tool with the version that was installed, where its name has none."""
    if tool.requirement is None or "==" in tool.requirement:
        return tool.name
    asked = f"import importlib.metadata; print(importlib.metadata.version({tool.requirement!r}))"
    version = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    return tool.name.replace(tool.requirement, f"{tool.requirement} {version}")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the headings first, as a table of Markdown with columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(each, widths, strict=True)) for each in rows]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "".join(f"| {line} |\n" for line in lines)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.12", metavar="VERSION", help="default: %(default)s")
    keys = [tool.key for tool in TOOLS]
    parser.add_argument("--tools", nargs="+", choices=keys, default=keys, metavar="NAME", help="%(choices)s")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the environments there")
    options = parser.parse_args()
    try:
        python = find_python(options.python)
    except Unavailable as missing:
        parser.error(str(missing))
    tools = [tool for tool in TOOLS if tool.key in options.tools]
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        results = measure([UNTRACED, *tools], python, options.rounds, work)
        untraced = results[UNTRACED.key]
        rows = [row(tool, results[tool.key], untraced) for tool in tools if tool.key in results]
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}; untraced: " + ", ".join(
        f"{name} {untraced.least(name, program.count, wall) * 1000:.0f} ms" for name, program in PROGRAMS.items()
    ))  # fmt: skip
    print(table([HEADINGS, *rows]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
