"""Measure what guarding costs, and whether a server stays as it is: ``python -m benchmarks.guard [--calls N]``.

- a question in SQL in the process that can be killed and limited, relative to the same one within this process (the
  median of the pairs at most 2 times), and the first one, which starts that process
- the start and the end of a command below its reaper, relative to the start of a bare interpreter
- memory, descriptors and threads of one server after a tenth of the calls, and after all of them
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
from typing import Any

import anyio

from breadcrumb_server.runs.reaper import start
from breadcrumb_storage.database import Database
from breadcrumb_storage.sql_access.query_process import QueryProcesses
from breadcrumb_storage.sql_access.read_only_sql import run_read_only

MAX_QUESTION_RATIO = 2.0
MAX_GROWTH_MB = 40.0
MAX_GROWTH = 5  # descriptors, and threads
QUESTIONS = (
    "SELECT * FROM traces",
    "SELECT function_name, count(*) FROM calls GROUP BY ALL",
    "SELECT * FROM range(1000)",
)
# Calls of the kinds that a session has, wrong ones too.
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list_projects", {}),
    ("list_traces", {"project": "shop"}),
    ("query_traces", {"project": "shop", "sql": "SELECT count(*) FROM calls"}),
    ("query_traces", {"project": "shop", "sql": "SELEC"}),
    ("get_config", {"project": "shop"}),
    ("get_calls", {"project": "shop", "function": "f"}),
    ("find_gaps", {"project": "nowhere"}),
    ("show", {"project": "../shop", "what": ["f"]}),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="of each kind (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=10_000, help="to one server (default: %(default)s)")
    options = parser.parse_args()
    failed = False
    with TemporaryDirectory() as folder:
        failed |= measure_questions(Path(folder, "x.duckdb"), options.runs)
        measure_reaper(options.runs)
        failed |= measure_server(Path(folder), options.calls)
    return int(failed)


def measure_questions(path: Path, runs: int) -> bool:
    """Print what a question costs; return whether it is too much."""
    database = Database(path)
    with database.write():
        pass
    failed = False
    with QueryProcesses() as processes:
        first = milliseconds(lambda: processes.ask(database, "SELECT 1", 1))
        print(f"the first question {first:.0f} ms, of which most is the start of the process")
        for sql in QUESTIONS:
            pairs = [
                (
                    milliseconds(lambda sql=sql: processes.ask(database, sql, 1_000)),
                    milliseconds(lambda sql=sql: ask_here(database, sql)),
                )
                for _ in range(runs)
            ]
            ratio = statistics.median(one / other for one, other in pairs)
            failed |= ratio > MAX_QUESTION_RATIO
            print(f"{sql:58} {ratio:.2f} times   (at most {MAX_QUESTION_RATIO:.0f})")
    return failed


def ask_here(database: Database, sql: str) -> None:
    with database.read() as con:
        run_read_only(con, sql, 1_000)


def measure_reaper(runs: int) -> None:
    """Print what a command takes below its reaper, in starts of a bare interpreter."""
    bare = [sys.executable, "-I", "-S", "-c", "pass"]
    ratios = [
        milliseconds(lambda: anyio.run(run_true)) / milliseconds(lambda: subprocess.run(bare, check=True))
        for _ in range(runs)
    ]
    print(f"\nthe command `true` below its reaper takes {statistics.median(ratios):.1f} times a bare interpreter")


async def run_true() -> None:
    read, write = os.pipe()
    process = await start(
        ["true"], has_input=False, outputs=(write, write), cwd=Path("/"), environment=dict(os.environ)
    )
    await process.wait()
    await process.aclose()
    os.close(read)
    os.close(write)


def measure_server(folder: Path, calls: int) -> bool:
    """Print what a server takes after many calls; return whether it has grown."""
    with subprocess.Popen(
        [sys.executable, "-m", "breadcrumb_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "BREADCRUMB_HOME": str(folder / "home")},
        text=True,
    ) as server:
        client = {"clientInfo": {"name": "benchmark", "version": "1"}, "capabilities": {}}
        ask(server, 1, "initialize", {"protocolVersion": "2025-06-18", **client})
        call(server, 2, "init_project", {"project": "shop"})
        early: tuple[float, int, int] | None = None
        for number in range(calls):
            tool, arguments = CALLS[number % len(CALLS)]
            call(server, number + 3, tool, arguments)
            if number == calls // 10:
                early = resources(server.pid)
        late = resources(server.pid)
        assert server.stdin is not None
        server.stdin.close()
    assert early is not None
    print(f"\n{'after calls':12} {'memory':>10} {'descriptors':>12} {'threads':>8}")
    for count, (megabytes, descriptors, threads) in ((calls // 10, early), (calls, late)):
        print(f"{count:12,} {megabytes:7.1f} MB {descriptors:12} {threads:8}")
    return late[0] > early[0] + MAX_GROWTH_MB or any(
        b > a + MAX_GROWTH for a, b in zip(early[1:], late[1:], strict=True)
    )


def call(server: subprocess.Popen[str], number: int, tool: str, arguments: dict[str, Any]) -> None:
    ask(server, number, "tools/call", {"name": tool, "arguments": arguments})


def ask(server: subprocess.Popen[str], number: int, method: str, params: dict[str, Any]) -> None:
    assert server.stdin is not None and server.stdout is not None
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    while json.loads(server.stdout.readline()).get("id") != number:
        continue


def resources(pid: int) -> tuple[float, int, int]:
    """Return megabytes of memory, and the numbers of descriptors and threads of a process."""
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    used = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return used, len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    sys.exit(main())
