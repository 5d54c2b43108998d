"""Test that futures, locks, queues, threads and generators are recorded by their state, the same on every Python."""

from __future__ import annotations

from typing import Any

import pytest

from spool_reader import Spool, Trace, without_numbers

STATES = """
import asyncio, concurrent.futures, queue, threading

def show(name, value): pass

class Cart: pass

class Worker(threading.Thread):
    def __init__(self):
        super().__init__(name="worker")
        self.jobs = [1]

def rows():
    yield 1
    show("running", own)
    yield 2

async def values():
    yield 1

own = rows()
show("not started", own)
next(own)
show("suspended", own)
list(own)
show("exhausted", own)

lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
show("unlocked", [lock, rlock, condition])
with lock, rlock, condition:
    show("locked", [lock, rlock, condition])
event = threading.Event()
event.set()
show("event", [threading.Event(), event])
show("semaphore", [threading.Semaphore(2), threading.BoundedSemaphore(0)])
full = queue.Queue(3)
full.put(1)
show("queue", [full, queue.LifoQueue()])
worker = Worker()
show("new thread", worker)
worker.start()
worker.join()
show("old thread", worker)
show("this thread", threading.main_thread())

done, failed, dropped = [concurrent.futures.Future() for _ in range(3)]
show("pending", done)
done.set_result("a text")
failed.set_exception(KeyError("Planted-1"))
dropped.cancel()
show("futures", [done, failed, dropped])

async def work():
    return Cart()

async def main():
    future = asyncio.get_event_loop().create_future()
    future.cancel()
    show("native future", future)
    task = asyncio.ensure_future(work())
    show("task", task)
    await task
    show("done task", task)
    stream = values()
    show("stream", stream)
    async for _ in stream:
        show("stream at work", stream)
    show("ended stream", stream)
    coroutine = work()
    show("coroutine", coroutine)
    await coroutine
    show("ended coroutine", coroutine)
    show("asyncio", [asyncio.Lock(), asyncio.Event(), asyncio.Queue(2)])

asyncio.run(main())
print("done")
"""


@pytest.fixture
def recorded(python: str, trace: Trace) -> dict[str, Any]:
    spool: Spool = trace(python, STATES)
    assert (spool.exit_code, spool.stdout, spool.stderr) == (0, "done\n", "")
    return {call.args["name"]: without_numbers(call.args["value"]) for call in spool.named("show")}


def test_states_are_recorded_without_calling_the_program(recorded: dict[str, Any]) -> None:
    """Check one run of the program; each paragraph is a kind of object."""
    assert "Planted" not in str(recorded)

    of_rows = [recorded[name]["$state"] for name in ("not started", "suspended", "running", "exhausted")]
    at = STATES.splitlines().index("    yield 1") + 1
    assert of_rows == ["not started", f"suspended at line {at}", "running", "exhausted"]
    assert recorded["suspended"]["name"] == "rows"
    of_stream = [recorded[name]["$state"] for name in ("stream", "stream at work", "ended stream")]
    assert of_stream[::2] == ["not started", "exhausted"] and of_stream[1].startswith("suspended at line")
    assert [recorded[name]["$state"] for name in ("coroutine", "ended coroutine")] == ["not started", "finished"]

    kinds = ["lock", "RLock", "Condition"]
    assert recorded["unlocked"] == [{"$type": kind, "$state": "unlocked"} for kind in kinds]
    assert recorded["locked"] == [{"$type": kind, "$state": "locked"} for kind in kinds]
    assert [each["$state"] for each in recorded["event"]] == ["not set", "set"]
    assert [(each["$state"], each["value"]) for each in recorded["semaphore"]] == [("unlocked", 2), ("locked", 0)]
    assert recorded["queue"] == [
        {"$type": "Queue", "$state": "1 item", "maxsize": 3}, {"$type": "LifoQueue", "$state": "empty"},
    ]  # fmt: skip
    assert recorded["asyncio"] == [
        {"$type": "Lock", "$state": "unlocked"}, {"$type": "Event", "$state": "not set"},
        {"$type": "Queue", "$state": "empty", "maxsize": 2},
    ]  # fmt: skip

    assert recorded["new thread"] == {"$type": "Worker", "$state": "not started", "name": "worker", "jobs": [1]}
    assert recorded["old thread"]["$state"] == "finished"
    assert recorded["this thread"] == {"$type": "_MainThread", "$state": "running", "name": "MainThread"}

    assert recorded["pending"] == {"$type": "Future", "$state": "pending"}
    assert recorded["futures"] == [
        {"$type": "Future", "$state": "finished", "result": "<str>"},
        {"$type": "Future", "$state": "finished", "exception": "<KeyError>"},
        {"$type": "Future", "$state": "cancelled"},
    ]
    assert recorded["native future"] == {"$type": "Future", "$state": "cancelled"}
    assert recorded["task"] == {"$type": "Task", "$state": "pending", "coro": "work"}
    assert recorded["done task"] == {"$type": "Task", "$state": "finished", "result": "<Cart>", "coro": "work"}
