"""Call a small function of two integers, as often as the command line says."""

import sys


def small(a, b):
    return a + b


def main(count):
    total = 0
    for number in range(count):
        total = small(total, number) & 0xFFFF
    return total


main(int(sys.argv[1]))
