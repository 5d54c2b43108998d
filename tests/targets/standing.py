"""Stands still in the way that its argument names, beside other threads that wait; says "ready" when it does.

A second argument names a pipe to say it to as well.
"""

import asyncio
import os
import queue
import signal
import sys
import threading
from collections import deque
from itertools import chain


def ready():
    print("ready", flush=True)
    for gate in sys.argv[2:]:
        with open(gate, "w") as stream:
            stream.write("ready")


class Loud:
    """Whatever asks it something is heard."""

    def heard(self, *_):
        print("asked", flush=True)
        return 1

    __repr__ = __len__ = __bool__ = __eq__ = __hash__ = heard


def takes_jobs(jobs, number):
    return jobs.get()


def wants_lock(lock, has_begun, api_key):
    typed = api_key
    has_begun.release()
    with lock:
        return api_key, typed


def joins(thread, password):
    ready()
    thread.join()


def reads(loud):
    ready()
    sys.stdin.read()
    asked = os.path.exists(os.path.join(os.environ["BREADCRUMB_TRACE"], "stacks-wanted"))
    print("went on", "too early" if asked else "in time", flush=True)


def pauses(size):
    ready()
    signal.pause()
    print("pause returned", flush=True)


def loops(number):
    ready()
    while True:
        number += 1


def computes_in_c(limit):
    outs = [1, *(os.open(gate, os.O_WRONLY) for gate in sys.argv[2:])]
    says_ready = map(os.write, outs, [b"ready\n"] * len(outs))
    # From "ready" on no instruction of Python is executed any more.
    deque(chain(says_ready, map(os.close, outs[1:]), range(limit)), maxlen=0)


def recurses(depth):
    return recurses(depth - 1) if depth else reads(depth)


def waits_in_tasks(delay):
    word = "open-" + "sesame-77"

    class LoudTask(asyncio.Task):
        __hash__ = Loud.heard

    async def sleeps(delay, token):
        await asyncio.sleep(delay)

    async def numbers(delay):
        await sleeps(delay, word)
        yield delay

    async def consumes(delay):
        async for number in numbers(delay):
            print(number)

    async def main(delay):
        loop = asyncio.get_running_loop()
        tasks = [LoudTask(consumes(delay + 1), loop=loop), loop.create_task(sleeps(delay, token=word))]
        loop.call_soon(ready)  # after the first steps of both
        await tasks[1]

    asyncio.run(main(delay))


def main(way):
    jobs, lock, has_begun = queue.Queue(), threading.Lock(), threading.Lock()
    lock.acquire()
    has_begun.acquire()
    count = 120 if way == "threads" else 2
    threads = [threading.Thread(target=takes_jobs, args=(jobs, n), name=f"worker-{n}") for n in range(count)]
    threads.append(threading.Thread(target=wants_lock, args=(lock, has_begun, "k-0123456789"), name="locker"))
    for thread in threads:
        thread.daemon = True
        thread.start()
    has_begun.acquire()
    while len(jobs.not_empty._waiters) < count:
        pass
    if way == "joins":
        joins(threads[-1], "hush-hush-12")
    elif way == "pauses":
        pauses(2)
    elif way == "loops":
        loops(0)
    elif way == "computes in C":
        computes_in_c(10**13)
    elif way == "recurses":
        recurses(200)
    elif way == "waits in tasks":
        waits_in_tasks(500)
    else:
        reads(Loud())


if __name__ == "__main__":
    main(sys.argv[1])
