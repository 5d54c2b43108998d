"""The programs of `benchmarks.growth`: each takes a size from its command line, and does that much of one thing."""

from __future__ import annotations

from dataclasses import dataclass, field

CALLS = """
import sys

def small(a, b):
    return a + b

total = 0
for number in range(int(sys.argv[1])):
    total = small(total, number) & 0xFFFF
"""

# Each is called three times, so that what a function costs once counts.
FUNCTIONS = """
import sys

names = {"__name__": __name__}
for start in range(0, int(sys.argv[1]), 50):
    text = "".join(f"def function_{start + index}(a, b):\\n    return a + {index}\\n" for index in range(50))
    exec(compile(text, f"{sys.argv[2]}/part_{start}.py", "exec"), names)
functions = [each for name, each in names.items() if name.startswith("function_")]
for number in range(3):
    for each in functions:
        each(number, 3)
"""

# All of them live at once, and work in turn: each thread that waits for the interpreter's lock wakes every 5 ms, so
# that many that work at once cost more than linearly without a tracer, too.
THREADS = """
import sys, threading

def small(a, b):
    return a + b

def work(turn, done):
    turn.acquire()
    for number in range(1_000):
        small(number, 3)
    done.release()

def locked():
    lock = threading.Lock()
    lock.acquire()
    return lock

turns = [(locked(), locked()) for _ in range(int(sys.argv[1]))]
threads = [threading.Thread(target=work, args=turn) for turn in turns]
for each in threads:
    each.start()
for turn, done in turns:
    turn.release()
    done.acquire()
for each in threads:
    each.join()
"""

DEPTH = """
import sys
sys.setrecursionlimit(100_000)

def below(depth):
    return 0 if depth == 0 else 1 + below(depth - 1)

depth = int(sys.argv[1])
for _ in range(50 if depth else 0):
    below(depth)
"""

RAISED = """
import sys
sys.setrecursionlimit(100_000)

def below(depth):
    if depth == 0:
        raise ValueError("no more")
    return 1 + below(depth - 1)

depth = int(sys.argv[1])
for _ in range(5 if depth else 0):
    try:
        below(depth)
    except ValueError:
        pass
"""

ARGUMENT = """
import sys

def small(items):
    return len(items)

size = int(sys.argv[1])
items = [{"name": f"n{number}", "price": number * 1.5} for number in range(size)]
for _ in range(CALLS if size else 0):
    small(items)
"""

# Each call has a text of its own: one that was seen before need not be searched for secrets again.
TEXT = """
import sys

def small(text):
    return len(text)

size = int(sys.argv[1])
text = " ".join(f"word{number % 97}" for number in range(size))
for number in range(CALLS if size else 0):
    small(f"{number} {text}")
"""


@dataclass(frozen=True)
class Growth:
    """Something that a program can have more of.

    Attributes:
        name: What it is called on the command line and in the names of the plots.
        axis: What is counted.
        text: The program. Size 0 is its start.
        smallest: The size that is doubled.
        capture: Settings of `capture`, besides the mode `full`.
    """

    name: str
    axis: str
    text: str
    smallest: int
    capture: dict[str, object] = field(default_factory=dict)


# Above every size of an argument.
UNCUT: dict[str, object] = {"max_items": 100_000, "max_value_chars": 1_000_000}


def _with_calls(text: str, calls: int) -> str:
    return text.replace("CALLS", str(calls))


GROWTHS = {
    each.name: each
    for each in (
        Growth("calls", "calls of a function of two integers", CALLS, 31_250),
        Growth("functions", "functions, each called 3 times", FUNCTIONS, 500),
        Growth("threads", "threads that live at once, of 1,000 calls each", THREADS, 8),
        Growth("depth", "calls below each other, 50 times", DEPTH, 125),
        Growth("exceptions", "calls that an exception passes through, 5 times", RAISED, 125),
        Growth("arguments", "dicts in the list of 200 calls, limits raised", _with_calls(ARGUMENT, 200), 128, UNCUT),
        Growth("text", "words in the text of 200 calls, limits raised", _with_calls(TEXT, 200), 512, UNCUT),
        Growth("cut", "dicts in the list of 2,000 calls, limits as they are", _with_calls(ARGUMENT, 2_000), 128),
    )
}
