"""Fixtures for answers: a project database with the rows that a test adds to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import duckdb
import pytest

from breadcrumb_server.answers.calls.answer import get_calls
from breadcrumb_server.answers.compare.answer import compare_traces
from breadcrumb_server.answers.exceptions.answer import find_exceptions
from breadcrumb_server.answers.find.answer import find
from breadcrumb_server.answers.flow.answer import get_flow
from breadcrumb_server.answers.gaps.answer import find_gaps
from breadcrumb_server.answers.performance.answer import analyze_performance
from breadcrumb_server.answers.report.answer import build_report
from breadcrumb_server.answers.search import search_values
from breadcrumb_server.answers.show.answer import show
from breadcrumb_server.answers.sql import query_traces
from breadcrumb_server.answers.traces import list_traces
from breadcrumb_storage.database import Database
from breadcrumb_storage.sql_access.read_only_sql import run_read_only

STARTED = datetime(2025, 1, 10, 12, 0, 0)
STARTED_NS = 1_736_510_400_000_000_000
WORKSPACE = "/work/shop"


class Connection:
    """A connection that keeps rows until something else is done with it: one by one, each takes as long as a query."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._rows: dict[tuple[str, ...], list[Any]] = {}

    def insert(self, table: str, row: dict[str, Any]) -> None:
        self._rows.setdefault((table, *row), []).extend(row.values())

    def __getattr__(self, name: str) -> Any:
        for (table, *columns), values in self._rows.items():
            marks = f"({', '.join('?' * len(columns))})"
            rows = ", ".join([marks] * (len(values) // len(columns)))
            self._con.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {rows}", values)
        self._rows.clear()
        return getattr(self._con, name)


class TraceBuilder:
    """Adds the rows of one trace, with times in milliseconds from its start."""

    def __init__(self, con: Connection, trace_id: str, **columns: Any) -> None:
        self.con = con
        self.trace_id = trace_id
        config = {"workspace": WORKSPACE, "include": ["__main__", "shop"], "exclude": [], **columns.pop("config", {})}
        row = {
            "status": "completed", "started_at": STARTED, "duration_ms": 1234.5678, "command": "python main.py",
            "cwd": WORKSPACE, "timeout_seconds": 60.0, "exit_code": 0,
        }  # fmt: skip
        self._insert("traces", {**row, "config": json.dumps(config), **columns})
        found = con.execute("SELECT trace_no FROM traces WHERE trace_id = ?", [trace_id]).fetchone()
        assert found is not None
        self.trace_no = found[0]
        self._functions, self._calls, self._exceptions, self._slots = count(1), count(1), count(1), count()
        self._tests = count(1)

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        by_number = table in ("call_records", "line_records", "yield_records")
        row = {"trace_no": self.trace_no, **row} if by_number else {"trace_id": self.trace_id, **row}
        self.con.insert(table, row)

    def process(self, process_id: int = 0, *, thread: str = "MainThread", ended: bool = True, **columns: Any) -> None:
        ended_at = STARTED + timedelta(seconds=1) if ended else None
        row = {
            "process_key": f"{process_id}-a",
            "pid": 100 + process_id,
            "command": "python main.py",
            "mode": "adaptive",
        }
        self._insert("processes", {"process_id": process_id, **row, "ended_at": ended_at, **columns})
        self.thread(0, thread, process_id)

    def thread(self, thread_id: int, name: str, process_id: int = 0) -> None:
        self._insert("threads", {"process_id": process_id, "thread_id": thread_id, "ident": thread_id, "name": name})

    def function(self, name: str, module: str = "shop.pricing", line: int = 1, **columns: Any) -> int:
        number = next(self._functions)
        file = f"{WORKSPACE}/{module.replace('.', '/')}.py" if module != "__main__" else f"{WORKSPACE}/main.py"
        row = {"process_id": 0, "function_name": name, "module_name": module, "file": file, "line": line}
        self._insert("functions", {"function_id": number, "kind": "function", **row, **columns})
        return number

    def call(
        self,
        function: int,
        parent: int | None = None,
        *,
        args: dict[str, Any] | str | None = None,
        returns: Any = None,
        raises: int | None = None,
        at_ms: float | None = None,
        ms: float | None = 1.0,
        **columns: Any,
    ) -> int:
        """Add a call; one with ``ms`` None is unfinished."""
        number = next(self._calls)
        at = number if at_ms is None else at_ms
        ended = ms is not None
        row = {
            "process_id": 0, "thread_id": 0, "call_id": number, "parent_call_id": parent, "function_id": function,
            "started_ns": STARTED_NS + int(at * 1e6), "duration_ns": int(ms * 1e6) if ms is not None else None,
            "outcome": (0 if raises is None else 1) if ended else None, "exception_id": raises,
            "args": args if isinstance(args, str) else json.dumps(args or {}),
            "return_value": json.dumps(returns) if ended and raises is None else None,
        }  # fmt: skip
        self._insert("call_records", {**row, **columns})
        return number

    def lines(
        self,
        call: int,
        *lines: tuple[int | None, dict[str, Any] | None],
        first: int = 0,
        at_ms: list[float] | None = None,
    ) -> None:
        """Add lines of a call as the tracer records them: (line that starts, changes by the line before it)."""
        self.con.execute(
            "INSERT INTO line_records (trace_no, process_id, call_id, position, line, changes, at_ns) "
            "SELECT ?, 0, ?, unnest(?::INTEGER[]), unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::BIGINT[])",
            [
                self.trace_no,
                call,
                list(range(first, first + len(lines))),
                [line for line, _ in lines],
                [None if changes is None else json.dumps(changes) for _, changes in lines],
                [STARTED_NS + int(at * 1e6) for at in at_ms] if at_ms else [None] * len(lines),
            ],
        )

    def yields(self, call: int, *values: Any, count: int | None = None, at_ms: float = 0) -> None:
        """Add the first values that a generator yielded, a millisecond apart, and their ``count`` if there were more."""
        for position, value in enumerate(values):
            self._yield(call, position, json.dumps(value), at_ms + position)
        if count is not None:
            self._yield(call, count - 1, None, None)

    def _yield(self, call: int, position: int, value: str | None, at_ms: float | None) -> None:
        at_ns = None if at_ms is None else STARTED_NS + int(at_ms * 1e6)
        row = {"process_id": 0, "call_id": call, "position": position, "value": value, "at_ns": at_ns}
        self._insert("yield_records", row)

    def exception(self, type: str = "KeyError", message: str = "'rate'", **columns: Any) -> int:
        number = next(self._exceptions)
        row = {
            "process_id": 0, "exception_type": type, "exception_message": message, "thread_id": 0,
            "raised_at": STARTED + timedelta(milliseconds=number), "function_name": "total",
            "module_name": "shop.pricing", "file": f"{WORKSPACE}/shop/pricing.py", "line": 14,
        }  # fmt: skip
        self._insert("exceptions", {"exception_id": number, **row, **columns})
        return number

    def gap(
        self, name: str, module: str, *, caller: int | None = None, calls: int = 1, ms: float = 0, **columns: Any
    ) -> None:
        row = {
            "process_id": 0, "slot": next(self._slots), "function_name": name, "module_name": module,
            "file": f"{WORKSPACE}/{module.replace('.', '/')}.py", "line": 1, "kind": "python", "caller_id": caller,
            "exact": True, "call_count": calls, "time_ns": int(ms * 1e6),
        }  # fmt: skip
        self._insert("gap_records", {**row, **columns})

    def further_raises(self, count: int, **columns: Any) -> None:
        row = {
            "process_id": 0, "slot": next(self._slots), "exception_type": "KeyError", "function_name": "total",
            "module_name": "shop.pricing", "file": f"{WORKSPACE}/shop/pricing.py", "line": 14, "further_count": count,
        }  # fmt: skip
        self._insert("exception_counts", {**row, **columns})

    def task(self, task_id: int, name: str, **columns: Any) -> None:
        self._insert("tasks", {"process_id": 0, "task_id": task_id, "name": name, **columns})

    def stack(self, number: int, frames: list[tuple[str, int, str, dict[str, Any] | None]], **columns: Any) -> None:
        """Add a thread's frames, the innermost first, as (file, line, function, variables)."""
        for depth, (file, line, function, variables) in enumerate(frames):
            path = file if file.startswith("/") else f"{WORKSPACE}/{file}"
            row = {
                "process_id": 0, "stack_id": number, "thread_ident": number, "thread_name": f"thread-{number}",
                "depth": depth, "function_name": function, "file": path, "line": line,
                "module_name": file.removesuffix(".py").replace("/", "."), "source": "python", "reason": "timeout",
                "locals": None if variables is None else json.dumps(variables),
            }  # fmt: skip
            self._insert("stacks", {**row, **columns})

    def test(
        self, node_id: str, first_call: int, last_call: int | None, outcome: str | None = "passed", **columns: Any
    ) -> None:
        """Add a test with its first and last call id; one without a last call has not ended."""
        number = next(self._tests)
        row = {
            "process_id": 0, "test_id": number, "node_id": node_id, "outcome": outcome, "phase": outcome and "call",
            "started_at": STARTED + timedelta(milliseconds=10 * number), "first_call_id": first_call,
            "last_call_id": last_call, "duration_ms": None if last_call is None else 9.0,
        }  # fmt: skip
        self._insert("tests", {**row, **columns})

    def notice(self, code: str, message: str) -> None:
        self._insert("notices", {"process_id": 0, "code": code, "message": message})


class Project:
    """A database to which traces can be added."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = Connection(con)
        self._numbers = count(1)

    def trace(self, trace_id: str | None = None, **columns: Any) -> TraceBuilder:
        number = next(self._numbers)
        return TraceBuilder(self.con, trace_id or f"20250110-12000{number}-{number:04x}", **columns)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with Database(tmp_path_factory.mktemp("answers") / "shop-traces.duckdb").write() as con:
        yield con


@pytest.fixture
def project(database: duckdb.DuckDBPyConnection) -> Iterator[Project]:
    """Share one empty database between all tests: opening one takes as long as most of their queries."""
    database.begin()  # one transaction for all rows, which halves the time of these tests
    yield Project(database)
    database.rollback()


class Shop:
    """A program that fails five calls deep: main -> checkout -> total -> price, with the rate missing."""

    def __init__(self, trace: TraceBuilder) -> None:
        self.trace = trace
        trace.process()
        main = trace.function("<module>", "__main__", 1, kind="module")
        checkout = trace.function("checkout", "shop.cart", 30)
        self.total = trace.function("total", "shop.pricing", 12)
        self.price = trace.function("price", "shop.pricing", 4)
        self.error = trace.exception(
            call_id=5,
            uncaught=True,
            handled=False,
            locals=json.dumps({"items": [{"sku": "a"}], "rate": None, "table": {}}),
            stack_trace="/work/shop/main.py:3 in <module>\n/work/shop/shop/cart.py:33 in checkout\n"
            "/work/shop/shop/pricing.py:14 in total",
        )
        root = trace.call(main, ms=50, raises=self.error)
        good = trace.call(checkout, root, args={"order": 1}, returns=True, ms=4, call_line=2)
        trace.call(self.total, good, args={"items": [{"sku": "b"}], "rate": 0.2}, returns=1.2, ms=3, call_line=33)
        bad = trace.call(checkout, root, args={"order": 2}, raises=self.error, ms=5, call_line=3)
        args = {"items": [{"sku": "a", "note": "x" * 3000}], "rate": None}
        self.failing = trace.call(self.total, bad, args=args, raises=self.error, ms=4, call_line=33)
        for _ in range(2):
            trace.call(self.price, self.failing, args={"sku": "a"}, returns=1, ms=0.0123456, call_line=13)


@pytest.fixture
def shop(project: Project) -> Shop:
    return Shop(project.trace(status="failed", exit_code=1, stderr_tail="Traceback ...\nKeyError: 'rate'\n"))


@pytest.fixture
def rich(project, shop):
    """Make a failed run that has something for each part of each answer, after one that completed."""
    before = project.trace("before", command="python other.py")
    before.process()
    before.call(before.function("<module>", "__main__"), args={}, returns=1)
    trace = shop.trace
    trace.process(1, thread="worker", ended=False, parent_process_id=0)
    trace.thread(1, "second")
    trace.gap("helper", "shop.helpers", caller=1, calls=3, ms=2)
    trace.gap("encode", "json.codec", caller=2, calls=5, kind="c", file=None)
    handled = trace.exception("ValueError", "bad", handled=True, handled_by="shop.cart:checkout:31", call_id=2)
    trace.exception("OSError", "gone", handled=False, call_id=3, cause_id=handled)
    trace.further_raises(4)
    loop = trace.function("loop", "shop.loops", 50)
    first = trace.call(loop, args={"items": [1, 2, 3], "price": 12.5}, returns=[1, 2], ms=200)
    trace.lines(first, (51, {"items": [1]}), (52, {"total": 1}), (51, {"total": 2}), (None, {"total": 3}))
    trace.call(trace.function("values", "shop.loops", 60, kind="generator"), args={}, returns=None, ms=3)
    trace.yields(9, 1, 2, count=30)
    for number in range(40):
        trace.call(loop, first, args={"items": [number], "price": number}, returns=number, ms=2 + number)
    trace.call(loop, args={"items": []}, ms=None)
    trace.stack(0, [("shop/pricing.py", 14, "total", {"rate": None}), ("main.py", 3, "<module>", None)])
    trace.task(1, "Task-1")
    for number in range(3):
        trace.test(f"tests/test_cart.py::test_{number}", 2, 5, "failed", exception_id=1, message="KeyError: 'rate'")
    trace.test("tests/test_cart.py::test_good", 6, 7)
    trace.con.execute(
        "UPDATE traces SET config = json_merge_patch(config, ?) WHERE trace_id = ?",
        ['{"capture": {"lines": ["loop"]}}', trace.trace_id],
    )
    trace.notice("trace_full", "The trace is full.")
    return trace


@pytest.fixture
def every_answer(project, rich) -> dict[str, Callable[[], Any]]:
    """Return a function for the answer of each tool about a trace, by the name of the tool."""
    con, trace_id = project.con, rich.trace_id
    return {
        "get_trace": lambda: build_report(con, "shop", trace_id=trace_id),
        "list_traces": lambda: list_traces(con, "shop"),
        "find_gaps": lambda: find_gaps(con, "shop", trace_id=trace_id),
        "get_calls": lambda: get_calls(con, "shop", function="shop.loops:loop", trace_id=trace_id),
        "find_exceptions": lambda: find_exceptions(con, "shop", trace_id=trace_id),
        "get_flow": lambda: get_flow(con, "shop", trace_id=trace_id),
        "analyze_performance": lambda: analyze_performance(con, "shop", function="loop", trace_id=trace_id),
        "search_values": lambda: search_values(con, "shop", text="12.5", trace_id=trace_id),
        "compare_traces": lambda: compare_traces(con, "shop", base_trace_id="before", trace_id=trace_id),
        "show": lambda: show(con, "shop", what=["shop.loops:loop", "checkout"], trace_id=trace_id)[0],
        "find": lambda: find(con, "shop", name="items", trace_id=trace_id)[0],
        "query_traces": lambda: query_traces(partial(run_read_only, con), "shop", sql="SELECT * FROM traces"),
    }
