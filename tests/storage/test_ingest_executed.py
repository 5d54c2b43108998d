"""The lines of tests are kept where a test of their file did not pass, and counted by function."""

from __future__ import annotations

from breadcrumb_storage.executed_lines import ExecutedFunction, ExecutedLine
from breadcrumb_storage.queries.executed import failed_test_lines, passed_lines
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.trace_rows import delete_traces

TOTAL, RATE = ExecutedFunction("/w/shop.py", "total", 3), ExecutedFunction("/w/shop.py", "Rates.of", 9)


def write_functions(process, total, rate):
    process.start()
    process.event("function", id=total, name="total", module="shop", file="/w/shop.py", line=3, kind="function")
    process.event("function", id=rate, name="Rates.of", module="shop", file="/w/shop.py", line=9, kind="function")


def write_lines(process, test, suite, outcome, executed, failed_at=None):
    process.event("test_lines", id=test, suite=suite, outcome=outcome, executed=executed, failed_at=failed_at)


def test_lines_of_a_failed_test_keep_their_order_and_those_after_the_failure_are_apart(trace):
    process = trace.process()
    write_functions(process, 1, 2)
    write_lines(process, 7, "test_a.py", "failed", [-1, 4, 5, -2, 10, -1, 6], failed_at=3)
    trace.ingest()
    with trace.database.read() as con:
        (failed,) = failed_test_lines(TraceReader.open(con, None, "shop"))
    assert (failed.test_id, failed.suite) == (7, "test_a.py")
    assert failed.lines == [ExecutedLine(TOTAL, 4), ExecutedLine(TOTAL, 5), ExecutedLine(RATE, 10)]
    assert failed.later == [ExecutedLine(TOTAL, 6)]


def test_passing_tests_are_counted_over_processes_with_other_function_ids(trace):
    first, second = trace.process(), trace.process(200)
    write_functions(first, 1, 2)
    write_functions(second, 2, 1)
    write_lines(first, 1, "test_a.py", "passed", [-1, 4, 5])
    write_lines(second, 1, "test_a.py", "passed", [-2, 4, -1, 10])
    write_lines(second, 2, "test_b.py", "passed", [-2, 4])
    write_lines(second, 3, "test_a.py", "unfinished", [-2, 4])
    trace.ingest()
    with trace.database.read() as con:
        passed = passed_lines(TraceReader.open(con, None, "shop"), ["test_a.py"])
    assert passed.tests == 2
    assert passed.counts == {ExecutedLine(TOTAL, 4): 2, ExecutedLine(TOTAL, 5): 1, ExecutedLine(RATE, 10): 1}


def test_at_the_end_only_files_with_a_test_that_did_not_pass_are_kept_and_deletion_takes_them(trace):
    process = trace.process()
    write_functions(process, 1, 2)
    write_lines(process, 1, "test_a.py", "passed", [-1, 4])
    write_lines(process, 2, "test_b.py", "passed", [-1, 4])
    trace.ingest()
    write_lines(process, 3, "test_b.py", "failed", [-1, 4])
    trace.ingest(final=True)
    with trace.database.write() as con:
        kept = "SELECT suite, outcome FROM executed_records ORDER BY test_id"
        assert con.execute(kept).fetchall() == [("test_b.py", "passed"), ("test_b.py", "failed")]
        delete_traces(con, [trace.trace_id])
        assert con.execute(kept).fetchall() == []
