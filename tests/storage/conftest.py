"""Provide a database with one trace, and a writer of its spool in the tracer's format."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from breadcrumb_storage.database import Database
from breadcrumb_storage.ingest.ingest import IngestStats, ingest_trace
from breadcrumb_storage.trace_rows import TraceStart, insert_trace

TRACE_ID = "20250110-120000-abcd"
STARTED_AT_NS = 1_736_510_400_000_000_000  # 2025-01-10 12:00:00 UTC
SEGMENT_BYTES = 1 << 16
DATABASE = "shop-traces.duckdb"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


class Segment:
    """A spool file of fixed size, filled from the front; the rest is NUL."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        path.write_bytes(bytes(SEGMENT_BYTES))

    def write(self, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(self.position)
            file.write(data)
        self.position += len(data)


class TracedProcess:
    """A writer of the spool files of one process."""

    def __init__(self, spool: Path, pid: int, started_at_ns: int) -> None:
        self.spool = spool
        self.pid = pid
        self.started_at_ns = started_at_ns
        self.key = f"{pid}-{_base36(started_at_ns)}"
        self._segments: dict[str, Segment] = {}

    def segment(self, name: str) -> Segment:
        if name not in self._segments:
            self._segments[name] = Segment(self.spool / f"{self.key}-{name}")
        return self._segments[name]

    def raw_events(self, data: bytes, segment: int = 0) -> None:
        self.segment(f"{segment}.events").write(data)

    def event(self, k: str, /, *, segment: int = 0, **fields: object) -> None:
        self.raw_events(json.dumps({"k": k, **fields}).encode() + b"\n", segment)

    def start(
        self, ppid: int = 1, parent: str | None = None, command: list[str] | None = None, clock_origin_ns: int = 0,
        **fields: Any,
    ) -> None:  # fmt: skip
        self.event(
            "process", pid=self.pid, ppid=ppid, python="3.12.1", executable="/usr/bin/python3",
            command=command or ["python", "shop.py"], cwd="/home/me", backend="monitoring", mode="full",
            started_at_ns=self.started_at_ns, clock_origin_ns=clock_origin_ns, parent=parent,
            **fields,
        )  # fmt: skip
        self.event("thread", thread=0, ident=140_000_000_000_001, name="MainThread")
        for function_id, name in ((1, "<module>"), (2, "total"), (3, "price")):
            self.function(function_id, name)

    def function(self, function_id: int, name: str, slot: int | None = None, *, exact: bool = True) -> None:
        self.event(
            "function", id=function_id, name=name, module="shop", file="/home/me/shop.py", line=function_id * 10,
            kind="function", slot=slot, exact=exact,
        )  # fmt: skip

    def raw_calls(self, data: bytes, thread: int = 0, segment: int = 0) -> None:
        self.segment(f"{thread}-{segment}.calls").write(data)

    def call(
        self, call: int, at_ns: int, parent: int = 0, function: int = 1, args: str = "{}", line: int | str = "",
        task: int | str = "", thread: int = 0, segment: int = 0, kind: str = "C",
    ) -> None:  # fmt: skip
        record = f"{kind}\t{call}\t{at_ns}\t{args}\t{parent}\t{function}\t{line}\t{task}".rstrip("\t")
        self.raw_calls(record.encode() + b"\n", thread, segment)

    def end(
        self, call: int, at_ns: int, value: str = "", outcome: int | str = "", suspended: int | str = "",
        exception: int | str = "", thread: int = 0, segment: int = 0,
    ) -> None:  # fmt: skip
        record = f"R\t{call}\t{at_ns}\t{value}\t{outcome}\t{suspended}\t{exception}".rstrip("\t")
        self.raw_calls(record.encode() + b"\n", thread, segment)

    def line(
        self, call: int, position: int, line: int | None, changes: str = "{}", at_ns: int = 0, thread: int = 0,
        segment: int = 0,
    ) -> None:  # fmt: skip
        record = f"L\t{call}\t{at_ns or 100 * position}\t{changes}\t{line or ''}\t{position}\n"
        self.raw_calls(record.encode(), thread, segment)

    def counters(self, *pairs: tuple[int, int]) -> None:
        path = self.spool / f"{self.key}.counters"
        path.write_bytes(b"".join(pack("<QQ", *pair) for pair in pairs) + bytes(64))


@dataclass
class Trace:
    """A trace of a database, with its spool folder."""

    home: Path
    trace_id: str = TRACE_ID
    database: Database = field(init=False)
    spool: Path = field(init=False)

    def __post_init__(self) -> None:
        self.database = Database(self.home / DATABASE)
        self.spool = self.home / "spool" / "shop" / self.trace_id
        self.spool.mkdir(parents=True, mode=0o700)

    def start(self) -> Trace:
        """Put the trace into the database, as the server does when it starts a command."""
        with self.database.write() as con:
            start = TraceStart(trace_id=self.trace_id, started_at=datetime(2025, 1, 10, 12), command="python shop.py")
            insert_trace(con, start)
        return self

    def another(self, trace_id: str) -> Trace:
        """Add a trace to the same database."""
        return Trace(self.home, trace_id).start()

    def process(self, pid: int = 100, started_after_ns: int = 0) -> TracedProcess:
        return TracedProcess(self.spool, pid, STARTED_AT_NS + started_after_ns)

    def ingest(self, *, final: bool = False) -> IngestStats:
        with self.database.write() as con:
            return ingest_trace(con, self.spool, self.trace_id, final=final)

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with self.database.read() as con:
            return list(con.execute(sql).fetchall())


@pytest.fixture(scope="session")
def new_trace(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Callable[[], Trace]:
    """Return a function that makes a trace in a new database, a copy of one that has the trace."""
    template = tmp_path_factory.mktemp("template")
    shutil.copy(empty_database, template / DATABASE)
    Trace(template).start()

    def make() -> Trace:
        home = tmp_path_factory.mktemp("home")
        shutil.copy(template / DATABASE, home)
        return Trace(home)

    return make


@pytest.fixture
def trace(new_trace: Callable[[], Trace]) -> Trace:
    return new_trace()


@pytest.fixture
def start_python(processes: None) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts another interpreter with some code."""

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
