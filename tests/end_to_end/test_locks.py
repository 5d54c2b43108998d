"""The report of a program that hangs says which thread or task waits for which lock, and who holds it."""

from __future__ import annotations

import shutil

import pytest

from spool_reader import TARGETS, interpreter

pytestmark = pytest.mark.anyio


async def stacks(session, workspace, python: str, way: str) -> list[str]:
    """Stop the program once it stands still; return the stacks in its report, each with what it waits for."""
    shutil.copy(TARGETS / "locks_at_work.py", workspace / "work.py")
    await session.project(workspace, ["__main__"])
    run = await session.run(python, "work.py", way, wait_seconds=0)
    about = {"project": "p", "trace_id": run["trace_id"]}
    while (await session.ok("wait_for_run", **about, wait_seconds=0.1)).get("stdout_tail") != "ready":
        pass
    report = await session.ok("stop_run", **about)
    found: list[str] = report["stacks"]
    return found


def place(text: str, number: int = 1) -> int:
    lines = (TARGETS / "locks_at_work.py").read_text().splitlines()
    return [line for line, source in enumerate(lines, 1) if source.strip() == text][number - 1]


@pytest.mark.parametrize("version", ["3.8", "3.11", "3.13"])
@pytest.mark.parametrize("way", ["locks", "rlocks"])
async def test_a_deadlock_is_named_with_the_locks_and_their_holders(session, workspace, version, way) -> None:
    found = await stacks(session, workspace, interpreter(version), way)
    assert found[0] in (
        "deadlock, each waits for a lock of the next: first for second, second for first",
        "deadlock, each waits for a lock of the next: second for first, first for second",
    )
    taken = place("with source._lock:")
    for one, other in (("first", "second"), ("second", "first")):
        waits = f"  {one}: waits for target._lock, held by {other} as source._lock since work.py:{taken} transfer"
        assert waits in found
    (line,) = [each for each in found if each.startswith(f"  work.py:{place('with target._lock:')} transfer: ")]
    assert "(name='one'" in line and "(name='two'" in line and "(first)" in line and "(second)" in line


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("class", f"waits for self.guard, held by writer since work.py:{place('self.guard.acquire()')} Store.write"),
        ("condition", f"waits for CHANGED, held by holder since work.py:{place('with CHANGED:')} changes"),
        ("itself", f"waits for lock, held by itself since work.py:{place('lock.acquire()')} again"),
        ("forgotten", "waits for lock, which no code on these stacks holds"),
        ("tasks", f"waits for lock, held by Task-2 since work.py:{place('async with lock:')} "
                  "waits_in_tasks.<locals>.holds"),
    ],
)  # fmt: skip
async def test_who_waits_for_a_lock_has_it_in_its_stack(session, workspace, way, expected) -> None:
    found = await stacks(session, workspace, interpreter("3.13"), way)
    assert [line.strip() for line in found if "waits for" in line and "deadlock" not in line] == [expected]
    if way == "class":  # at the same place, with another value each
        line = next(
            each
            for each in found
            if each.startswith(f"  work.py:{place('with self.guard: return name  # noqa: E701')} ")
        )
        assert "name='paper-0' (reader-0), 'paper-1' (reader-1)" in line
