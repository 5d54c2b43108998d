"""Stands still with threads or tasks that wait for each other's locks, in the way that its argument names."""

import asyncio
import linecache
import sys
import threading


def ready():
    print("ready", flush=True)


def start(function, *arguments, name):
    thread = threading.Thread(target=function, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


class Account:
    def __init__(self, name, lock):
        self.name = name
        self._lock = lock


def transfer(source, target, both_hold_one):
    with source._lock:
        both_hold_one.wait()
        with target._lock:
            return source, target


def deadlocks(kind):
    both_hold_one = threading.Barrier(3)
    one, two = Account("one", kind()), Account("two", kind())
    threads = [
        start(transfer, one, two, both_hold_one, name="first"),
        start(transfer, two, one, both_hold_one, name="second"),
    ]
    both_hold_one.wait()
    waits_until_asked(threads)


class Store:
    guard = threading.Lock()

    def read(self, held, name):
        # fmt: off
        with self.guard: return name  # noqa: E701
        # fmt: on

    def write(self, held):
        self.guard.acquire()
        try:
            held.set()
            threading.Event().wait()
        finally:
            self.guard.release()


def waits_for_a_class(store):
    held = threading.Event()
    start(store.write, held, name="writer")
    held.wait()
    readers = [start(store.read, held, f"paper-{number}", name=f"reader-{number}") for number in range(2)]
    waits_until_asked(readers)


CHANGED = threading.Condition()


def changes(held):
    with CHANGED:
        held.set()
        threading.Event().wait()


def notices():
    with CHANGED:
        CHANGED.wait()


def waits_for_a_condition():
    waiter = start(notices, name="waiter")
    while not CHANGED._waiters:
        pass
    held = threading.Event()
    start(changes, held, name="holder")
    held.wait()
    late = start(notices, name="late")
    waits_until_asked([waiter, late])


def again(lock):
    lock.acquire()
    with lock:
        return lock


def waits_for_itself():
    waits_until_asked([start(again, threading.Lock(), name="twice")])


def gone(lock):
    lock.acquire()


def waits_for_the_forgetful(lock):
    thread = start(gone, lock, name="gone")
    thread.join()
    waits_until_asked([start(again, lock, name="late")])


def stands_at_a_lock(thread):
    frame = sys._current_frames()[thread.ident]
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    return "with " in line or "acquire(" in line or "__enter__(" in line


def waits_until_asked(threads):
    while not all(map(stands_at_a_lock, threads)):
        pass
    ready()
    for thread in threads:
        thread.join()


async def waits_in_tasks():
    lock = asyncio.Lock()

    async def holds():
        async with lock:
            await asyncio.sleep(1000)

    async def wants(number):
        async with lock:
            return number

    tasks = [asyncio.ensure_future(holds())]
    await asyncio.sleep(0)
    tasks += [asyncio.ensure_future(wants(number)) for number in range(2)]
    asyncio.get_event_loop().call_soon(asyncio.get_event_loop().call_soon, ready)  # after the first steps of all
    await asyncio.gather(*tasks)


def main(way):
    if way == "locks":
        deadlocks(threading.Lock)
    elif way == "rlocks":
        deadlocks(threading.RLock)
    elif way == "class":
        waits_for_a_class(Store())
    elif way == "condition":
        waits_for_a_condition()
    elif way == "itself":
        waits_for_itself()
    elif way == "forgotten":
        waits_for_the_forgetful(threading.Lock())
    else:
        asyncio.run(waits_in_tasks())


if __name__ == "__main__":
    main(sys.argv[1])
