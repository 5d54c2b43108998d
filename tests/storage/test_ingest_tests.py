from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from breadcrumb_storage.ids import ID_SPACE
from breadcrumb_storage.queries.tests import CallRange, in_ranges
from breadcrumb_storage.queries.tests import test_ranges as ranges_of
from breadcrumb_storage.queries.trace_reader import TraceReader

NOON = datetime(2025, 1, 10, 12)
SECOND = 1_000_000_000
OUTCOMES = "SELECT node_id, outcome, phase, exception_id, exception_type, message FROM tests ORDER BY ALL"


def write_test(process, number, name, first, last=None, at_s=0):
    process.event("test", id=number, name=name, at_ns=at_s * SECOND, thread=0, first_call=first)
    if last is not None:
        process.event("test_end", id=number, at_ns=(at_s + 1) * SECOND, last_call=last)


def write_report(process, number, outcome, phase="call", **fields):
    process.event("test_report", id=number, at_ns=0, outcome=outcome, phase=phase, **fields)


def ranges(trace, test):
    with trace.database.read() as con:
        return ranges_of(TraceReader.open(con, trace.trace_id, "shop"), test)


def test_a_test_is_a_row_with_its_calls_and_its_time(trace):
    process = trace.process()
    process.start(clock_origin_ns=0)
    write_test(process, 1, "test_a.py::test_one", 5, 9, at_s=2)
    trace.ingest()
    assert trace.ask("SELECT * EXCLUDE (trace_id) FROM tests") == [
        (0, 1, "test_a.py::test_one", 0, None, None, NOON + timedelta(seconds=2), 1000.0, 5, 9, None, None, None)
    ]


def test_ids_of_a_second_process_are_unique_within_the_trace(trace):
    trace.process().start()
    other = trace.process(200)
    other.start()
    write_test(other, 1, "test_a.py::test_one", 5, 9)
    write_report(other, 1, "failed", exception=3, type="ValueError", message="no")
    trace.ingest()
    assert trace.ask("SELECT process_id, first_call_id, last_call_id, exception_id FROM tests") == [
        (1, ID_SPACE + 5, ID_SPACE + 9, ID_SPACE + 3)
    ]


@pytest.mark.parametrize("between", [False, True], ids=["one batch", "ingested in between"])
@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([("passed", "call")], ("passed", "call")),
        ([("skipped", "setup"), ("error", "teardown")], ("error", "teardown")),
        ([("passed", "call"), ("error", "teardown")], ("error", "teardown")),
        ([("failed", "call"), ("error", "teardown")], ("failed", "call")),
        ([("xfailed", "call"), ("passed", "teardown")], ("xfailed", "call")),
    ],
)
def test_the_outcome_is_the_first_failure_or_else_the_first_skip(trace, reports, expected, between):
    process = trace.process()
    process.start()
    write_test(process, 1, "t", 1)
    for outcome, phase in reports:
        write_report(process, 1, outcome, phase, exception=0 if outcome == "passed" else 7, message=phase)
        if between:
            trace.ingest()
    trace.ingest()
    number = None if expected[0] == "passed" else 7
    assert trace.ask(OUTCOMES) == [("t", *expected, number, None, expected[1])]


def test_a_test_without_an_end_has_all_later_calls_of_its_process(trace):
    process = trace.process()
    process.start()
    write_test(process, 1, "test_a.py::test_one", 5)
    trace.ingest()
    assert trace.ask("SELECT outcome, duration_ms, last_call_id FROM tests") == [(None, None, None)]
    assert ranges(trace, "test_one") == [CallRange(0, 5, ID_SPACE - 1)]


def test_tests_are_named_by_node_id_by_a_part_of_it_or_by_a_glob(trace):
    process = trace.process()
    process.start()
    for number, name in enumerate(("a.py::test_x", "a.py::test_x[1]", "b.py::test_x[?]"), start=1):
        write_test(process, number, name, number * 10, number * 10 + 5)
    trace.ingest()
    first, second, third = CallRange(0, 10, 15), CallRange(0, 20, 25), CallRange(0, 30, 35)
    assert ranges(trace, "a.py::test_x") == [first]
    assert ranges(trace, "test_x") == [first, second, third]
    assert ranges(trace, "*test_x[?]") == [second, third]
    assert ranges(trace, "a.py::*") == [first, second]
    assert ranges(trace, "test_x*") == [first, second, third]
    assert ranges(trace, "est_x*") == []
    assert ranges(trace, "nothing like it") == []


def test_tests_without_a_call_between_them_are_one_range(trace):
    process = trace.process()
    process.start()
    for number in range(100):
        write_test(process, number, f"test_{number}", number * 10, number * 10 + 9)
    write_test(process, 100, "test_100", 1001, 1009)
    trace.ingest()
    assert ranges(trace, "test_") == [CallRange(0, 0, 999), CallRange(0, 1001, 1009)]


def test_processes_started_by_a_test_belong_to_it(trace):
    runner, of_first, grandchild, of_second = (trace.process(pid) for pid in (100, 200, 300, 400))
    runner.start()
    write_test(runner, 1, "first", 1, 5)
    write_test(runner, 2, "second", 6, 9, at_s=5)
    for process, parent, at_s in ((of_first, 100, 0.5), (grandchild, 200, 3), (of_second, 100, 5.5)):
        process.started_at_ns = runner.started_at_ns + int(at_s * SECOND)
        process.start(ppid=parent)
    trace.ingest()
    keys = dict(trace.ask("SELECT process_id, pid FROM processes"))
    assert {(keys[each.process_id], each.first_call_id % ID_SPACE) for each in ranges(trace, "first")} == {
        (100, 1), (200, 0), (300, 0),
    }  # fmt: skip
    assert [keys[each.process_id] for each in ranges(trace, "second")] == [100, 400]


@pytest.mark.parametrize("count", [1, 2, 300, 301])
def test_the_condition_on_calls_selects_those_of_all_ranges(trace, count):
    wanted = [CallRange(0, 10 * number, 10 * number + 3) for number in range(count)]
    with trace.database.write() as con:
        con.execute(
            "INSERT INTO call_records (trace_no, process_id, thread_id, call_id, function_id, started_ns) "
            f"SELECT 1, 0, 0, range, 1, 0 FROM range({10 * count + 50})"
        )
        found = con.execute(f"SELECT call_id FROM call_records c WHERE {in_ranges(wanted)} ORDER BY ALL").fetchall()
    assert found == [(10 * number + offset,) for number in range(count) for offset in range(4)]


def test_no_range_selects_no_call():
    assert in_ranges([]) == "false"
