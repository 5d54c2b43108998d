"""Read a spool folder for tests, independently of the product's ingest."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format, value_format
from pythons import VERSIONS, find_python

NOTICES = {value for name, value in vars(record_format).items() if name.startswith("NOTICE_")}
TARGETS = Path(__file__).parent.parent / "targets"

_spec = importlib.util.find_spec("breadcrumb")
assert _spec is not None and _spec.origin is not None
INJECT = Path(_spec.origin).parent / "_inject"


def program(text: str) -> str:
    """Return the text of a program that is indented in a test."""
    return textwrap.dedent(text).lstrip()


# The Python that runs the tests, and one that is traced in the other way.
DEFAULT_PYTHONS = "running 3.9" if sys.version_info >= (3, 12) else "running 3.13"


def wanted_pythons() -> set[str]:
    """Return the versions that BREADCRUMB_TEST_PYTHONS names ("3.12", "running 3.9", "all"), by default two."""
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    named = os.environ.get("BREADCRUMB_TEST_PYTHONS") or DEFAULT_PYTHONS
    wanted = set(named.replace("running", running).replace("all", " ".join(VERSIONS)).split())
    if unknown := wanted - {*VERSIONS, running}:
        known = f"{', '.join(VERSIONS)}, running, all"
        raise pytest.UsageError(f"BREADCRUMB_TEST_PYTHONS names {', '.join(sorted(unknown))}; known are {known}")
    return wanted


def skip_unwanted(version: str) -> None:
    """Skip the test if BREADCRUMB_TEST_PYTHONS does not name this version."""
    if version not in wanted_pythons():
        pytest.skip(f"Python {version} is tested with BREADCRUMB_TEST_PYTHONS=all")


def interpreter(version: str) -> str:
    """Return the path of a Python of that version.

    Without one the test is skipped, or fails if BREADCRUMB_REQUIRE_PYTHONS is set (as in .ci/run).
    """
    skip_unwanted(version)
    if found := find_python(version):
        return found
    missing = f"Python {version} is needed for this test: CONTRIBUTING.md says where it is looked for"
    if os.environ.get("BREADCRUMB_REQUIRE_PYTHONS"):
        pytest.fail(missing)
    pytest.skip(missing)


@dataclass
class Line:
    """An L record: a line that starts (None: the call's end), and the changes by the line before (None: unknown)."""

    position: int
    line: int | None
    changes: dict[str, Any] | None
    at_ns: int


@cache
def equipped_interpreter(version: str, *modules: str) -> str:
    """Return the path of a Python of that version with these modules; without one the test is skipped.

    The candidates are those that BREADCRUMB_EQUIPPED_PYTHONS names (.ci/run makes them), and the running one.
    """
    skip_unwanted(version)
    named = os.environ.get("BREADCRUMB_EQUIPPED_PYTHONS", "").split(os.pathsep)
    check = f"import sys; assert sys.version_info[:2] == ({version.replace('.', ', ')}); "
    check += f"from importlib.util import find_spec; assert all(map(find_spec, {modules}))"
    for python in [*filter(None, named), sys.executable]:
        if _succeeds(python, check):
            return python
    missing = f"a Python {version} with {', '.join(modules)} is needed: name one in BREADCRUMB_EQUIPPED_PYTHONS"
    if os.environ.get("BREADCRUMB_EQUIPPED_PYTHONS") and os.environ.get("BREADCRUMB_REQUIRE_PYTHONS"):
        pytest.fail(missing)
    pytest.skip(missing)


@dataclass
class Call:
    """A recorded call, joined from its C and R records."""

    call: int
    parent: int
    function: str
    started_ns: int
    args: dict[str, Any]
    thread: int
    process: str
    outcome: int | None = None
    value: Any = None
    ended_ns: int | None = None
    suspended_ns: int = 0
    exception: int | None = None
    line: int | None = None  # the line of the caller
    task: str | None = None
    late: bool = False  # recorded while it was running
    lines: list[Line] = field(default_factory=list)
    yields: list[tuple[int, Any]] = field(default_factory=list)  # position, value

    def steps(self, first_line: int = 0) -> list[tuple[int | None, dict[str, Any] | None]]:
        """Return each executed line, relative to *first_line*, with the variables that it changed."""
        assert [line.position for line in self.lines] == list(range(len(self.lines)))
        return [
            (None if line.line is None else line.line - first_line, following.changes)
            for line, following in zip(self.lines, self.lines[1:], strict=False)
        ]


@dataclass
class Spool:
    """The content of a spool folder."""

    folder: Path
    exit_code: int
    stdout: str
    stderr: str
    calls: list[Call] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    counters: dict[str, memoryview] = field(default_factory=dict)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["k"] == kind]

    def named(self, function: str) -> list[Call]:
        return [call for call in self.calls if call.function == function]

    def one(self, function: str) -> Call:
        (call,) = self.named(function)
        return call

    def tree(self) -> list[tuple[str, str]]:
        """Return (caller, callee) of each call in the order of ids, which are unique within a process only."""
        names = {(c.process, c.call): c.function for c in self.calls}
        return [(names.get((c.process, c.parent), ""), c.function) for c in sorted(self.calls, key=lambda c: c.call)]

    def gap(self, function: str) -> tuple[int, int, dict[str, Any]]:
        """Return the calls and nanoseconds of a gap, over all callers, and one of its records."""
        records = {(g["process"], g["slot"]): g for g in self.of("gap") if g["function"] == function}
        assert records, f"no gap {function}: {sorted({g['function'] for g in self.of('gap')})}"
        count = sum(self.counters[process][2 * slot] for process, slot in records)
        spent = sum(self.counters[process][2 * slot + 1] for process, slot in records)
        return count, spent, next(iter(records.values()))

    def count(self, function: str) -> tuple[int, bool]:
        """Return the number of calls of a function in the only process, recorded or not, and whether it is exact."""
        record = [f for f in self.of("function") if f["name"] == function][-1]
        return self.counters[record["process"]][2 * record["slot"]], record["exact"]

    def counted_ns(self, function: str) -> int:
        """Return the nanoseconds of the calls that were only counted."""
        record = [f for f in self.of("function") if f["name"] == function][-1]
        return self.counters[record["process"]][2 * record["slot"] + 1]


