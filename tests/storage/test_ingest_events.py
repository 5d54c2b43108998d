from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.ingest.ingest import ingest_trace

NOON = datetime(2025, 1, 10, 12)


def raise_key_error(process, exception=1, **fields):
    record = {
        "at_ns": 2_000_000, "thread": 0, "call": 1, "type": "KeyError", "message": "'milk'", "function": "price",
        "module": "shop", "file": "/home/me/shop.py", "line": 31, "stack": "Traceback\n  milk", "locals": '{"x": 1}',
        "cause": None, "context": None, "control_flow": False,
    }  # fmt: skip
    process.event("exception", id=exception, **(record | fields))


def test_a_process_is_described_by_its_own_record(trace):
    process = trace.process()
    process.start(ppid=1, command=["python", "-c", "print('hi there')", ""], clock_origin_ns=777)
    trace.ingest()
    assert trace.ask(
        "SELECT process_id, process_key, pid, parent_pid, parent_process_id, command, executable, python_version, cwd, "
        "backend, mode, started_at, ended_at, clock_origin_ns FROM processes"
    ) == [
        (0, process.key, 100, 1, None, """python -c 'print('"'"'hi there'"'"')' ''""", "/usr/bin/python3", "3.12.1",
         "/home/me", "monitoring", "full", NOON, None, 777),
    ]  # fmt: skip


def test_times_are_relative_to_the_clock_at_the_start_of_the_process(trace):
    process = trace.process()
    hours = 7 * 3_600_000_000_000
    process.start(clock_origin_ns=hours)
    process.call(1, hours + 1_000_000)
    raise_key_error(process, at_ns=hours + 2_000_000)
    trace.ingest()
    process.end(1, hours + 3_000_000)
    process.event("end", at_ns=hours + 4_000_000)
    trace.ingest()
    moments = "SELECT calls.started_at, duration_ns, raised_at, ended_at FROM calls, exceptions, processes"
    begun, raised, ended = (NOON + timedelta(milliseconds=n) for n in (1, 2, 4))
    assert trace.ask(moments) == [(begun, 2_000_000, raised, ended)]


def test_processes_are_numbered_by_their_start_and_know_their_parents(trace):
    child = trace.process(300, started_after_ns=2000)
    first = trace.process(100)
    forked = trace.process(200, started_after_ns=1000)
    first.start()
    forked.start(ppid=999, parent=first.key)  # the pid of the process that adopted it
    child.start(ppid=200)
    trace.ingest()
    later = trace.process(50, started_after_ns=3000)
    later.start(ppid=100)
    trace.ingest()
    assert trace.ask("SELECT process_id, pid, parent_process_id FROM processes ORDER BY 1") == [
        (0, 100, None), (1, 200, 0), (2, 300, 1), (3, 50, 0),
    ]  # fmt: skip


def test_a_reused_pid_is_the_parent_only_of_what_started_after_it(trace):
    old, child, new = (trace.process(pid, started_after_ns=at) for pid, at in ((100, 0), (200, 10), (100, 20)))
    for process, ppid in ((old, 1), (child, 100), (new, 1)):
        process.start(ppid=ppid)
    trace.ingest()
    assert trace.ask("SELECT process_id, parent_process_id FROM processes ORDER BY 1") == [(0, None), (1, 0), (2, None)]


@pytest.mark.parametrize("ingest_between", [False, True])
def test_a_program_started_by_exec_is_the_child_of_the_one_it_replaced(trace, ingest_between):
    shell, first, second, other = (
        trace.process(pid, started_after_ns=at) for pid, at in ((7, 0), (8, 1), (8, 2), (8, 3))
    )
    shell.start()
    first.start(ppid=7, kernel_start=50, image_start=1, command=["python", "a.py"])
    if ingest_between:
        trace.ingest()
    second.start(ppid=7, kernel_start=50, image_start=2, command=["python", "b.py"])
    other.start(ppid=7, kernel_start=51, image_start=1)  # a reused pid
    trace.ingest()
    assert trace.ask("SELECT process_id, parent_process_id, started_by, ended_at FROM processes ORDER BY 1") == [
        (0, None, None, None), (1, 0, None, NOON), (2, 1, "exec", None), (3, 0, None, None),
    ]  # fmt: skip


