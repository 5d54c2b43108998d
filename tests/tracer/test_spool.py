"""Test that the spool's files grow, lose no record, and take nothing from the program."""

from __future__ import annotations

import pytest

from spool_reader import Trace


def test_the_spool_rotates_and_loses_nothing(python: str, trace: Trace) -> None:
    spool = trace(python, "def f(a, b): return b\nfor i in range(30000): f(i, 'x' * 20)\n")
    assert len(list(spool.folder.glob("*.calls"))) > 2
    assert [c.args["a"] for c in spool.named("f")] == list(range(30000))


def test_a_record_larger_than_a_segment_is_kept(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        "def f(text): return len(text)\nf('x' * 3_000_000)\n",
        capture={"max_value_chars": 2_000_000},
    )
    assert spool.one("f").args["text"].endswith("…(+1000000 chars)")


def test_the_counters_grow_with_the_number_of_functions(python: str, trace: Trace) -> None:
    text = """
functions = {"__name__": "__main__"}
for number in range(3000):
    exec("def f%d(n): return n" % number, functions)
for number in range(3000):
    for n in range(number % 7): functions["f%d" % number](n)
    functions["f0"](number)
"""
    spool = trace(python, text, mode="adaptive", capture={"calls_per_function": 1, "overhead": "off"})
    counted = {f["name"]: spool.counters[f["process"]][2 * f["slot"]] for f in spool.of("function")}
    assert {name: count for name, count in counted.items() if name.startswith("f")} == {
        "f0": 3000, **{f"f{number}": number % 7 for number in range(1, 3000) if number % 7},
    }  # fmt: skip


def test_later_threads_reuse_the_files_of_ended_threads(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import threading
def f(n): return n
for n in range(1, 200):
    thread = threading.Thread(target=f, args=(n,), name="thread %d" % n)
    thread.start()
    thread.join()
waiting = threading.Event()
def g(n):
    f(n)
    waiting.wait()
threads = [threading.Thread(target=g, args=(n,), name="thread %d" % n) for n in range(200, 220)]
for thread in threads: thread.start()
waiting.set()
for thread in threads: thread.join()
""",
    )
    names = {t["thread"]: t["name"] for t in spool.of("thread")}
    assert len(names) == 220
    assert {names[c.thread] for c in spool.named("f")} == {f"thread {n}" for n in range(1, 220)}
    assert all(names[c.thread] == f"thread {c.args['n']}" for c in [*spool.named("f"), *spool.named("g")])
    assert len(list(spool.folder.glob("*.calls"))) <= 25


def test_a_process_that_can_create_no_more_files_writes_a_notice_that_recording_stopped(
    python: str, trace: Trace
) -> None:
    # Like a process that has dropped its rights (setuid, chroot).
    spool = trace(
        python,
        """
import resource
def f(n): return n
def many():
    for n in range(3000): f(n)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 4096))
many()
print("ran")
""",
    )
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "ran\n", "")
    assert not list(spool.folder.glob("*.failed"))
    (notice,) = spool.of("notice")
    assert notice["code"] == "recording_stopped" and "(Too many open files)" in notice["message"]
    recorded = [c.args["n"] for c in spool.named("f")]
    assert recorded == list(range(len(recorded))) and 50 < len(recorded) < 3000


def test_the_tracer_keeps_no_descriptor_that_the_program_could_close_or_reuse(python: str, trace: Trace) -> None:
    # Like daemons, which close all descriptors: files opened afterwards reuse the numbers.
    spool = trace(
        python,
        """
import os
def f(n, password="hush-hush-1"): return n
def fill(segments):
    for n in range(segments): f(n)
fill(200)
os.dup2(1, 200)
os.closerange(0, 200)
own = [os.open("own%d" % number, os.O_RDWR | os.O_CREAT) for number in range(20)]
fill(20000)
f(1, password="hush-hush-2")
for number in own:
    os.write(number, b"own")
    assert os.lseek(number, 0, os.SEEK_CUR) == 3
os.write(200, str(own).encode())
os._exit(0)
""",
    )
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, str(list(range(20))), "")
    assert [c.args["n"] for c in spool.named("f")] == [*range(200), *range(20000), 1]


@pytest.mark.smoke
def test_a_trace_at_its_size_limit_writes_a_notice_and_the_ends_of_open_calls(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import os
def f(n): return n
def outer(count):
    for n in range(count): f(n)
    raise ValueError("late")
pid = os.fork()  # the limit applies to all processes together
try: outer(20000)
except ValueError: pass
if not pid: os._exit(0)
os.waitpid(pid, 0)
""",
        capture={"max_trace_mb": 1},
    )
    taken = sum(file.stat().st_size for file in spool.folder.glob("*.calls"))
    assert taken < 2 << 20
    assert {notice["code"] for notice in spool.of("notice")} == {"trace_full"}
    assert "1 MB" in spool.of("notice")[0]["message"]
    assert 2000 < len(spool.named("f")) < 40000
    assert [call.outcome for call in spool.named("outer")] == [1, 1]
    assert [call.args["n"] for call in spool.named("f") if call.outcome is None] == []
    assert [raised["message"] for raised in spool.of("exception")] == ["late", "late"]
