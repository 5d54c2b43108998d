"""Check that what was recorded is kept exactly once, whatever dies, fills up or is cut off.

    python -m benchmarks.reliability [--minutes 20] [--only ingest truncation ...] [--seed 1]

Each test repeats trials with injected faults for its share of the time, and afterwards counts the records: those that
the tracer completed must be in the database, each once. Prints a table for docs/reliability.md, and exits with 1 if a
record is missing or there twice, or if an error reached a caller that waiting would have cured.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from breadcrumb.record_format import CALLS_SUFFIX, KIND_CALL
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError

TRACE_ID = "20250110-120000-abcd"
CALLS = 4000
PAGE_BYTES = 4096
MAX_DELAY_SECONDS = 0.6

PROGRAM = f"""
import threading
def half(number, text):
    return number / 2
def work():
    for number in range({CALLS // 2 - 1}):
        half(number, "x" * (number % 90))
thread = threading.Thread(target=work)
thread.start()
work()
thread.join()
"""

# Each runs in a process of its own, which is killed; arguments: home, spool.
SCRIPT_HEAD = """
import os, sys
from pathlib import Path
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_storage import compaction
from breadcrumb_storage.database import Database
from breadcrumb_storage.ingest import spool_files
from breadcrumb_storage.ingest.ingest import ingest_trace
from breadcrumb_server.runs.recovery import recover_runs
compaction.MIN_GAIN_BYTES = compaction.MIN_GAIN = 0
spool_files.BATCH_BYTES = 1 << 15
home, spool = Path(sys.argv[1]), Path(sys.argv[2])
database = Database(home / "p-traces.duckdb", lock_timeout_seconds=60)
"""
INGEST = f"""
with database.write() as con:
    print("go", flush=True)
    ingest_trace(con, spool, {TRACE_ID!r})
"""
RECOVERY = """
print("go", flush=True)
recover_runs(spool.parent, database, ())
"""
COMPACTION = """
print("go", flush=True)
while True:
    compaction.compact(database, 0)
"""
MIGRATION = """
print("go", flush=True)
with database.write():
    pass
"""
WRITER = """
name, count = sys.argv[2:]
print("go", flush=True)
for number in range(int(count)):
    with database.write() as con:
        con.execute("INSERT INTO notices VALUES (?, ?, 'code', 'message')", [name, number])
"""
READER = """
import duckdb, time
print("go", flush=True)
while True:
    try:
        con = duckdb.connect(database.path, read_only=True)
    except duckdb.Error:
        time.sleep(0.02)
        continue
    time.sleep(0.3)
    con.close()
    time.sleep(0.05)
"""
# A server with some runs one after the other, and questions in between; prints a line of JSON for each run.
SERVER = """
import anyio, json, sys
from mcp import Client
from breadcrumb_server.mcp_server.server import build_server
from breadcrumb_server.projects.home import Home

async def main(folder, runs):
    async with Client(build_server(Home(Path(folder))), mode="legacy") as client:
        print("go", flush=True)
        for number in range(int(runs)):
            command = [sys.executable, str(Path(folder).parent / "program.py")]
            result = await client.call_tool(
                "run", dict(project="p", command=command, timeout_seconds=120, wait_seconds=120)
            )
            report = result.structured_content or {}
            errors = [result.content[0].text] if result.is_error else []
            for tool, more in (("list_traces", {}), ("get_calls", {"function": "half"})):
                answer = await client.call_tool(tool, dict(project="p", **more))
                errors += [answer.content[0].text] if answer.is_error else []
            print(json.dumps([report.get("trace_id"), report.get("status"), errors]), flush=True)

anyio.run(main, *sys.argv[1:3])
"""


@dataclass
class Result:
    """The figures of one test, added up over its trials."""

    name: str
    fault: str
    trials: int = 0
    faults: int = 0
    expected: int = 0
    found: int = 0
    wrong: int = 0

    def add(self, expected: int, found: int, *, faults: int = 1) -> None:
        """Add a trial: numbers of records, and of faults that hit."""
        self.trials += 1
        self.faults += faults
        self.expected += expected
        self.found += found
        self.wrong += expected != found

    def row(self) -> str:
        """Return the row of the table."""
        return (
            f"| {self.name} | {self.fault} | {self.trials:,} | {self.faults:,} | {self.expected:,} | {self.found:,} "
            f"| {self.wrong} |"
        )


class Bench:
    """A folder with a recorded spool, of which each trial takes a copy."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self._number = 0
        self.template = folder / "template"
        self._record()

    def _record(self) -> None:
        """Trace a program, and leave its spool as of a server that died."""
        from breadcrumb_server.projects.home import Home
        from breadcrumb_server.runs.recording import record_start
        from breadcrumb_server.runs.state import RunState

        (self.folder / "program.py").write_text(PROGRAM)
        spool = Home(self.template).spool_folder("p") / TRACE_ID
        spool.mkdir(parents=True)
        state = RunState(
            project="p", trace_id=TRACE_ID, command=["python", "program.py"], label=None, cwd="/", timeout_seconds=60,
            config="{}", not_traced_reason="", server_started=1,
        )  # fmt: skip
        record_start(Database(self.template / "p-traces.duckdb"), state)
        self.trace_into(spool)
        state.save(spool)

    def trace_into(self, spool: Path) -> None:
        """Run the program under the tracer."""
        import marshal

        from breadcrumb import record_format
        from breadcrumb_server.runs.launcher import inject_folder

        settings = {
            "format": record_format.FORMAT_VERSION, "workspace": str(self.folder), "include": ["__main__"],
            "exclude": [], "capture": {"mode": "full"}, "redact": [], "backend": "auto", "probes": [],
            "suspects": "off", "only_lines": False, "passed_lines": {},
        }  # fmt: skip
        (spool / record_format.CONFIG_FILE).write_bytes(marshal.dumps(settings, 2))
        environment = {**os.environ, "PYTHONPATH": str(inject_folder()), record_format.ENV_TRACE: str(spool)}
        subprocess.run([sys.executable, str(self.folder / "program.py")], env=environment, check=True)

    @contextmanager
    def copy(self) -> Iterator[tuple[Path, Path]]:
        """Yield a home and the spool in it, both removed afterwards."""
        self._number += 1
        home = self.folder / f"home{self._number}"
        shutil.copytree(self.template, home)
        try:
            yield home, home / "spool" / "p" / TRACE_ID
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def start(self, script: str, *arguments: object) -> subprocess.Popen[str]:
        """Start a script in a process of its own, and wait until it begins."""
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT_HEAD + script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def kill_soon(self, process: subprocess.Popen[str]) -> bool:
        """Kill a process at a random moment; return whether it was still alive."""
        time.sleep(self.random.random() ** 2 * MAX_DELAY_SECONDS)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return process.returncode == -signal.SIGKILL


def written_calls(spool: Path) -> int:
    """Return the number of calls whose beginnings are complete in a spool."""
    begins = f"{KIND_CALL}\t".encode()
    total = 0
    for file in spool.glob(f"*{CALLS_SUFFIX}"):
        data = file.read_bytes().partition(b"\0")[0]
        total += sum(line.startswith(begins) for line in data[: data.rfind(b"\n") + 1].split(b"\n"))
    return total


def stored_calls(home: Path) -> int:
    """Finish what is unfinished, and return the number of stored calls; -1 if one is there twice."""
    from breadcrumb_server.runs.recovery import recover_runs

    database = Database(home / "p-traces.duckdb", lock_timeout_seconds=60)
    recover_runs(home / "spool" / "p", database, ())
    with database.read() as con:
        ((rows, calls),) = con.execute("SELECT count(*), count(DISTINCT (trace_id, call_id)) FROM calls").fetchall()
    return int(rows) if rows == calls else -1


def kill(bench: Bench, result: Result, script: str, rounds: int) -> None:
    """Kill a script some times, then let it end, and count."""
    with bench.copy() as (home, spool):
        expected = written_calls(spool)
        hits = sum(bench.kill_soon(bench.start(script, home, spool)) for _ in range(rounds))
        result.add(expected, stored_calls(home), faults=hits)


def kill_program(bench: Bench, result: Result) -> None:
    """Kill the traced program at a random moment: each complete record is stored."""
    with bench.copy() as (home, spool):
        for file in spool.glob(f"*{CALLS_SUFFIX}"):
            file.unlink()
        for file in spool.glob("*-*"):
            file.unlink()
        process = subprocess.Popen([sys.executable, "-c", KILLED_PROGRAM, str(home), str(spool)], env=_traced(spool))
        time.sleep(0.15)  # until it has started
        hit = bench.kill_soon(process)  # type: ignore[arg-type]
        result.add(written_calls(spool), stored_calls(home), faults=hit)


KILLED_PROGRAM = "def half(n):\n    return n / 2\nwhile True:\n    half(1)\n"


def _traced(spool: Path) -> dict[str, str]:
    from breadcrumb import record_format
    from breadcrumb_server.runs.launcher import inject_folder

    return {**os.environ, "PYTHONPATH": str(inject_folder()), record_format.ENV_TRACE: str(spool)}


def kill_compaction(bench: Bench, result: Result) -> None:
    """Kill a compaction of a database whose trace is stored."""
    with bench.copy() as (home, spool):
        expected = written_calls(spool)
        stored_calls(home)
        hits = sum(bench.kill_soon(bench.start(COMPACTION, home, spool)) for _ in range(3))
        result.add(expected, stored_calls(home), faults=hits)


def kill_migration(bench: Bench, result: Result) -> None:
    """Kill the migrations of an old database."""
    from breadcrumb_storage import migrate

    with bench.copy() as (home, spool):
        expected = written_calls(spool)
        file = home / "p-traces.duckdb"
        file.unlink()
        versions = bench.random.randrange(1, len(migrate.known_migrations()))
        old = f"from breadcrumb_storage import migrate\nknown = migrate.known_migrations()[:{versions}]\n"
        bench.start(old + "migrate.known_migrations = lambda: known\n" + MIGRATION, home, spool).communicate()
        hits = sum(bench.kill_soon(bench.start(MIGRATION, home, spool)) for _ in range(3))
        result.add(expected, stored_calls(home), faults=hits)


def full_disk(bench: Bench, result: Result) -> None:
    """Recover where no file may grow beyond a random size, then without the limit."""
    limit = bench.random.randrange(0, 3 << 20)
    with bench.copy() as (home, spool):
        expected = written_calls(spool)
        limited = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n" + RECOVERY
        process = bench.start(limited, home, spool)
        process.communicate()
        result.add(expected, stored_calls(home))


def cut_off(bench: Bench, result: Result) -> None:
    """Cut one file of the spool off at each boundary of a page: what is before is stored."""
    with bench.copy() as (_, spool):
        files = [(file.name, file.stat().st_size) for file in spool.glob("*-*")]
    name, size = bench.random.choice(files)
    with bench.copy() as (home, spool):
        os.truncate(spool / name, bench.random.randrange(0, size // PAGE_BYTES + 1) * PAGE_BYTES)
        result.add(written_calls(spool), stored_calls(home))


def cut_off_database(bench: Bench, result: Result) -> None:
    """Cut a database, or its log, off at a boundary of a page: an answer or an error that names the file."""
    with bench.copy() as (home, _):
        stored_calls(home)
        file = home / "p-traces.duckdb"
        os.truncate(file, bench.random.randrange(0, file.stat().st_size // PAGE_BYTES + 1) * PAGE_BYTES)
        try:
            with Database(file).read() as con:
                con.execute("SELECT count(*), max(args) FROM call_records").fetchall()
            found = 1
        except BreadcrumbError as error:
            found = int(str(file) in str(error))
        result.add(1, found)


def many_writers(bench: Bench, result: Result) -> None:
    """Write from four processes at once: each write is kept."""
    with bench.copy() as (home, _):
        writers = [bench.start(WRITER, home, name, 25) for name in range(4)]
        codes = [(writer.communicate(), writer.returncode)[1] for writer in writers]
        with Database(home / "p-traces.duckdb").read() as con:
            ((found,),) = con.execute("SELECT count(*) FROM notices WHERE code = 'code'").fetchall()
        result.add(100, int(found), faults=sum(code != 0 for code in codes))


def many_servers(bench: Bench, result: Result, runs: int = 25) -> None:
    """Run with four servers on one project, while a user's program holds the database again and again."""
    with bench.copy() as (home, spool):
        shutil.rmtree(spool)
        settings = f'project: p\nworkspace: {bench.folder}\ninclude: ["__main__"]\ncapture: {{mode: full}}\n'
        (home / "p.yaml").write_text(settings)
        holder = bench.start(READER, home, spool)
        servers = [bench.start(SERVER, home, runs) for _ in range(4)]
        reports = [json.loads(line) for server in servers for line in server.communicate()[0].splitlines()]
        holder.kill()
        holder.communicate()
        stored_calls(home)
        with Database(home / "p-traces.duckdb").read() as con:
            complete = con.execute(
                """
                SELECT t.trace_id FROM traces t JOIN calls c USING (trace_id)
                WHERE status = 'completed' GROUP BY ALL HAVING count(*) = ?
                """,
                [CALLS + 1],
            ).fetchall()
        errors = [error for _, _, each in reports for error in each]
        for error in errors[:5]:
            print(f"error: {error}", file=sys.stderr)
        found = len({trace_id for (trace_id,) in complete} & {trace_id for trace_id, _, _ in reports})
        result.add(4 * runs, found - len(errors), faults=0)


TESTS: dict[str, tuple[str, Callable[[Bench, Result], None], float]] = {
    "program": ("SIGKILL of the traced program", kill_program, 1),
    "ingest": ("SIGKILL of ingest, three times", lambda bench, result: kill(bench, result, INGEST, 3), 2),
    "recovery": ("SIGKILL of recovery, three times", lambda bench, result: kill(bench, result, RECOVERY, 3), 2),
    "compaction": ("SIGKILL of compaction, three times", kill_compaction, 1),
    "migration": ("SIGKILL of migration, three times", kill_migration, 1),
    "full disk": ("no file may grow beyond a random size", full_disk, 1),
    "truncation": ("a file of the spool cut off at a page", cut_off, 1),
    "database": ("the database cut off at a page (1: an answer or an error with its path)", cut_off_database, 1),
    "writers": ("four processes write at once", many_writers, 1),
    "servers": ("four servers with 25 runs each, and a program that holds the database", many_servers, 1),
}


def main() -> None:
    """Run the tests, each for its share of the time and at least once, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="time for all tests together")
    parser.add_argument("--only", nargs="*", choices=list(TESTS), default=list(TESTS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ["BREADCRUMB_OVERHEAD"] = "off"
    shares = sum(TESTS[name][2] for name in options.only)
    results: list[Result] = []
    print("| test | fault | trials | faults that hit | expected | found | wrong |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.seed)
        for name in options.only:
            fault, trial, share = TESTS[name]
            result = Result(name, fault)
            end = time.monotonic() + options.minutes * 60 * share / shares
            while not result.trials or time.monotonic() < end:
                trial(bench, result)
            results.append(result)
            print(result.row(), flush=True)
    sys.exit(any(result.wrong for result in results))


if __name__ == "__main__":
    main()
