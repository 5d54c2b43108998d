from __future__ import annotations

import pytest

STARTED_AT_NS = 1_736_510_400_000_000_000

TIMES = "SELECT call_id, duration_ns, self_ns, active_ns, outcome FROM calls ORDER BY call_id"


def test_a_call_combines_its_two_records(trace):
    process = trace.process()
    process.start()
    process.event("task", task=4, name="Task-4")
    process.call(1, 1000, function=1)
    process.call(2, 2000, parent=1, function=2, args='{"rate": "50%\\t"}', line=17, task=4)
    process.end(2, 2500, value='{"total": 1}')
    process.end(1, 5000, value="null")
    stats = trace.ingest()
    assert (stats.calls, stats.unreadable) == (2, 0)
    assert trace.ask(
        "SELECT trace_id, call_id, parent_call_id, process_id, thread_id, thread_name, task, function_name, "
        "module_name, file, line, started_ns, duration_ns, self_ns, args, return_value, outcome, call_line "
        "FROM calls ORDER BY call_id"
    ) == [
        (trace.trace_id, 1, None, 0, 0, "MainThread", None, "<module>", "shop", "/home/me/shop.py", 10,
         STARTED_AT_NS + 1000, 4000, 3500, "{}", "null", "returned", None),
        (trace.trace_id, 2, 1, 0, 0, "MainThread", "Task-4", "total", "shop", "/home/me/shop.py", 20,
         STARTED_AT_NS + 2000, 500, 500, '{"rate": "50%\\t"}', '{"total": 1}', "returned", 17),
    ]  # fmt: skip


@pytest.mark.parametrize(("written", "outcome"), [("", "returned"), (0, "returned"), (1, "raised"), (2, "cancelled")])
def test_the_outcome_is_the_one_that_was_written(trace, written, outcome):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.end(1, 20, outcome=written, exception=7 if written == 1 else "")
    trace.ingest()
    assert trace.ask("SELECT outcome, exception_id FROM calls") == [(outcome, 7 if written == 1 else None)]


def test_a_late_call_is_marked_and_takes_no_time_from_its_parent(trace):
    process = trace.process()
    process.start()
    process.call(1, 0)
    process.call(2, 100, parent=1)
    process.end(2, 200)
    process.call(3, 50, parent=1, kind="A")  # the real parent of call 2
    trace.ingest()
    process.end(3, 900)
    process.end(1, 1000)
    trace.ingest()
    assert trace.ask("SELECT call_id, duration_ns, self_ns, late FROM calls ORDER BY 1") == [
        (1, 1000, 900, False), (2, 100, 100, False), (3, 850, 850, True),
    ]  # fmt: skip


@pytest.mark.parametrize("between", [False, True], ids=["one batch", "ingested in between"])
def test_a_late_call_takes_its_time_from_a_late_parent(trace, between):
    process = trace.process()
    process.start()
    process.call(1, 100)
    process.call(2, 110, parent=1, function=2, kind="A")
    process.call(3, 120, parent=2, function=2, kind="A")
    process.call(4, 130, parent=3, function=3)
    if between:
        trace.ingest()
    for call, at_ns in ((4, 140), (3, 180), (2, 190), (1, 200)):
        process.end(call, at_ns, "1")
    trace.ingest()
    assert trace.ask("SELECT call_id, duration_ns, self_ns FROM calls ORDER BY 1") == [
        (1, 100, 100),
        (2, 80, 20),
        (3, 60, 50),
        (4, 10, 10),
    ]


