"""Each thread has its own chain of calls, under its name, however it was started and whether or not it ends."""

from __future__ import annotations

import pytest

from breadcrumb import record_format
from spool_reader import Spool, Trace


def names_of(spool: Spool) -> dict[int, str]:
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
    names = names_of(spool)
    assert sorted(names.values()) == ["MainThread", *(f"worker-{n}" for n in range(4))]
    assert {names[c.thread]: c.args["n"] for c in work.values()} == {f"worker-{n}": n for n in range(4)}


def test_a_generator_that_moves_between_threads_is_closed_where_it_ends(python: str, trace: Trace) -> None:
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


def test_threads_of_pools_timers_and_subclasses_are_traced_with_what_they_return_and_raise(
    python: str, trace: Trace
) -> None:
    spool = trace(
        python,
        """
import threading
from concurrent.futures import ThreadPoolExecutor
barrier = threading.Barrier(3)
def square(n):
    if n < 3: barrier.wait()  # so that each of three threads has one
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
    names = names_of(spool)
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


def test_values_of_a_threads_own_variables_are_its_own(python: str, trace: Trace) -> None:
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


def test_functions_that_threads_call_first_at_the_same_moment_have_all_their_calls_with_their_ends(
    python: str, trace: Trace
) -> None:
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
    told = [(call.function, call.args["n"], call.value) for call in calls]
    assert all(value == {"$tuple": [int(function[1:]), n]} for function, n, value in told), told


def test_what_a_daemon_thread_was_doing_at_the_end_is_unfinished(python: str, trace: Trace) -> None:
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
    assert (wait.outcome, wait.args, names_of(spool)[wait.thread]) == (None, {"n": 5}, "a daemon")
    assert spool.one("before").value == 5


def test_a_thread_that_threading_knows_nothing_of_is_named_by_its_number(monitoring_python: str, trace: Trace) -> None:
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
    assert names_of(spool)[inner.thread] == "thread-1"


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