@cache  # unlike the function that asks, which may end in a skip
def _succeeds(python: str, code: str) -> bool:
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def without_numbers(value: Any) -> Any:
    """Return a recorded value without the numbers of its objects, which differ from run to run in sets."""
    if isinstance(value, dict):
        return {key: without_numbers(item) for key, item in value.items() if key != value_format.OBJECT_KEY}
    if isinstance(value, (list, tuple)):
        return [without_numbers(item) for item in value]
    return re.sub(r"#\d+>$", ">", value) if isinstance(value, str) else value


def data_of(path: Path) -> str:
    """Return the complete records of a segment."""
    data = path.read_bytes().split(b"\0", 1)[0]
    return data[: data.rfind(b"\n") + 1].decode()


def read_spool(spool: Spool) -> Spool:
    functions: dict[tuple[str, int], str] = {}
    tasks: dict[tuple[str, int], str] = {}
    owners: dict[tuple[str, int], list[tuple[int, int]]] = {}  # by stream: (first call, thread)
    for path in sorted(spool.folder.glob("*" + record_format.EVENTS_SUFFIX)):
        process = path.name.rpartition("-")[0]
        for line in data_of(path).split("\n")[:-1]:
            event = json.loads(line)
            event["process"] = process
            spool.events.append(event)
            if event["k"] == "function":
                functions[process, event["id"]] = event["name"]
            elif event["k"] == "thread":
                owners.setdefault((process, event["stream"]), []).append((event["first_call"], event["thread"]))
            elif event["k"] == "task":
                tasks[process, event["task"]] = event["name"]
            elif event["k"] == record_format.EVENT_NOTICE:
                assert event["code"] in NOTICES, event
    calls: dict[tuple[str, int], Call] = {}
    lines, yields, returns = [], [], []
    for path in sorted(spool.folder.glob("*" + record_format.CALLS_SUFFIX)):
        process, stream, _ = path.name.removesuffix(record_format.CALLS_SUFFIX).rsplit("-", 2)
        for line in data_of(path).split("\n")[:-1]:
            fields = line.split("\t")
            key = (process, int(fields[1]))
            if fields[0] in (record_format.KIND_CALL, record_format.KIND_LATE_CALL):
                name = functions[process, int(fields[5])]
                args = json.loads(fields[3])
                thread = max(owner for owner in owners[process, int(stream)] if owner[0] <= key[1])[1]
                call = Call(key[1], int(fields[4]), name, int(fields[2]), args, thread, process)
                call.late = fields[0] == record_format.KIND_LATE_CALL
                call.line = int(fields[6]) if len(fields) > 6 and fields[6] else None
                call.task = tasks[process, int(fields[7])] if len(fields) > 7 else None
                calls[key] = call
            elif fields[0] == record_format.KIND_LINE:
                lines.append((int(fields[5]), key, fields))
            elif fields[0] == record_format.KIND_YIELD:
                yields.append((int(fields[5]), key, fields[3]))
            else:
                returns.append((key, fields))
    for position, key, fields in sorted(lines):  # a generator may go on in another thread
        changes = json.loads(fields[3]) if fields[3] else None
        calls[key].lines.append(Line(position, int(fields[4]) if fields[4] else None, changes, int(fields[2])))
    for position, key, text in sorted(yields):
        calls[key].yields.append((position, json.loads(text) if text else None))
    for key, fields in returns:
        call = calls[key]
        assert call.outcome is None, f"two ends of call {key}"
        call.ended_ns = int(fields[2])
        call.value = json.loads(fields[3]) if fields[3] else None
        call.outcome = int(fields[4]) if len(fields) > 4 else record_format.OUTCOME_RETURNED
        call.suspended_ns = int(fields[5]) if len(fields) > 5 else 0
        call.exception = int(fields[6]) if len(fields) > 6 else None
    spool.calls = sorted(calls.values(), key=lambda call: call.started_ns)
    for path in spool.folder.glob("*" + record_format.COUNTERS_SUFFIX):
        spool.counters[path.stem] = memoryview(path.read_bytes()).cast("Q")
    return spool


Trace = Callable[..., Spool]
