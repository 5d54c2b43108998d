"""Measure time and size of every answer on a trace of one million calls: ``python -m benchmarks.answers``.

The times are the best and the median of several runs on an open database, which is what the server's tools use. The
trace has 200 functions, 8 threads with calls eight deep, long arguments, an exception in 200 calls, 2,000 gaps and one
recursion 900 deep. ``--traces 50`` fills as many such traces of 200,000 calls, and asks about the last one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from breadcrumb_server.answers.calls.answer import get_calls
from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.common.model import Answer
from breadcrumb_server.answers.compare.answer import compare_traces
from breadcrumb_server.answers.exceptions.answer import find_exceptions
from breadcrumb_server.answers.find.answer import find
from breadcrumb_server.answers.flow.answer import FlowView, get_flow
from breadcrumb_server.answers.gaps.answer import find_gaps
from breadcrumb_server.answers.performance.answer import analyze_performance
from breadcrumb_server.answers.report.answer import build_report
from breadcrumb_server.answers.search import search_values
from breadcrumb_server.answers.sql import query_traces
from breadcrumb_server.answers.traces import list_traces
from breadcrumb_storage.database import Database, checkpoint
from breadcrumb_storage.sql_access.read_only_sql import run_read_only

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TRACE = "20250110-120000-beef"
OTHER_TRACE = "20250110-130000-cafe"
EQUAL_TRACE = "20250110-140000-a11e"
CALLS, CALLS_OF_MANY = 1_000_000, 200_000
MAX_MILLISECONDS = 300

_FILL = """
INSERT INTO traces (trace_id, status, started_at, duration_ms, command, cwd, exit_code, config) VALUES
    ('{trace}', 'failed', TIMESTAMP '2025-01-10 12:00:00', 60000, 'python main.py', '/work/shop', 1,
     '{{"workspace": "/work/shop", "include": ["__main__"]}}');
INSERT INTO processes (trace_id, process_id, process_key, pid, ended_at)
    VALUES ('{trace}', 0, '1-a', 1, TIMESTAMP '2025-01-10 12:01:00');
INSERT INTO threads (trace_id, process_id, thread_id, ident, name)
    SELECT '{trace}', 0, i, i, 'worker-' || i FROM range(8) t(i);
INSERT INTO functions (
    trace_id, process_id, function_id, function_name, module_name, file, line, kind, slot, started_count)
    SELECT '{trace}', 0, i, 'function_' || i, 'shop.module_' || i % 7, '/work/shop/shop/module_' || i % 7 || '.py',
           i, 'function', i, {calls} // 100 FROM range(200) t(i);
-- Eight deep: within each block of eight ids, every call is the parent of the next.
INSERT INTO call_records (
    trace_no, process_id, thread_id, call_id, parent_call_id, function_id, started_ns, duration_ns, child_ns,
    suspended_ns, outcome, exception_id, call_line, task_id, args, return_value)
    SELECT 1, 0, i // 8 % 8, i, CASE WHEN i % 8 = 0 THEN NULL ELSE i - 1 END, i % 200,
           1736510400000000000 + i * 1000, (8 - i % 8) * 2000 + i % 97 * 10, (7 - i % 8) * 2000, 0,
           CASE WHEN i % 200 = 7 THEN 1 ELSE 0 END, CASE WHEN i % 200 = 7 THEN i // 200 ELSE NULL END, i % 50, NULL,
           '{{"order": ' || i || ', "name": "' || repeat('x', 60) || '", "rate": ' ||
               CASE WHEN i % 1000 = 0 THEN 'null' ELSE '0.2' END || '}}', i::VARCHAR
    FROM range(1, {calls} + 1) t(i);
-- A recursion that was still running at the end of the trace.
INSERT INTO call_records (
    trace_no, process_id, thread_id, call_id, parent_call_id, function_id, started_ns, duration_ns, child_ns,
    suspended_ns, outcome, exception_id, call_line, task_id, args, return_value)
    SELECT 1, 0, 0, {calls} + i, CASE WHEN i = 1 THEN NULL ELSE {calls} + i - 1 END, 3,
           1736510400000000000 + ({calls} + i) * 1000, NULL, 0, 0, NULL, NULL, 5, NULL, '{{"n": ' || i || '}}', NULL
    FROM range(1, 901) t(i);
