from __future__ import annotations

from datetime import datetime, timedelta

import breadcrumb.record_format
from breadcrumb_storage.ingest.faults import add_printed_fault, ingest_faults, set_stack_reason

NOON = datetime(2025, 1, 10, 12)
FRAMES = "SELECT stack_id, thread_name, task_name, depth, function_name, line, source, reason FROM stacks ORDER BY ALL"
CRASH = """Fatal Python error: Segmentation fault

Thread 0x0000000000000019 (most recent call first):
  File "/usr/lib/python3.8/threading.py", line 890 in _bootstrap

Current thread 0x000000000000000a (most recent call first):
  File "shop.py", line 45 in price
  File "/home/me/shop.py", line 12 in <module>
"""


def write_stack(process, at_ms=1, number=0, frames=("total",), **fields):
    stack = [
        {
            "depth": depth,
            "function": name,
            "module": "shop",
            "file": "/home/me/shop.py",
            "line": 21,
            "locals": '{"x": 1}',
        }
        for depth, name in enumerate(frames)
    ]
    process.event("stack", id=number, at_ns=at_ms * 1_000_000, frames=stack, **{"ident": 7, "name": "main", **fields})


def write_fault(process, text=CRASH):
    (process.spool / f"{process.key}.fault").write_text(text)


def ingest(trace, redact=str):
    trace.ingest()
    with trace.database.write() as con:
        ingest_faults(con, trace.spool, trace.trace_id, redact)


def test_a_dump_becomes_one_row_for_each_frame(trace):
    process = trace.process()
    process.start(clock_origin_ns=1_000_000)
    write_stack(process, 3, frames=("price", "total"))
    write_stack(process, 3, 1, ident=None, name=None, task_name="Task-2")
    trace.ingest()
    assert trace.ask(FRAMES) == [
        (0, "main", None, 0, "price", 21, "python", None),
        (0, "main", None, 1, "total", 21, "python", None),
        (1, None, "Task-2", 0, "total", 21, "python", None),
    ]
    assert trace.ask("SELECT DISTINCT process_id, module_name, file, locals, taken_at FROM stacks") == [
        (0, "shop", "/home/me/shop.py", '{"x": 1}', NOON + timedelta(milliseconds=2))
    ]


def test_frames_keep_the_locks_that_they_name(trace):
    process = trace.process()
    process.start()
    frame = {"depth": 0, "function": "total", "module": "shop", "file": "/s.py", "line": 1, "locals": None}
    locks = '{"self.lock": [1, 7]}'
    process.event("stack", id=0, at_ns=1, ident=7, name="main", frames=[{**frame, "locks": locks}])
    process.event("stack", id=1, at_ns=1, ident=8, name="old", frames=[frame])  # of an older tracer
    trace.ingest()
    assert trace.ask("SELECT stack_id, locks FROM stacks ORDER BY ALL") == [(0, locks), (1, None)]


def test_a_later_dump_replaces_the_former_one(trace):
    process, other = trace.process(), trace.process(200)
    for each in (process, other):
        each.start()
        write_stack(each, 1, frames=("old", "older"))
    trace.ingest()
    write_stack(process, 2, 0, frames=("new",))
    trace.ingest()
    write_stack(process, 2, 1, frames=("new",))
    trace.ingest()
    rows = trace.ask("SELECT pid, stack_id, function_name FROM stacks JOIN processes USING (process_id) ORDER BY ALL")
    assert rows == [(100, 0, "new"), (100, 1, "new"), (200, 0, "old"), (200, 0, "older")]


def test_a_damaged_stack_affects_no_other(trace):
    process = trace.process()
    process.start()
    process.event("stack", id=0, at_ns=1_000_000, frames="nothing of the kind")
    process.event("stack", id=1, at_ns=1_000_000, frames=[{"function": "without a depth"}])
    process.event("stack", id=2, at_ns=1_000_000, frames=[])
    write_stack(process, 1, 3)
    trace.ingest()
    assert trace.ask("SELECT stack_id, function_name FROM stacks") == [(3, "total")]