def test_without_a_kernel_start_the_pid_says_what_replaced_what(trace):
    first, inner, second = (trace.process(8, started_after_ns=at) for at in range(3))
    for process, image in ((first, 1), (inner, 1), (second, 2)):
        process.start(ppid=7, kernel_start=None, image_start=image)
    trace.ingest()
    assert trace.ask("SELECT parent_process_id, started_by FROM processes ORDER BY process_id") == [
        (None, None), (0, "subinterpreter"), (1, "exec"),
    ]  # fmt: skip


def test_a_subinterpreter_is_a_child_within_its_process(trace):
    main, first, second = (trace.process(8, started_after_ns=at) for at in range(3))
    for process in (main, first, second):
        process.start(ppid=7, kernel_start=50, image_start=1)
    trace.ingest()
    assert trace.ask("SELECT parent_process_id, started_by, ended_at FROM processes ORDER BY process_id") == [
        (None, None, None), (0, "subinterpreter", None), (0, "subinterpreter", None),
    ]  # fmt: skip


def test_the_parent_is_the_nearest_traced_ancestor(trace):
    outer, inner, child = (trace.process(pid, started_after_ns=pid) for pid in (10, 20, 40))
    outer.start()
    inner.start(ppid=15, ancestors=[15, 10, 1])
    child.start(ppid=35, ancestors=[35, 20, 15, 10, 1])
    trace.ingest()
    assert trace.ask("SELECT process_id, parent_process_id, started_by FROM processes ORDER BY 1") == [
        (0, None, None), (1, 0, None), (2, 1, None)
    ]  # fmt: skip


def test_a_process_of_multiprocessing_has_its_name(trace):
    process, worker = trace.process(), trace.process(101, started_after_ns=1)
    process.start()
    worker.start(ppid=100, parent=process.key)
    worker.event("name", name="ForkPoolWorker-1")
    trace.ingest()
    assert trace.ask("SELECT name, started_by FROM processes ORDER BY process_id") == [
        (None, None), ("ForkPoolWorker-1", "fork")
    ]  # fmt: skip


def test_a_process_whose_own_record_is_damaged_is_known_by_its_file_name(trace):
    process = trace.process()
    process.raw_events(b'{"k": "process", "pid": 100\n')
    process.function(1, "<module>")
    process.call(1, 10)
    assert trace.ingest().unreadable == 1
    assert trace.ask("SELECT pid, started_at FROM processes") == [(100, NOON)]
    assert trace.ask("SELECT function_name, started_at FROM calls") == [("<module>", NOON)]


def test_a_thread_or_a_task_may_be_renamed(trace):
    process = trace.process()
    process.start()
    process.event("task", task=1, name="Task-1")
    process.event("thread", thread=0, ident=5, name="renamed")
    trace.ingest()
    process.event("task", task=1, name="fetch", segment=1)
    trace.ingest()
    assert trace.ask("SELECT thread_id, ident, name FROM threads") == [(0, 5, "renamed")]
    assert trace.ask("SELECT task_id, name FROM tasks") == [(1, "fetch")]


