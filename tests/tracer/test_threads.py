"""Test that each thread has its own chain of calls and its name, however it was started or ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from breadcrumb import record_format
from spool_reader import Spool, Trace


def thread_names(spool: Spool) -> dict[int, str]:
    return {t["thread"]: t["name"] for t in spool.of("thread")}


@pytest.mark.smoke
def test_threads_have_their_own_chains_and_names(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import threading
def leaf(n): return n
def work(n):
    for i in range(50):
        leaf(n)
threads = [threading.Thread(target=work, args=(n,), name="worker-%d" % n) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
""",
    )
    work = {c.call: c for c in spool.named("work")}
    assert len(work) == 4 and len(spool.named("leaf")) == 200
    assert all(work[c.parent].args["n"] == c.args["n"] for c in spool.named("leaf"))
    names = thread_names(spool)
    assert sorted(names.values()) == ["MainThread", *(f"worker-{n}" for n in range(4))]
    assert {names[c.thread]: c.args["n"] for c in work.values()} == {f"worker-{n}": n for n in range(4)}


def test_a_generator_that_moves_between_threads_ends_in_the_last_one(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import threading
def gen():
    yield 1
    yield 2
    return 3
g = gen()
next(g)
def finish():
    list(g)
t = threading.Thread(target=finish)
t.start()
t.join()
""",
    )
    assert spool.one("gen").value == 3


def test_threads_of_pools_timers_and_subclasses_are_traced_with_results_and_exceptions(
    python: str, trace: Trace
) -> None:
    spool = trace(
        python,
        """
import threading
from concurrent.futures import ThreadPoolExecutor
barrier = threading.Barrier(3)
def square(n):
    if n < 3: barrier.wait()  # so that each of the three threads gets one
    return n * n
def fail(n): raise ValueError(n)
def later(n): return n
def main():
    with ThreadPoolExecutor(3, thread_name_prefix="pool") as pool:
        print(sum(pool.map(square, range(10))))
        try: pool.submit(fail, 7).result()
        except ValueError as error: print("caught", error)
    timer = threading.Timer(0, later, args=("timer",))
    timer.name = "a timer"
    timer.start()
    timer.join()
    class Worker(threading.Thread):
        def run(self):
            later(self.name)
    worker = Worker(name="a subclass")
    worker.start()
    worker.join()
    broken = threading.Thread(target=fail, args=(8,), name="broken")
    broken.start()
    broken.join()
threading.excepthook = lambda args: print("hook", args.exc_value)
main()
""",
    )
    assert spool.stdout == "285\ncaught 7\nhook 8\n"
    names = thread_names(spool)
    assert sorted(c.value for c in spool.named("square")) == [n * n for n in range(10)]
    assert {names[c.thread] for c in spool.named("square")} == {"pool_0", "pool_1", "pool_2"}
    assert [(names[c.thread], c.value) for c in spool.named("later")] == [
        ("a timer", "timer"), ("a subclass", "a subclass"),
    ]  # fmt: skip
    assert spool.one("main.<locals>.Worker.run").outcome == record_format.OUTCOME_RETURNED
    assert [c.outcome for c in spool.named("fail")] == [record_format.OUTCOME_RAISED] * 2
    raised = {e["message"]: e["id"] for e in spool.of("exception") if e["function"] == "fail"}
    assert raised["8"] in {e["id"] for e in spool.of("uncaught")}
    assert raised["7"] not in {e["id"] for e in spool.of("uncaught")}


def test_thread_local_values_are_those_of_their_thread(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import threading
own = threading.local()
together = threading.Barrier(4)
def remember(n):
    own.value = n
    together.wait()
    return recall()
def recall(): return own.value
threads = [threading.Thread(target=remember, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
""",
    )
    by_call = {c.call: c for c in spool.named("remember")}
    assert [c.value for c in by_call.values()] == [c.args["n"] for c in by_call.values()]
    assert all(c.value == by_call[c.parent].args["n"] for c in spool.named("recall"))


def test_functions_first_called_by_several_threads_at_once_lose_no_call_and_no_end(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import sys, threading
sys.setswitchinterval(1e-6)
for number in range(60):
    exec("def f%d(n): return (%d, n)" % (number, number))
functions = [globals()["f%d" % number] for number in range(60)]
together = threading.Barrier(4)
def work(n):
    together.wait()
    for at in range(60): functions[(at + n % 2) % 60](n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
""",
    )
    calls = [call for number in range(60) for call in spool.named(f"f{number}")]
    assert len(calls) == 240
    recorded = [(call.function, call.args["n"], call.value) for call in calls]
    assert all(value == {"$tuple": [int(function[1:]), n]} for function, n, value in recorded), recorded


def test_calls_of_a_daemon_thread_are_open_at_the_end(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import threading
inside, never = threading.Event(), threading.Event()
def before(n): return n
def wait(n):
    before(n)
    inside.set()
    never.wait()
threading.Thread(target=wait, args=(5,), name="a daemon", daemon=True).start()
inside.wait()
""",
    )
    assert spool.exit_code == 0 and len(spool.of("end")) == 1
    wait = spool.one("wait")
    assert (wait.outcome, wait.args, thread_names(spool)[wait.thread]) == (None, {"n": 5}, "a daemon")
    assert spool.one("before").value == 5


def test_a_thread_unknown_to_threading_is_named_by_its_number(monitoring_python: str, trace: Trace) -> None:
    spool = trace(
        monitoring_python,
        """
import _thread
done = _thread.allocate_lock()
done.acquire()
def work(n):
    inner(n)
    done.release()
def inner(n): return n
_thread.start_new_thread(work, (3,))
done.acquire()
""",
    )
    inner = spool.one("inner")
    assert inner.value == 3
    assert thread_names(spool)[inner.thread] == "thread-1"


def test_a_thread_has_the_name_that_it_had_at_its_first_recorded_call(
    python: str, trace: Trace, tmp_path: Path
) -> None:
    """Let traced code call Event.set: threading calls it in each new thread before it knows the thread's name."""
    (tmp_path / "lib.py").write_text(
        "import threading\ndef renamed(work):\n    threading.current_thread().name = 'by a library'\n    work()\n"
    )
    spool = trace(
        python,
        """
import threading
import lib
threading.Event().set()
def work(): return threading.current_thread().name
for thread in (threading.Thread(target=work, name="worker"), threading.Thread(target=lib.renamed, args=(work,))):
    thread.start()
    thread.join()
""",
    )
    names = thread_names(spool)
    assert [(names[call.thread], call.value) for call in spool.named("work")] == [
        ("worker", "worker"), ("by a library", "by a library"),
    ]  # fmt: skip


def test_a_thousand_short_lived_threads_lose_no_call(python: str, trace: Trace) -> None:
    spool = trace(
        python,
        """
import threading
def leaf(n): return n
def work(n): return leaf(n) + leaf(-n)
for start in range(0, 1000, 50):
    threads = [threading.Thread(target=work, args=(n,)) for n in range(start, start + 50)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
""",
    )
    assert sorted(c.args["n"] for c in spool.named("work")) == list(range(1000))
    parents = {c.call: c for c in spool.named("work")}
    assert len(spool.named("leaf")) == 2000
    assert all(abs(c.value) == parents[c.parent].args["n"] for c in spool.named("leaf"))
    assert all(c.thread == parents[c.parent].thread for c in spool.named("leaf"))
    assert len(spool.of("thread")) == 1001
    assert len(list(spool.folder.glob("*.calls"))) < 100
