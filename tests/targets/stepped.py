"""Functions to step through. A test knows each of their lines by its distance from the ``def``."""

import asyncio
import sys
import threading
from contextlib import suppress


def total(items, rate=None):
    subtotal = 0.0
    seen = []
    for price, n in items:
        subtotal += price * n
        seen.append(n)
    if rate:
        subtotal *= 1 + rate
    del seen
    return subtotal


def guarded(x):
    try:
        x / 0
    except ZeroDivisionError:
        x = -1
    finally:
        x -= 1
    with threading.Lock():
        y = x
    raise ValueError(y)


def numbers(n):
    for i in range(n):
        got = yield i * 2
    return got


async def waits(name):
    first = await asyncio.sleep(0, 1)
    second = await asyncio.sleep(0, name)
    return first, second


async def stream():
    for i in range(2):
        await asyncio.sleep(0)
        yield i


def factorial(n):
    if n < 2:
        return 1
    rest = factorial(n - 1)
    return n * rest


def counter():
    count = 10

    def add(step):
        nonlocal count
        count += step
        return count

    return add


class Basket:
    size = 2
    sizes = (size,)

    def __init__(self, first):
        self.items = [first]
        self.items.append(first + 1)


class Odd(dict):
    def items(self):
        print("the namespace's items() ran")
        return []


class Made(type):
    @classmethod
    def __prepare__(mcs, name, bases):
        return Odd()


class Strange(metaclass=Made):
    left = 1
    right = left + 1


def hidden(password):
    api_key = password + "-more"
    note = "token=" + password
    return len(api_key + note)


def evaluates():
    exec("extra = 5")
    here = locals()
    late = 1
    return locals().get("extra"), len(here) - late


def long_loop(n):
    total = 0
    for i in range(n):
        total += i
    return total


async def main():
    await asyncio.gather(waits("a"), waits("b"))
    async for _ in stream():
        pass
    task = asyncio.ensure_future(waits("never"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


if __name__ == "__main__":
    total([(1.5, 2), (4, 5)], 0.2)
    with suppress(ValueError):
        guarded(3)
    generator = numbers(2)
    next(generator)
    generator.send("x")
    with suppress(StopIteration):
        generator.send("y")
    dropped = numbers(3)
    next(dropped)
    dropped.close()
    asyncio.run(main())
    factorial(3)
    counter()(5)
    Basket(1)
    hidden("hunter-22-hunter")
    print(evaluates())
    threads = [threading.Thread(target=total, args=([(1, k)],), name=f"t{k}") for k in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    long_loop(int(sys.argv[1]))
