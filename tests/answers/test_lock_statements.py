"""Test which locks are found in source to be taken, or held, by a line."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.report.lock_statements import MAX_SOURCE_CHARS, LockStatements

SOURCE = """
with first:
    with self._second, third:
        work()
        with (
            fourth
        ):
            work()
    after()
lock.acquire()
try:
    work()
finally:
    lock.release()
after()
if flag.acquire(timeout=3):
    work()
else:
    other()
later.acquire(False)
work()
async def tasks():
    async with first:
        await work()
    await slow.acquire()
    await work()
    slow.release()
    await work()
def nested():
    work()
with first: value = 1
with first: work()
def crowded():
    a.acquire(); b.acquire()
def inner():
    with first:
        def never():
            work()
        value = lambda: 1
        for each in range(3):
            work()
            if each:
                break
        else:
            work()
match value:
    case 1:
        m.acquire()
        work()
with open("x") as file, locks[0]:
    work()
value = c.acquire() or work()
"""
LINES = SOURCE.splitlines()


def at(text: str, number: int = 1) -> int:
    """Return the line of the number-th occurrence of a text."""
    return [line for line, source in enumerate(LINES, 1) if source.strip() == text][number - 1]


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        (at("with first:"), ["first"]),
        (at("with self._second, third:"), ["self._second", "third"]),
        (at("fourth"), ["fourth"]),
        (at("work()"), []),
        (at("lock.acquire()"), ["lock"]),
        (at("lock.release()"), []),
        (at("if flag.acquire(timeout=3):"), ["flag"]),
        (at("async with first:"), ["first"]),
        (at("await slow.acquire()"), ["slow"]),
        (at("with first: value = 1"), ["first"]),
        (at("with first: work()"), []),  # it may be at work under the lock
        (at("a.acquire(); b.acquire()"), []),  # it may be at either
        (at("m.acquire()"), ["m"]),
        (at("def nested():"), []),
        (at("value = c.acquire() or work()"), ["c"]),
        (1_000, []),
    ],
)
def test_a_line_takes_the_locks_that_it_names(line: int, taken: list[str]) -> None:
    assert LockStatements(LINES).taken_at(line) == taken


@pytest.mark.parametrize(
    ("line", "held"),
    [
        (at("with first:"), []),
        (at("work()"), ["first", "self._second", "third"]),
        (at("work()", 2), ["first", "self._second", "third", "fourth"]),
        (at("after()"), ["first"]),
        (at("work()", 3), ["lock"]),
        (at("lock.release()"), ["lock"]),
        (at("after()", 2), []),
        (at("work()", 4), ["flag"]),
        (at("other()"), []),
        (at("work()", 5), []),  # acquire(False) may have failed
        (at("await work()"), ["first"]),
        (at("await work()", 2), ["slow"]),
        (at("await work()", 3), []),
        (at("work()", 6), []),  # in a function of its own
        (at("with first: work()"), []),
        (at("work()", 7), []),  # defined under the lock, not run
        (at("work()", 8), ["first"]),
        (at("work()", 9), ["first"]),
        (at("work()", 10), ["m"]),
        (at("work()", 11), ["open('x')", "locks[0]"]),
        (1_000, []),
    ],
)
def test_a_line_holds_the_locks_of_the_statements_around_and_before_it(line: int, held: list[str]) -> None:
    assert [name for name, _ in LockStatements(LINES).held_at(line)] == held


def test_a_held_lock_has_the_line_that_took_it() -> None:
    assert LockStatements(LINES).held_at(at("work()")) == [
        ("first", at("with first:")),
        ("self._second", at("with self._second, third:")),
        ("third", at("with self._second, third:")),
    ]


@pytest.mark.parametrize("lines", [[], ["def f(:"], ["x = '\0'"], ["x = 1"] * MAX_SOURCE_CHARS])
def test_nothing_is_said_of_source_that_cannot_be_read(lines: list[str]) -> None:
    statements = LockStatements(lines)
    assert (statements.taken_at(1), statements.held_at(1)) == ([], [])
