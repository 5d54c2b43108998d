"""Measure the cost of start-up: ``python -m benchmarks.startup [--runs N] [--python PATH ...]``.

There are two figures. Each alternates with its reference, so that other load on the machine slows both alike:

- the time of the server's answer to ``initialize``, relative to ``python -c "import mcp.server"`` (at most 1.5 times)
- the time that the injected tracer adds to the start of an interpreter, ``python -c pass`` (at most 15 ms)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.runs.launcher import child_environment, make_spool, write_tracer_config
from breadcrumb_server.runs.request import make_request

MAX_RATIO = 1.5
MAX_ADDED_MS = 15.0

_INITIALIZE = (
    json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "benchmark", "version": "1"},
            },
        }
    )
    + "\n"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="of each kind (default: %(default)s)")
    parser.add_argument("--python", action="append", help="interpreters to inject (default: this one)")
    options = parser.parse_args()

    imported, answered = measure_in_turns(options.runs, import_mcp, initialize)
    ratio = min(answered) / min(imported)
    print(f"import mcp.server       {summary(imported)}")
    print(f"answer to initialize    {summary(answered)}")
    print(f"ratio of the best       {ratio:.2f}   of the medians {median(answered) / median(imported):.2f}"
          f"   (at most {MAX_RATIO})\n")  # fmt: skip

    worst = 0.0
    for python in options.python or [sys.executable]:
        with tempfile.TemporaryDirectory() as folder:
            plain, injected = measure_in_turns(options.runs * 2, bare(python), traced(python, Path(folder)))
        added = min(injected) - min(plain)
        worst = max(worst, added)
        print(f"{python}\n  python -c pass        {summary(plain)}")
        print(f"  with the tracer       {summary(injected)}")
        print(f"  added, best           {added:.1f} ms   median {median(injected) - median(plain):.1f} ms"
              f"   (at most {MAX_ADDED_MS:.0f})")  # fmt: skip
    return 0 if ratio <= MAX_RATIO and worst <= MAX_ADDED_MS else 1


def measure_in_turns(runs: int, *kinds: Callable[[], None]) -> list[list[float]]:
    """Run the kinds alternately and return their milliseconds, without the first round, which warms the caches."""
    times: list[list[float]] = [[] for _ in kinds]
    for turn in range(runs + 1):
        for kind, taken in zip(kinds, times, strict=True):
            started = time.perf_counter()
            kind()
            if turn:
                taken.append((time.perf_counter() - started) * 1000)
    return times


def import_mcp() -> None:
    subprocess.run([sys.executable, "-c", "import mcp.server"], check=True)


def initialize() -> None:
    """Start the server as a client does, and wait for its answer."""
    with subprocess.Popen(
        [sys.executable, "-m", "breadcrumb_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(_INITIALIZE)
        server.stdin.flush()
        assert "breadcrumb" in server.stdout.readline()
        server.kill()


def bare(python: str) -> Callable[[], None]:
    return lambda: _start(python, dict(os.environ))


def traced(python: str, folder: Path) -> Callable[[], None]:
    config = ProjectConfig(project="benchmark", workspace=str(folder))
    request = make_request(config, [python], 60)

    def start() -> None:
        trace_id, spool = make_spool(folder)
        write_tracer_config(spool, trace_id, config, request)
        # In a run the server reads the pipe of secrets. Without a reader the tracer's open() would fail, and cost less.
        reader = os.open(spool / "secrets.fifo", os.O_RDONLY | os.O_NONBLOCK)
        try:
            _start(python, child_environment(request, spool, os.environ))
        finally:
            os.close(reader)

    return start


def _start(python: str, environment: dict[str, str]) -> None:
    subprocess.run([python, "-c", "pass"], env=environment, check=True)


def summary(times: list[float]) -> str:
    return f"best {min(times):7.1f} ms   median {median(times):7.1f} ms"


def median(times: list[float]) -> float:
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
