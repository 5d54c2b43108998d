"""Counts its own calls with a counter per function, and prints the counts."""

import sys

counts = {"fib": 0, "twice": 0, "Counter.add": 0, "evens": 0, "fails": 0}


def fib(n):
    counts["fib"] += 1
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def twice(function, *args):
    counts["twice"] += 1
    function(*args)
    return function(*args)


class Counter:
    def __init__(self):
        self.total = 0

    def add(self, amount, scale=1):
        counts["Counter.add"] += 1
        self.total += amount * scale
        return self.total


def evens(limit):
    counts["evens"] += 1
    for n in range(limit):
        if n % 2 == 0:
            yield n


def fails(depth):
    counts["fails"] += 1
    if depth == 0:
        raise KeyError("bottom")
    try:
        return fails(depth - 1)
    finally:
        fib(1)


def main(size):
    fib(size)
    twice(fib, 3)
    counter = Counter()
    for n in evens(size):
        counter.add(n, scale=2)
    for depth in range(size):
        try:
            fails(depth)
        except KeyError:
            counter.add(depth)


main(int(sys.argv[1]))
print(counts)