def test_stacks_of_a_crash_have_the_names_of_traced_functions(trace):
    process = trace.process()
    process.start()
    process.function(4, "Cart.price")
    process.event("thread", thread=1, ident=10, name="buyer")
    process.event("thread", thread=2, ident=10, name="buyer of the same number")
    write_fault(process)
    ingest(trace)
    error = "Fatal Python error: Segmentation fault"
    assert trace.ask(FRAMES) == [
        (0, "buyer of the same number", None, 0, "Cart.price", 45, "fault", error),
        (0, "buyer of the same number", None, 1, "<module>", 12, "fault", error),
        (1, None, None, 0, "_bootstrap", 890, "fault", error),
    ]
    assert trace.ask("SELECT file, module_name FROM stacks WHERE stack_id = 0") == [("/home/me/shop.py", "shop")] * 2
    write_fault(process, CRASH.replace("line 45", "line 33"))
    ingest(trace)  # not longer than before, so that it is not read again
    assert trace.ask("SELECT function_name FROM stacks WHERE depth = 0 AND stack_id = 0") == [("Cart.price",)]


def test_a_grown_fault_file_is_read_again(trace):
    process = trace.process()
    process.start()
    write_fault(process, "Current thread 0x0a (most recent call first):\n")
    ingest(trace)
    write_fault(process, 'Current thread 0x0a (most recent call first):\n  File "shop.py", line 21 in total\n')
    ingest(trace)
    ingest(trace)
    assert trace.ask("SELECT function_name, source, reason FROM stacks") == [("total", "fault", None)]


def test_fault_files_are_redacted_and_frames_of_the_tracer_removed(trace):
    process = trace.process()
    process.start()
    own = breadcrumb.record_format.__file__
    text = f'  File "/usr/lib/re.py", line 1 in sub\n  File "{own}", line 2 in own\n  File "/s3cret/shop.py", line 3 in total\n'
    write_fault(process, "Current thread 0x0a (most recent call first):\n" + text)
    ingest(trace, lambda text: text.replace("s3cret", "[REDACTED]"))
    assert trace.ask("SELECT depth, file, function_name FROM stacks") == [(0, "/[REDACTED]/shop.py", "total")]


def test_stacks_from_python_are_not_replaced_by_those_from_a_fault_file(trace):
    process = trace.process()
    process.start()
    write_stack(process)
    write_fault(process)
    ingest(trace)
    assert trace.ask("SELECT function_name, source FROM stacks") == [("total", "python")]


def test_the_reason_is_set_only_where_there_is_none(trace):
    requested, crashed = trace.process(), trace.process(200)
    for process in (requested, crashed):
        process.start()
    write_stack(requested)
    write_fault(crashed)
    ingest(trace)
    with trace.database.write() as con:
        set_stack_reason(con, trace.trace_id, "completed")
        set_stack_reason(con, trace.trace_id, "timeout")
    assert trace.ask("SELECT DISTINCT source, reason FROM stacks ORDER BY 1") == [
        ("fault", "Fatal Python error: Segmentation fault"),
        ("python", "timeout"),
    ]


def test_a_fatal_error_on_stderr_belongs_to_the_process_that_did_not_end(trace):
    first, worker, other = (trace.process(pid, pid) for pid in (100, 200, 300))
    for process in (first, worker, other):
        process.start()
    first.event("end", at_ns=1)

    def processes_with_stacks(stderr, pid):
        with trace.database.write() as con:
            add_printed_fault(con, trace.trace_id, stderr, pid)
        return trace.ask("SELECT DISTINCT pid FROM stacks JOIN processes USING (process_id)")

    trace.ingest()
    assert processes_with_stacks(f"before\n{CRASH}", 100) == []  # two processes may have written it
    other.event("end", at_ns=1)
    trace.ingest()
    assert processes_with_stacks("before\nKeyError: 'Thread'\n", 100) == []
    assert processes_with_stacks(f"before\n{CRASH}", 100) == [(200,)]
    assert processes_with_stacks(f"before\n{CRASH}", 100) == [(200,)]
    assert len(trace.ask("SELECT * FROM stacks")) == 3