def test_an_exception_has_all_fields_of_its_record(trace):
    process = trace.process()
    process.start()
    raise_key_error(process)
    raise_key_error(process, 2, cause=1, context=1, call=0, control_flow=True, locals=None)
    trace.ingest()
    assert trace.ask(
        "SELECT trace_id, exception_id, exception_type, exception_message, raised_at, thread_id, call_id, "
        "function_name, module_name, file, line, stack_trace, locals, cause_id, context_id, control_flow, "
        "uncaught, handled, handled_by "
        "FROM exceptions ORDER BY exception_id"
    ) == [
        (trace.trace_id, 1, "KeyError", "'milk'", NOON + timedelta(milliseconds=2), 0, 1, "price", "shop",
         "/home/me/shop.py", 31, "Traceback\n  milk", '{"x": 1}', None, None, False, False, None, None),
        (trace.trace_id, 2, "KeyError", "'milk'", NOON + timedelta(milliseconds=2), 0, None, "price", "shop",
         "/home/me/shop.py", 31, "Traceback\n  milk", None, 1, 1, True, False, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("ingest_between", [False, True])
def test_the_last_record_about_an_exceptions_handling_counts(trace, ingest_between):
    process = trace.process()
    process.start()
    raise_key_error(process, 1)
    raise_key_error(process, 2)
    for function, line in (("price", 5), ("total", 9)):
        if ingest_between:
            trace.ingest()
        process.event("handled", id=1, at_ns=3, function=function, module="shop", file="/home/me/shop.py", line=line)
        process.event("handled", id=2, at_ns=3, function=function, module="shop", file="/home/me/shop.py", line=line)
    if ingest_between:
        trace.ingest()
    process.event("uncaught", id=2, at_ns=4, thread=0)
    trace.ingest()
    assert trace.ask("SELECT exception_id, handled, handled_by, uncaught FROM exceptions ORDER BY 1") == [
        (1, True, "shop:total:9", False),
        (2, False, None, True),
    ]


def test_repeated_gaps_and_counters_replace_the_former_ones(trace):
    process = trace.process()
    process.start()
    process.function(4, "hot", slot=1)
    gap = {
        "slot": 2,
        "function": "loads",
        "module": "json",
        "file": "json.py",
        "line": 3,
        "kind": "python",
        "caller": 4,
    }
    process.event("gap", exact=True, **gap)
    process.counters((0, 0), (5, 0), (7, 900))
    trace.ingest()
    process.event("gap", exact=False, **gap)
    process.counters((0, 0), (6, 0), (9, 1000))
    trace.ingest()
    trace.ingest()
    assert trace.ask("SELECT function_name, called_by, call_count, time_ns, exact FROM gaps") == [
        ("loads", "hot", 9, 1000, False)
    ]
    assert trace.ask("SELECT function_name, started_count FROM functions ORDER BY function_id") == [
        ("<module>", None), ("total", None), ("price", None), ("hot", 6),
    ]  # fmt: skip


def test_a_repeated_function_record_can_make_its_count_inexact(trace):
    process = trace.process()
    process.start()
    process.function(4, "hot", slot=1)
    process.counters((0, 0), (100, 0))
    trace.ingest()
    process.function(4, "hot", slot=1, exact=False)
    process.counters((0, 0), (100_001, 123_456))
    trace.ingest()
    process.call(1, 1000, function=4)
    process.end(1, 1400)
    trace.ingest()
    assert trace.ask("SELECT started_count, counted_ns, exact FROM functions WHERE function_id = 4") == [
        (100_001, 123_456, False)
    ]
    assert trace.ask("SELECT calls, exact, recorded_calls, total_ns, mean_ns FROM function_stats") == [
        (100_001, False, 1, 123_856, 400.0)
    ]


def test_counted_raises_are_stored_with_their_place(trace):
    process = trace.process()
    process.start()
    process.event("raises", slot=1, type="KeyError", function="price", module="shop", file="/home/me/shop.py", line=31)
    process.counters((0, 0), (999_800, 0))
    trace.ingest()
    assert trace.ask("SELECT * EXCLUDE (trace_id) FROM exception_counts") == [
        (0, 1, "KeyError", "price", "shop", "/home/me/shop.py", 31, 999_800)
    ]


def test_the_call_chain_of_an_exception_is_stored_if_recorded(trace):
    first, second = trace.process(100), trace.process(200, started_after_ns=1)
    for process in (first, second):
        process.start()
    raise_key_error(first)
    raise_key_error(second, calls=[1, 3, 2])
    trace.ingest()
    assert trace.ask("SELECT process_id, call_chain FROM exceptions ORDER BY 1") == [
        (0, None), (1, [1_000_000_001, 1_000_000_003, 1_000_000_002]),
    ]  # fmt: skip


def test_a_slot_beyond_the_counters_file_counts_nothing(trace):
    process = trace.process()
    process.start()
    process.function(4, "hot", slot=1000)
    process.counters((1, 0))
    trace.ingest()
    assert trace.ask("SELECT started_count FROM functions WHERE function_id = 4") == [(None,)]


def test_unknown_kinds_and_keys_are_ignored(trace):
    process = trace.process()
    process.start()
    process.event("from_the_future", x=[1, {"y": 2}])
    process.event("notice", code="trace_full", message="the disk is full", extra={"a": 1})
    assert trace.ingest().unreadable == 0
    assert trace.ask("SELECT process_id, code, message FROM notices") == [(0, "trace_full", "the disk is full")]


def test_damaged_events_are_reported_and_affect_no_others(trace):
    process = trace.process()
    process.start()
    process.raw_events(b'{"k": "task", "task": 1, "na\n[1]\n{"k": "task", "task": 2, "name": "two"}\n')
    assert trace.ingest().unreadable == 2
    assert trace.ask("SELECT task_id FROM tasks") == [(2,)]
    ((message,),) = trace.ask("SELECT message FROM notices WHERE code = 'spool_damaged'")
    assert message.startswith("2 of 8 records") and f"{process.key}-0.events" in message


def test_a_record_with_text_that_cannot_be_encoded_is_kept(trace):
    process = trace.process()
    process.start()
    raise_key_error(process, message="lone \ud800, null \x00, smile \U0001f600", stack="\\ud800")
    assert trace.ingest().unreadable == 0
    assert trace.ask("SELECT exception_message, stack_trace FROM exceptions") == [
        ("lone \ufffd, null \x00, smile \U0001f600", "\\ud800")
    ]


def test_events_of_later_segments_are_read_once(trace):
    process = trace.process()
    process.start()
    for number in range(5):
        process.event("notice", segment=number, code="backend", message=str(number))
        if number % 2:
            trace.ingest()
    trace.ingest()
    assert trace.ask("SELECT message FROM notices ORDER BY message") == [(str(number),) for number in range(5)]


def test_other_files_of_the_folder_are_left_alone(trace):
    process = trace.process()
    process.start()
    for name in ("tracer.config", "run.json", "notes.events", "100-!-0.events", "x-0-0.calls"):
        trace.spool.joinpath(name).write_text("{}\n")
    before = sorted(trace.spool.iterdir())
    assert trace.ingest().events == 5
    assert sorted(trace.spool.iterdir()) == before


def test_files_left_by_a_killed_ingest_are_removed(trace):
    left_over = trace.spool / "ingest-abc"
    left_over.mkdir()
    left_over.joinpath("0").write_text("C\t1\n")
    trace.ingest()
    assert list(trace.spool.iterdir()) == []


def test_an_unknown_trace_and_a_missing_folder_are_errors(trace):
    with trace.database.write() as con:
        with pytest.raises(BreadcrumbError, match="no trace nowhere"):
            ingest_trace(con, trace.spool, "nowhere")
        with pytest.raises(BreadcrumbError, match=r"could not be read\.\n.*folder is gone"):
            ingest_trace(con, trace.spool / "gone", trace.trace_id)


def test_a_spool_that_could_not_be_written_is_reported_once(trace):
    process = trace.process(pid=41)
    process.start()
    (trace.spool / f"{process.key}.failed").touch()
    trace.ingest(final=True)
    trace.ingest(final=True)
    ((process_id, message),) = trace.ask("SELECT process_id, message FROM notices WHERE code = 'recording_stopped'")
    assert process_id == 0
    assert "process 41" in str(message)
