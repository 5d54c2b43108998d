"""Measure the cost of start-up: ``python -m benchmarks.startup [--runs N] [--python PATH ...]``.

Each figure alternates with its reference, so that other load on the machine slows both alike:

- the time from the start of the server to its answer to ``initialize``, and to ``tools/list`` after it, relative to
  ``python -c pass`` (the median of the pairs at most 4 times)
- the time to the answer of a first call, relative to ``python -c "import mcp.server"`` (at most 1.7 times)
- the time that the injected tracer adds to the start of an interpreter, ``python -c pass`` (at most 15 ms)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common.launched import launched

from breadcrumb_server.projects.config import ProjectConfig

MAX_ANSWER_RATIO = 4.0
MAX_CALL_RATIO = 1.7
MAX_ADDED_MS = 15.0

# What a client's configuration starts.
SERVER = str(Path(sys.executable).with_name("breadcrumb-mcp"))

INITIALIZE = (
    "initialize",
    {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}},
)
LIST_TOOLS = ("tools/list", {})
CALL = ("tools/call", {"name": "list_projects", "arguments": {}})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="of each kind (default: %(default)s)")
    parser.add_argument("--python", action="append", help="interpreters to inject (default: this one)")
    options = parser.parse_args()

    failed = False
    for name, requests in (("initialize", [INITIALIZE]), ("tools/list", [INITIALIZE, LIST_TOOLS])):
        plain, answered = measure_in_turns(options.runs, bare(sys.executable), ask(*requests))
        ratio = statistics.median(one / other for one, other in zip(answered, plain, strict=True))
        failed |= ratio > MAX_ANSWER_RATIO
        print(f"python -c pass          {summary(plain)}")
        print(f"answer to {name:12}  {summary(answered)}")
        print(f"median of the ratios    {ratio:.2f}   (at most {MAX_ANSWER_RATIO:.0f})\n")

    imported, called = measure_in_turns(options.runs, import_mcp, ask(INITIALIZE, CALL))
    ratio = statistics.median(one / other for one, other in zip(called, imported, strict=True))
    failed |= ratio > MAX_CALL_RATIO
    print(f"import mcp.server       {summary(imported)}")
    print(f"answer of a first call  {summary(called)}")
    print(f"median of the ratios    {ratio:.2f}   (at most {MAX_CALL_RATIO})\n")

    worst = 0.0
    for python in options.python or [sys.executable]:
        with TemporaryDirectory() as folder:
            plain, injected = measure_in_turns(options.runs * 2, bare(python), traced(python, Path(folder)))
        added = min(injected) - min(plain)
        worst = max(worst, added)
        print(f"{python}\n  python -c pass        {summary(plain)}")
        print(f"  with the tracer       {summary(injected)}")
        print(f"  added, best           {added:.1f} ms   median {median(injected) - median(plain):.1f} ms"
              f"   (at most {MAX_ADDED_MS:.0f})")  # fmt: skip
    return 1 if failed or worst > MAX_ADDED_MS else 0


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


def ask(*requests: tuple[str, dict[str, object]]) -> Callable[[], None]:
    """Return a function that starts the server as a client does, sends requests and waits for each answer."""

    def start() -> None:
        with (
            TemporaryDirectory() as home,
            subprocess.Popen(
                [SERVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "BREADCRUMB_HOME": home},
            ) as server,
        ):
            assert server.stdin is not None and server.stdout is not None
            for method, params in requests:
                server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) + "\n")
                server.stdin.flush()
                assert "result" in json.loads(server.stdout.readline())
            server.kill()

    return start


def bare(python: str) -> Callable[[], None]:
    return lambda: _start(python, dict(os.environ))


def traced(python: str, folder: Path) -> Callable[[], None]:
    config = ProjectConfig(project="benchmark", workspace=str(folder))

    def start() -> None:
        with launched(config, python, folder, os.environ) as (_, variables):
            _start(python, variables)

    return start


def _start(python: str, environment: dict[str, str]) -> None:
    subprocess.run([python, "-c", "pass"], env=environment, check=True)


def summary(times: list[float]) -> str:
    return f"best {min(times):7.1f} ms   median {median(times):7.1f} ms"


def median(times: list[float]) -> float:
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
