"""Something for other tools to look at: branches, recursion, generators, exceptions, threads."""

import threading


def sized(number):
    if number > 2:
        return "big"
    return "small"


def never_called():
    return 1


def numbers(count):
    yield 0
    yield from range(1, count)


def recover():
    try:
        {}["missing"]
    except KeyError:
        return "recovered"


class Shape:
    def corners(self):
        return [number for number in numbers(4) if number]


def factorial(number):
    return 1 if number == 0 else number * factorial(number - 1)


def main():
    for number in range(300):
        sized(number % 4)
    Shape().corners()
    recover()
    factorial(20)
    thread = threading.Thread(target=sized, args=(3,))
    thread.start()
    thread.join()
    return factorial(5)


if __name__ == "__main__":
    print(main())
