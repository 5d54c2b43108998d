"""Executed lines are inserted once and in order, and affect no other records."""

from __future__ import annotations

import pytest

STARTED_AT_NS = 1_736_510_400_000_000_000

LINES = "SELECT call_id, position, line, changes FROM lines ORDER BY call_id, position"
TIMES = "SELECT call_id, duration_ns, self_ns, outcome, return_value FROM calls ORDER BY call_id"


def test_lines_belong_to_their_call_in_order_of_execution(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.line(1, 0, 12, at_ns=20)
    process.line(1, 1, 13, '{"rate": 0.2, "note": "50%\\t"}', at_ns=30)
    process.call(2, 40, parent=1, function=2)
    process.line(2, 0, 21)
    process.line(2, 1, None, '{"x": {"$deleted": true}}')
    process.end(2, 60, value="7")
    process.line(1, 2, None, "", at_ns=70)
    process.end(1, 80)
    stats = trace.ingest()
    assert (stats.calls, stats.unreadable) == (2, 0)
    assert trace.ask(LINES) == [
        (1, 0, 12, "{}"), (1, 1, 13, '{"rate": 0.2, "note": "50%\\t"}'), (1, 2, None, None),
        (2, 0, 21, "{}"), (2, 1, None, '{"x": {"$deleted": true}}'),
    ]  # fmt: skip
    assert trace.ask("SELECT trace_id, at_ns FROM lines WHERE call_id = 1 ORDER BY position") == [
        (trace.trace_id, STARTED_AT_NS + at) for at in (20, 30, 70)
    ]
    assert trace.ask(TIMES) == [(1, 70, 50, "returned", None), (2, 20, 20, "returned", "7")]


@pytest.mark.slow
def test_lines_are_read_once_in_any_batches(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    for position in range(9):
        process.line(1, position, 5 + position % 2, segment=position // 4)
        trace.ingest()
    process.raw_calls(b"L\t1\t5000\t{}\t\t", segment=2)
    trace.ingest()
    assert trace.ask("SELECT count(*) FROM lines") == [(9,)]
    process.raw_calls(b"9\n", segment=2)
    process.end(1, 6000, segment=2)
    trace.ingest()
    trace.ingest(final=True)
    assert trace.ask(LINES) == [*((1, k, 5 + k % 2, "{}") for k in range(9)), (1, 9, None, "{}")]
    assert trace.ask(TIMES) == [(1, 5990, 5990, "returned", None)]


def test_lines_of_a_generator_from_two_threads_are_in_order(trace):
    process = trace.process()
    process.start()
    process.line(1, 1, 6, thread=0)
    trace.ingest()
    process.call(1, 10, thread=1)
    process.line(1, 0, 5, thread=1)
    trace.ingest(final=True)
    assert trace.ask(LINES) == [(1, 0, 5, "{}"), (1, 1, 6, "{}")]


def test_each_process_and_each_trace_has_its_own_lines(trace):
    other = trace.another("20250110-130000-beef")
    for each, pid, line in ((trace, 100, 1), (trace, 101, 2), (other, 100, 3)):
        process = each.process(pid, started_after_ns=pid)
        process.start()
        process.call(1, 10)
        process.line(1, 0, line)
    trace.ingest()
    other.ingest()
    assert trace.ask("SELECT trace_id, call_id, line FROM lines ORDER BY line") == [
        (trace.trace_id, 1, 1),
        (trace.trace_id, 1_000_000_001, 2),
        (other.trace_id, 1, 3),
    ]


def test_a_damaged_line_is_reported_and_affects_no_other(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.raw_calls(b"L\t1\t20\t{}\t5\n" + b"L\tx\t20\t{}\t5\t0\n" + b"L\t1\t20\t{}\t5\t-1\n")
    process.line(1, 1, 6)
    assert trace.ingest().unreadable == 3
    assert trace.ask(LINES) == [(1, 1, 6, "{}")]
    assert trace.ask("SELECT code FROM notices") == [("spool_damaged",)]