def test_a_call_that_has_not_ended_is_unfinished(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.call(2, 20, parent=1)
    process.end(2, 25)
    trace.ingest(final=True)
    assert trace.ask(TIMES) == [(1, None, None, None, "unfinished"), (2, 5, 5, 5, "returned")]


def test_quotes_backslashes_and_text_that_looks_like_null_are_kept(trace):
    args = r'{"a": "\"", "b": "x\\", "c": "NULL", "d": "it' + "'" + r's, \n \t"}'
    process = trace.process()
    process.start()
    process.call(1, 10, args=args)
    process.end(1, 20, value="NULL")
    trace.ingest()
    assert trace.ask("SELECT args, return_value FROM calls") == [(args, "NULL")]


def test_a_value_of_three_megabytes_is_one_value(trace):
    process = trace.process()
    process.start()
    path = trace.spool / f"{process.key}-0-0.calls"
    path.write_text(f'C\t1\t10\t"{"x" * 3_000_000}"\t0\t1\nR\t1\t20\t1\n')
    trace.ingest()
    assert trace.ask("SELECT length(args), return_value FROM calls") == [(3_000_002, "1")]


@pytest.mark.parametrize("streams", [1, 2])
def test_of_a_repeated_call_the_first_is_kept_although_threads_share_the_reading(trace, streams):
    process = trace.process()
    process.start()
    long = "x" * 100_000  # several parts, each of which a thread of the database reads
    for number in range(1, 121):
        where = {"thread": number % streams, "segment": number // 40}
        process.call(number, 10 * number, args=f'"{long}"', **where)
        process.end(number, 10 * number + 5, value=str(number), **where)
    for number in (1, 60, 119):
        where = {"thread": number % streams, "segment": 3}
        process.call(number, 10 * number, args='"again"', **where)
        process.end(number, 10 * number + 7, value='"again"', **where)
    assert trace.ingest().calls == 120
    assert trace.ask("SELECT count(*), bool_and(length(args) = 100002), bool_and(duration_ns = 5) FROM calls") == [
        (120, True, True)
    ]
    assert trace.ask("SELECT count(*) FROM calls WHERE return_value = call_id::VARCHAR") == [(120,)]


def test_an_ingest_without_new_records_adds_nothing(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.end(1, 20)
    assert trace.ingest().calls == 1
    assert trace.ingest().segments == 0
    assert trace.ask(TIMES) == [(1, 10, 10, 10, "returned")]


def test_an_incomplete_record_is_read_once_it_is_complete(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.raw_calls(b"R\t1\t2")
    assert trace.ingest().calls == 1
    assert trace.ask(TIMES) == [(1, None, None, None, "unfinished")]
    process.raw_calls(b"5\t7\n")
    assert trace.ingest().segments == 1
    assert trace.ask(TIMES) == [(1, 15, 15, 15, "returned")]


def test_a_record_with_a_nul_is_not_read_although_its_newline_is_there(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    segment = process.segment("0-0.calls")
    hole = segment.position + 4
    process.raw_calls(b"R\t1\t\x005\t7\n")
    trace.ingest()
    assert trace.ask(TIMES) == [(1, None, None, None, "unfinished")]
    with segment.path.open("r+b") as file:
        file.seek(hole)
        file.write(b"2")
    trace.ingest()
    assert trace.ask(TIMES) == [(1, 15, 15, 15, "returned")]


def test_an_incomplete_record_of_a_killed_process_is_dropped(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.raw_calls(b'C\t2\t20\t{"a": 1')
    stats = trace.ingest(final=True)
    assert (stats.calls, stats.unreadable) == (1, 0)
    assert trace.ask("SELECT * FROM notices") == []


def test_a_damaged_record_is_reported_and_affects_no_other(trace):
    process = trace.process()
    process.start()
    process.call(1, 10)
    process.raw_calls(b"C\tx\t20\t{}\t1\t2\n" + b"nonsense\n" + b"C\t3\t30\t\xff\xfe\t1\t2\n" + b"C\t4\t30\t{}\t1\n")
    process.call(5, 40, parent=1, function=2)
    process.end(5, 50)
    process.end(1, 60)
    stats = trace.ingest()
    assert (stats.calls, stats.unreadable) == (2, 4)
    assert trace.ask(TIMES) == [(1, 50, 40, 50, "returned"), (5, 10, 10, 10, "returned")]
    ((code, message),) = trace.ask("SELECT code, message FROM notices")
    assert code == "spool_damaged"
    assert message.startswith("4 of 8 records") and f"{process.key}-0-0.calls" in message


def test_a_call_with_a_lone_surrogate_is_kept(trace):
    process = trace.process()
    process.start()
    process.call(1, 10, args=r'{"a": "\ud800", "b": "\ud83d\ude00", "c": "\\ud800", "d": "\\\udfff"}')
    trace.ingest()
    texts = trace.ask("SELECT args->>'a', args->>'b', args->>'c', args->>'d' FROM calls")
    assert texts == [("\ufffd", "\U0001f600", r"\ud800", "\\\ufffd")]


def test_a_call_of_a_function_without_a_record_is_kept(trace):
    process = trace.process()
    process.start()
    process.call(1, 10, function=99)
    trace.ingest()
    assert trace.ask("SELECT function_name FROM calls") == [("<function 99>",)]
    process.function(99, "late")
    trace.ingest()
    assert trace.ask("SELECT function_name FROM calls") == [("late",)]


def test_calls_of_all_segments_threads_and_processes_are_read(trace):
    processes = [trace.process(100), trace.process(101, started_after_ns=5000)]
    for process in processes:
        process.start()
        process.event("thread", thread=1, ident=2, name="worker")
        process.call(1, 10)
        process.call(2, 20, parent=1, function=2, thread=1)
        process.end(2, 30, thread=1)
        process.call(3, 40, parent=1, function=3, segment=1)
        process.end(3, 45, segment=1)
        process.end(1, 50, segment=1)
    assert trace.ingest().calls == 6
    rows = trace.ask(
        "SELECT process_id, call_id, parent_call_id, thread_name, started_ns, self_ns FROM calls ORDER BY 2"
    )
    first = [
        (0, 1, None, "MainThread", STARTED_AT_NS + 10, 25),
        (0, 2, 1, "worker", STARTED_AT_NS + 20, 10),
        (0, 3, 1, "MainThread", STARTED_AT_NS + 40, 5),
    ]
    base = 1_000_000_000
    second = [
        (1, base + call, parent and base + parent, thread, started + 5000, self_ns)
        for _, call, parent, thread, started, self_ns in first
    ]
    assert rows == first + second


def test_a_return_that_is_read_before_its_call_waits_for_it(trace):
    process = trace.process()
    process.start()
    process.call(1, 5, thread=1)
    process.end(2, 30, value="9", outcome=1, exception=3, thread=1)
    trace.ingest()
    assert trace.ask("SELECT count(*) FROM pending_returns") == [(1,)]
    trace.ingest()
    process.call(2, 10, parent=1)
    trace.ingest(final=True)
    assert trace.ask(TIMES) == [(1, None, None, None, "unfinished"), (2, 20, 20, 20, "raised")]
    assert trace.ask("SELECT exception_id, return_value FROM calls WHERE call_id = 2") == [(3, "9")]
    assert trace.ask("SELECT count(*) FROM pending_returns") == [(0,)]


def test_the_time_of_a_child_that_is_read_before_its_parent_waits_for_it(trace):
    process = trace.process()
    process.start()
    for call in (2, 3):
        process.call(call, 10 * call, parent=1, function=2, thread=1)
        process.end(call, 10 * call + 4, thread=1)
        trace.ingest()
    process.call(1, 5)
    trace.ingest()
    process.end(1, 55)
    trace.ingest(final=True)
    assert trace.ask(TIMES)[0] == (1, 50, 42, 50, "returned")
    assert trace.ask("SELECT count(*) FROM pending_child_time") == [(0,)]


def test_a_return_without_a_call_is_reported_at_the_end(trace):
    process = trace.process()
    process.start()
    process.end(2, 30)
    trace.ingest(final=True)
    assert trace.ask("SELECT code, message FROM notices") == [
        ("spool_damaged", "The beginnings of 1 ended calls could not be read.")
    ]


def test_suspended_time_is_not_active_time(trace):
    process = trace.process()
    process.start()
    process.call(1, 0)
    process.call(2, 10, parent=1, function=2)
    process.end(2, 90, suspended=60)
    process.end(1, 100)
    trace.ingest()
    assert trace.ask(TIMES) == [(1, 100, 80, 100, "returned"), (2, 80, 20, 20, "returned")]


@pytest.mark.parametrize("ingest_between", [False, True])
def test_a_generator_that_outlives_its_caller_takes_only_time_before_the_callers_end(trace, ingest_between):
    process = trace.process()
    process.start()
    process.call(1, 0, function=2)
    process.call(2, 80, parent=1, function=3)
    process.end(1, 100)
    if ingest_between:
        trace.ingest()
    process.end(2, 1000, suspended=300)
    trace.ingest()
    assert trace.ask(TIMES) == [(1, 100, 80, 100, "returned"), (2, 920, 620, 620, "returned")]


def test_a_deep_recursion_read_in_parts_is_complete(trace):
    depth = 3000
    process = trace.process()
    process.start()
    for call in range(1, depth + 1):
        process.call(call, call, parent=call - 1, function=2, segment=call // 1000)
    trace.ingest()
    for call in range(depth, 0, -1):
        process.end(call, 2 * depth - call + 1, segment=(2 * depth - call) // 1000)
    trace.ingest()
    assert trace.ask("SELECT count(*), sum(self_ns), max(self_ns), max(duration_ns) FROM calls") == [
        (depth, 2 * depth - 1, 2, 2 * depth - 1)
    ]


def test_threads_that_share_a_stream_get_their_own_calls(trace):
    process = trace.process()
    process.start()
    process.event("thread", thread=1, ident=11, name="first", stream=1, first_call=0)
    process.call(1, 100, thread=1)
    process.end(1, 200, thread=1)
    trace.ingest()
    process.event("thread", thread=2, ident=12, name="second", stream=1, first_call=2)
    process.call(3, 50, thread=1)  # recorded late
    process.end(3, 300, thread=1)
    process.event("thread", thread=3, ident=11, name="third", stream=1, first_call=4)
    process.call(5, 400, thread=1)
    process.call(6, 400, thread=0)
    trace.ingest()
    assert trace.ask("SELECT call_id, thread_name FROM calls ORDER BY call_id") == [
        (1, "first"), (3, "second"), (5, "third"), (6, "MainThread"),
    ]  # fmt: skip
