"""Switches stacks inside of calls; each call returns who it belongs to, so its true parent is known."""

import os
import sys
import threading
import time

from greenlet import greenlet, settrace


def leaf(owner, number):
    return [owner, number]


def outer(owner, rounds):
    for number in range(rounds):
        inner(owner, number)
    return owner


def inner(owner, number):
    leaf(owner, number)
    pause()
    leaf(owner, number + 100)
    return [owner, number]


def pause():
    greenlet.getcurrent().parent.switch()


def generate(owner):
    for number in range(3):
        yield leaf(owner, number + 200)


def consume(owner):
    items = generate(owner)
    next(items)
    pause()
    return list(items)


def compute(owner):
    """Starts a greenlet and waits for it, as for a call."""
    return greenlet(busy).switch(owner)


def busy(owner):
    end = time.perf_counter() + 0.02
    while time.perf_counter() < end:
        pass
    return owner


def fail(owner):
    leaf(owner, 300)
    pause()
    raise ValueError(owner)


def interleave(*functions):
    """Runs each in a greenlet of its own, a step at a time."""
    waiting = []
    for function, *arguments in functions:
        new = greenlet(function)
        new.switch(*arguments)
        waiting.append(new)
    while waiting:
        for one in list(waiting):
            time.sleep(0.001)
            try:
                one.switch()
            except ValueError as error:
                leaf("main", str(error))
            if one.dead:
                waiting.remove(one)


def main():
    interleave((outer, "a", 3), (outer, "b", 2), (consume, "c"), (fail, "d"))
    thread = threading.Thread(target=interleave, args=((outer, "e", 2), (consume, "f")))
    thread.start()
    thread.join()
    dropped = greenlet(fail)
    dropped.switch("g")
    del dropped
    compute("i")
    forks = greenlet(outer)
    forks.switch("h", 1)
    if os.fork() == 0:
        forks.switch()
        leaf("child", 0)
        os._exit(0)
    os.wait()
    forks.switch()
    leaf("main", 0)


if "--own" in sys.argv:
    settrace(lambda event, greenlets: None)
main()