INSERT INTO exceptions (
    trace_id, process_id, exception_id, exception_type, exception_message, raised_at, thread_id, call_id,
    function_name, module_name, file, line, stack_trace, locals, uncaught, handled, handled_by)
    SELECT '{trace}', 0, i, 'KeyError', CASE WHEN i % 2 = 0 THEN 'missing' ELSE 'order ' || i END,
           TIMESTAMP '2025-01-10 12:00:01', 0, CASE WHEN i = 0 THEN {calls} + 900 ELSE i * 200 + 7 END,
           'function_7', 'shop.module_0', '/work/shop/shop/module_0.py', 9, repeat('frame' || chr(10), 40),
           '{{"order": ' || i || '}}', i = 0, i <> 0, 'shop.module_6:function_6:7'
    FROM range({calls} // 200) t(i);
INSERT INTO gap_records (
    trace_id, process_id, slot, function_name, module_name, file, line, kind, caller_id, exact, call_count, time_ns)
    SELECT '{trace}', 0, i, 'helper_' || i, 'shop.helpers.part_' || i % 40, '/work/shop/shop/helpers/part.py', i,
           'python', i % 200, true, i, i * 1000
    FROM range(2000) t(i);
"""

# A thousand tests that together made all calls; one in fifty failed.
_FILL_TESTS = """
INSERT INTO tests
    SELECT '{trace}', 0, i, 'tests/test_shop.py::test_' || i, 0, CASE WHEN i % 50 = 7 THEN 'failed' ELSE 'passed' END,
           'call', TIMESTAMP '2025-01-10 12:00:00' + to_milliseconds(i), 1.0, i * {calls} // 1000 + 1,
           (i + 1) * {calls} // 1000, CASE WHEN i % 50 = 7 THEN i * ({calls} // 200) // 1000 END,
           CASE WHEN i % 50 = 7 THEN 'KeyError' END, CASE WHEN i % 50 = 7 THEN 'order ' || i END
    FROM range(1000) t(i);
"""

# A copy of the run.
_FILL_COPY = """
INSERT INTO traces BY NAME
    SELECT * REPLACE ('{copy}' AS trace_id, {number} AS trace_no) FROM traces WHERE trace_id = '{trace}';
INSERT INTO processes BY NAME SELECT * REPLACE ('{copy}' AS trace_id) FROM processes WHERE trace_id = '{trace}';
INSERT INTO threads BY NAME SELECT * REPLACE ('{copy}' AS trace_id) FROM threads WHERE trace_id = '{trace}';
INSERT INTO functions BY NAME SELECT * REPLACE ('{copy}' AS trace_id) FROM functions WHERE trace_id = '{trace}';
INSERT INTO exceptions BY NAME SELECT * REPLACE ('{copy}' AS trace_id) FROM exceptions WHERE trace_id = '{trace}';
INSERT INTO tests BY NAME SELECT * REPLACE ('{copy}' AS trace_id) FROM tests WHERE trace_id = '{trace}';
INSERT INTO gap_records BY NAME SELECT * REPLACE ('{copy}' AS trace_id) FROM gap_records WHERE trace_id = '{trace}';
INSERT INTO call_records BY NAME
    SELECT * REPLACE ({number} AS trace_no{changes}) FROM call_records WHERE trace_no = {original};
"""
# One argument and one result in the second half differ.
_CHANGES = """,
    CASE WHEN call_id = {calls} * 7 // 10 THEN '{{"order": null}}' ELSE args END AS args,
    CASE WHEN call_id = {calls} * 6 // 10 THEN 'null' ELSE return_value END AS return_value"""
_CHANGE_TESTS = """
UPDATE tests SET outcome = CASE outcome WHEN 'failed' THEN 'passed' ELSE 'failed' END
WHERE trace_id = '{copy}' AND test_id % 90 = 7
"""


def questions(con: DuckDBPyConnection, calls_made: int) -> dict[str, Callable[[], Answer]]:
    """Return one question for each answer, and for get_calls one for each costly kind of condition."""
    late = calls_made * 7 // 10 + 1

    def calls(function: str, **where: object) -> Callable[[], Answer]:
        return lambda: get_calls(con, "shop", function=function, where=where)

    def sql(text: str) -> Callable[[], Answer]:
        return lambda: query_traces(partial(run_read_only, con), "shop", sql=text)

    def histories(**wanted: str) -> Callable[[], Answer]:
        return lambda: find(con, "shop", **wanted)[0]  # pyright: ignore[reportArgumentType]

    return {
        "run report": lambda: build_report(con, "shop", trace_id=TRACE),
        "list_traces": lambda: list_traces(con, "shop"),
        "find_gaps": lambda: find_gaps(con, "shop"),
        "find_exceptions": lambda: find_exceptions(con, "shop"),
        "find_exceptions, since": lambda: find_exceptions(con, "shop", since="2025-01-01", limit=30),
        "get_calls, one function": calls("shop.module_3:function_3"),
        "get_calls, all functions": calls("*"),
        "get_calls, no such function": calls("functoin_3"),
        "get_calls, call_id": calls("", call_id=late),
        "get_calls, caller": calls("function_9", caller="shop.module_1:function_8"),
        "get_calls, argument": calls("function", **{"args.rate": None}),
        "get_calls, comparison": calls("function_9", **{"args.order": {">": late}}),
        "get_calls, result": calls("function", result=late),
        "get_calls, contains": calls("function", contains=f'"order": {late}'),
        "get_calls, unfinished": calls("", outcome="unfinished"),
        "get_flow": lambda: get_flow(con, "shop"),
        "get_flow, one function": lambda: get_flow(con, "shop", view=FlowView(function="function_9")),
        "get_flow, one call": lambda: get_flow(con, "shop", view=FlowView(root_call_id=late)),
        "get_flow, a deep recursion": lambda: get_flow(con, "shop", view=FlowView(root_call_id=calls_made + 1)),
        "get_flow, around a call": lambda: get_flow(con, "shop", view=FlowView(around_call_id=late + 3)),
        "get_flow, a moment": lambda: get_flow(con, "shop", view=FlowView(at_ms=calls_made / 2000)),
        "analyze_performance": lambda: analyze_performance(con, "shop"),
        "analyze_performance, one function": lambda: analyze_performance(con, "shop", function="function_9"),
        "search_values": lambda: search_values(con, "shop", text=str(late)),
        "find, an argument of all calls": histories(name="order"),
        "find, an argument of one function": histories(name="order", of="function_9"),
        "find, no such name": histories(name="ordre"),
        "find, a value": histories(value=str(late)),
        "find, a value of all calls": histories(value="0.2"),
        "find, an exception": histories(exception="KeyError"),
        "query_traces": sql(
            f"SELECT function_name, count(*) FROM trace_events WHERE trace_id = '{TRACE}' GROUP BY ALL"
        ),
        "query_traces, all traces": sql("SELECT function_name, count(*) FROM trace_events GROUP BY function_name"),
    }


def questions_about_tests(con: DuckDBPyConnection, calls_made: int) -> dict[str, Callable[[], Answer]]:
    """Return questions about a trace with tests."""
    return {
        "run report, of tests": lambda: build_report(con, "shop", trace_id=TRACE),
        "get_calls, with their tests": lambda: get_calls(con, "shop", function="*", limit=200),
        "get_calls, a test": lambda: get_calls(con, "shop", function="*", where={"test": "test_shop.py::test_700"}),
        "get_calls, many tests": lambda: get_calls(con, "shop", function="*", where={"test": "test_*7"}),
        "get_flow, a test": lambda: get_flow(con, "shop", view=FlowView(test="test_shop.py::test_700")),
        "find_exceptions, of tests": lambda: find_exceptions(con, "shop", limit=30),
        "find_exceptions, many tests": lambda: find_exceptions(con, "shop", test="test_*7", limit=30),
    }


def comparisons(con: DuckDBPyConnection, calls_made: int) -> dict[str, Callable[[], Answer]]:
    """Return comparisons of two traces of one million calls each."""
    return {
        "compare_traces": lambda: compare_traces(con, "shop", base_trace_id=TRACE, trace_id=OTHER_TRACE),
        "compare_traces, equal": lambda: compare_traces(con, "shop", base_trace_id=TRACE, trace_id=EQUAL_TRACE),
    }


def comparisons_with_tests(con: DuckDBPyConnection, calls_made: int) -> dict[str, Callable[[], Answer]]:
    """Return comparisons of two traces whose tests have different outcomes."""
    return {"compare_traces, of tests": lambda: compare_traces(con, "shop", base_trace_id=TRACE, trace_id=OTHER_TRACE)}


def main() -> None:
    """Fill a database, and ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=1, help="in the database (default: %(default)s)")
    parser.add_argument("--calls", type=int, help=f"of each trace (default: {CALLS:,}, of many {CALLS_OF_MANY:,})")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="answers whose name has this text")
    options = parser.parse_args()
    calls = options.calls or (CALLS if options.traces == 1 else CALLS_OF_MANY)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "shop.duckdb")
        fill(database, options.traces, calls)
        print(f"{'answer':32} {'best ms':>8} {'median':>8} {'chars':>6}")
        times = Times(database, calls, options.repeats, options.only)
        times.measure(questions)
        with database.write() as con:
            con.execute(_FILL_TESTS.format(trace=TRACE, calls=calls))
        times.measure(questions_about_tests)
        with database.write() as con:
            copied = {"trace": TRACE, "original": options.traces}
            changes = _CHANGES.format(calls=calls)
            con.execute(_FILL_COPY.format(**copied, copy=OTHER_TRACE, number=options.traces + 1, changes=changes))
            con.execute(_FILL_COPY.format(**copied, copy=EQUAL_TRACE, number=options.traces + 2, changes=""))
            checkpoint(con)
        times.measure(comparisons)
        with database.write() as con:
            con.execute(_CHANGE_TESTS.format(copy=OTHER_TRACE))
        times.measure(comparisons_with_tests)
        times.summarize()


def fill(database: Database, traces: int, calls: int) -> None:
    """Fill a database with equal traces, of which TRACE is the last one."""
    first = TRACE if traces == 1 else _earlier(1)
    with database.write() as con:
        con.execute(_FILL.format(trace=first, calls=calls))
        checkpoint(con)
    for number in range(2, traces + 1):
        copy = TRACE if number == traces else _earlier(number)
        with database.write() as con:
            con.execute(_FILL_COPY.format(trace=first, original=1, copy=copy, number=number, changes=""))
            con.execute(
                "UPDATE traces SET started_at = started_at - to_days(?) WHERE trace_id = ?", [traces - number, copy]
            )
            checkpoint(con)


def _earlier(number: int) -> str:
    return f"2024{number // 28 + 1:02}{number % 28 + 1:02}-120000-beef"


class Times:
    """The times of answers.

    Args:
        database: Is asked.
        calls: Of each trace in it.
        repeats: How often each question is asked.
        only: A part of the names of the answers to measure.
    """

    def __init__(self, database: Database, calls: int, repeats: int, only: str) -> None:
        self._database = database
        self._calls = calls
        self._repeats = repeats
        self._only = only
        self._medians: dict[str, float] = {}

    def measure(self, ask_about: Callable[[DuckDBPyConnection, int], dict[str, Callable[[], Answer]]]) -> None:
        """Print a line for each answer."""
        with self._database.read() as con:
            for name, ask in ask_about(con, self._calls).items():
                if self._only not in name:
                    continue
                taken = []
                for _ in range(self._repeats):
                    began = time.perf_counter()
                    answer = ask()
                    taken.append((time.perf_counter() - began) * 1000)
                best, self._medians[name] = min(taken), statistics.median(taken)
                chars = size_of(answer)
                mark = "" if best <= MAX_MILLISECONDS and chars <= MAX_ANSWER_CHARS else "  over the limit"
                print(f"{name:32} {best:8.1f} {self._medians[name]:8.1f} {chars:6}{mark}", flush=True)

    def summarize(self) -> None:
        """Print the median of all answers, and the slowest one."""
        if self._medians:
            slowest = max(self._medians, key=self._medians.__getitem__)
            median = statistics.median(self._medians.values())
            print(f"median of all {median:.1f} ms, slowest {self._medians[slowest]:.1f} ms ({slowest})")


if __name__ == "__main__":
    main()
