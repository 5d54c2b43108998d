"""Do what is killed, limited or held up, in a process of its own.

Each function gets a callback that it calls when what can be killed begins.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import duckdb
from benchmarks.reliability.names import DATABASE, PROJECT, TRACE_ID
from benchmarks.reliability.records import Records, stored_records
from mcp import Client

from breadcrumb_server.mcp_server.server import build_server
from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs.recovery import recover_runs
from breadcrumb_storage import compaction, migrate
from breadcrumb_storage.database import Database
from breadcrumb_storage.ingest import spool_files
from breadcrumb_storage.ingest.ingest import ingest_trace

Ready = Callable[[], None]
Call = tuple[str, dict[str, Any]]
# The name of a file, the size that it is cut off at or None, and the positions of bits that are flipped.
Damage = tuple[str, int | None, list[int]]
# A batch takes some milliseconds: an ingest has many of them, and a kill meets one in any state.
BATCH_BYTES = 1 << 15
RUN_SECONDS = 120


def _database(home: Path) -> Database:
    return Database(home / DATABASE, lock_timeout_seconds=60)


def ingest(ready: Ready, home: Path, spool: Path) -> None:
    """Read what is in a spool into the database."""
    spool_files.BATCH_BYTES = BATCH_BYTES
    with _database(home).write() as con:
        ready()
        ingest_trace(con, spool, TRACE_ID)


def ingest_into_log(ready: Ready, home: Path, spool: Path) -> None:
    """Read a spool into the write-ahead log of the database, as of a process that dies before the next checkpoint."""
    with _database(home).write() as con:
        con.execute("PRAGMA disable_checkpoint_on_shutdown")
        ingest_trace(con, spool, TRACE_ID)


def recover(ready: Ready, home: Path) -> list[str]:
    """Finish the runs of servers that died; return the errors."""
    database, failures = _database(home), dict[str, Exception]()
    ready()
    recover_runs(Home(home).spool_folder(PROJECT), database, (), failures)
    return [str(error) for error in failures.values()]


def recover_slowly(ready: Ready, home: Path) -> list[str]:
    """Finish the runs in many batches."""
    spool_files.BATCH_BYTES = BATCH_BYTES
    return recover(ready, home)


def recover_limited(ready: Ready, home: Path, largest_file: int) -> list[str]:
    """Finish the runs where no file may grow beyond a size. Python ignores the signal: writing fails."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    return recover(ready, home)


def recovered_records(ready: Ready, home: Path) -> tuple[Records, list[str], list[str]]:
    """Finish what is unfinished; return the stored records, the notices about damage, and the errors."""
    errors = recover(ready, home)
    with _database(home).read() as con:
        running = con.execute("SELECT trace_id FROM traces WHERE status = 'running'").fetchall()
    return *stored_records(home / DATABASE), errors + [f"{trace_id} is still running" for (trace_id,) in running]


def compact_forever(ready: Ready, home: Path) -> None:
    """Compact the database again and again."""
    compaction.MIN_GAIN_BYTES = compaction.MIN_GAIN = 0
    database = _database(home)
    ready()
    while True:
        compaction.compact(database, 0)


def make_older(ready: Ready, home: Path, versions: int) -> None:
    """Make an empty database as an older version did."""
    known = migrate.known_migrations()[:versions]
    with duckdb.connect(home / DATABASE) as con:
        for migration in known:
            con.execute(migrate._CREATE_VERSIONS)
            con.execute(migration.sql)
            con.execute(migrate._RECORD, [migration.version, migration.name])


def open_to_write(ready: Ready, home: Path) -> None:
    """Open the database, which migrates it."""
    ready()
    with _database(home).write():
        pass


def write_often(ready: Ready, home: Path, name: str, count: int) -> None:
    """Write short transactions, each with a connection of its own."""
    database = _database(home)
    ready()
    for number in range(count):
        with database.write() as con:
            con.execute("INSERT INTO notices VALUES (?, ?, 'code', 'message')", [name, number])


def hold_often(ready: Ready, home: Path) -> None:
    """Hold the database as a user's program that reads it does, again and again."""
    ready()
    while True:
        try:
            con = duckdb.connect(home / DATABASE, read_only=True)
        except duckdb.Error:
            time.sleep(0.02)
            continue
        time.sleep(0.3)
        con.close()
        time.sleep(0.05)


def call_tools(ready: Ready, home: Path, calls: list[Call]) -> list[tuple[bool, str]]:
    """Call tools of a new server; return of each whether it failed, and its text."""

    async def main() -> list[tuple[bool, str]]:
        answers = []
        async with Client(build_server(Home(home)), mode="legacy") as client:
            ready()
            answers += [await _answer(client, tool, arguments) for tool, arguments in calls]
        return answers

    return asyncio.run(main())


def do_damage(file: Path, size: int | None, bits: list[int]) -> None:
    """Cut a file off at a size, unless that is None, and flip bits of it, given by their positions."""
    data = bytearray(file.read_bytes()[:size])
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)


def call_tools_after(
    ready: Ready, home: Path, source: Path, damages: list[Damage], calls: list[Call]
) -> list[list[tuple[bool, str]]]:
    """Call tools of one server after each damage to a copy of a home; return the answers as `call_tools` does."""
    whole = list(source.glob(f"{DATABASE}*"))

    async def main() -> list[list[tuple[bool, str]]]:
        answers = []
        async with Client(build_server(Home(home)), mode="legacy") as client:
            for name, size, bits in damages:
                for file in whole:
                    shutil.copy(file, home)
                do_damage(home / name, size, bits)
                answers.append([await _answer(client, tool, arguments) for tool, arguments in calls])
        return answers

    return asyncio.run(main())


async def _answer(client: Client, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
    answer = await client.call_tool(tool, arguments)
    return bool(answer.is_error), "".join(getattr(each, "text", "") for each in answer.content)


def run_once(ready: Ready, home: Path, program: Path) -> None:
    """Run a program with a new server."""
    call_tools(ready, home, [("run", run_arguments(program))])


def run_arguments(program: Path) -> dict[str, Any]:
    """Return the arguments of a run of a program that are recorded in full."""
    return {
        "project": PROJECT,
        "command": [sys.executable, str(program)],
        "timeout_seconds": RUN_SECONDS,
        "wait_seconds": RUN_SECONDS,
        "capture": {"mode": "full"},
    }


def run_often(ready: Ready, home: Path, program: Path, runs: int) -> list[tuple[str, list[str]]]:
    """Run a program again and again with one server, with questions in between; return trace ids and errors."""
    questions = [("list_traces", {}), ("get_calls", {"function": "half"})]

    async def main() -> list[tuple[str, list[str]]]:
        reports = []
        async with Client(build_server(Home(home)), mode="legacy") as client:
            ready()
            for _ in range(runs):
                result = await client.call_tool("run", run_arguments(program))
                errors = [str(result.content[0])] if result.is_error else []
                for tool, more in questions:
                    answer = await client.call_tool(tool, {"project": PROJECT, **more})
                    errors += [str(answer.content[0])] if answer.is_error else []
                reports.append(((result.structured_content or {}).get("trace_id", ""), errors))
        return reports

    return anyio.run(main)
