"""The database has exactly the calls that a program counted itself, on both backends."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from pythons import NEWEST
from spool_reader import TARGETS, interpreter

pytestmark = pytest.mark.anyio

KNOWN_TREE = str(TARGETS / "known_tree.py")


@pytest.fixture(params=["3.8", "3.11", "3.12", "3.13", NEWEST])
def python(request: pytest.FixtureRequest) -> str:
    return interpreter(request.param)


async def test_the_tables_have_exactly_the_calls_that_the_program_counted(session, python, workspace) -> None:
    await session.project(workspace, ["__main__"], mode="full")
    report = await session.run(python, KNOWN_TREE, "12")
    counted = ast.literal_eval(report["stdout_tail"])
    counted.update({"main": 1, "Counter.__init__": 1, "Counter": 1, "<module>": 1})
    total = sum(counted.values())
    assert report["traced"]["calls"] == total
    assert dict(await session.rows("SELECT function_name, count(*) FROM calls GROUP BY ALL")) == counted
    events = dict(await session.rows("SELECT event_type, count(*) FROM trace_events GROUP BY ALL"))
    assert events["call"] == total
    assert await session.rows("SELECT code FROM notices WHERE code IN ('records_lost', 'not_observing')") == []
    await expect_true_parents(session)
    await expect_true_values_and_ends(session)
    await expect_true_times(session)


async def expect_true_parents(session: Any) -> None:
    callers = await session.rows(
        "SELECT DISTINCT child.function_name, parent.function_name FROM calls child "
        "LEFT JOIN calls parent ON parent.call_id = child.parent_call_id ORDER BY ALL"
    )
    assert callers == [
        ["<module>", None],
        ["Counter", "<module>"],
        ["Counter.__init__", "main"],
        ["Counter.add", "main"],
        ["evens", "main"],
        ["fails", "fails"],
        ["fails", "main"],
        ["fib", "fails"],
        ["fib", "fib"],
        ["fib", "main"],
        ["fib", "twice"],
        ["main", "<module>"],
        ["twice", "main"],
    ]
    wrong_children = await session.rows(
        "SELECT call_id FROM calls c WHERE function_name = 'fib' AND (args->>'$.n')::INT <> "
        "(SELECT coalesce(sum((k.args->>'$.n')::INT) + 3, 0) / 2 FROM calls k WHERE k.parent_call_id = c.call_id) "
        "AND (args->>'$.n')::INT >= 2"
    )
    assert wrong_children == []  # fib(n) calls fib(n - 1) and fib(n - 2)


async def expect_true_values_and_ends(session: Any) -> None:
    values = await session.rows(
        "SELECT DISTINCT (args->>'$.n')::INT AS n, return_value::INT FROM calls WHERE function_name = 'fib' ORDER BY n"
    )
    fibonacci = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]
    assert values == [[n, value] for n, value in enumerate(fibonacci)]
    ends = await session.rows(
        "SELECT function_name, outcome, count(*) FROM calls WHERE function_name IN ('fails', 'evens', 'main') "
        "GROUP BY ALL ORDER BY ALL"
    )
    assert ends == [["evens", "returned", 1], ["fails", "raised", 78], ["main", "returned", 1]]


async def expect_true_times(session: Any) -> None:
    outside = await session.rows(
        "SELECT call_id FROM calls JOIN traces USING (trace_id) "
        "WHERE calls.started_at NOT BETWEEN traces.started_at AND traces.finished_at"
    )
    assert outside == []
    shorter_than_children = await session.rows(
        "SELECT p.call_id FROM calls p JOIN (SELECT parent_call_id, sum(duration_ns) AS total FROM calls "
        "WHERE function_name <> 'evens' GROUP BY 1) k ON k.parent_call_id = p.call_id WHERE p.duration_ns < k.total"
    )
    assert shorter_than_children == []
    assert await session.rows("SELECT call_id FROM calls WHERE self_ns < 0 OR duration_ns IS NULL") == []


@pytest.mark.slow
async def test_all_of_a_million_calls_and_the_exception_among_them_are_recorded(session, workspace: Path) -> None:
    (workspace / "million.py").write_text(
        "def step(a, b):\n    if a == 700_001:\n        raise ValueError('number %d' % a)\n    return a + b\n"
        "def main():\n    for i in range(1, 1_000_001):\n        try:\n            step(i, 1)\n"
        "        except ValueError:\n            pass\nmain()\n"
    )
    await session.project(workspace, ["__main__"], mode="full")
    report = await session.run(interpreter("3.12"), "million.py", wait_seconds=90)
    assert (report["status"], report["traced"]["calls"]) == ("completed", 1_000_002)
    sums = "SELECT count(*), sum((args->>'$.a')::BIGINT), sum(return_value::BIGINT) FROM calls WHERE function_name = 'step'"
    assert await session.rows(sums) == [[1_000_000, 500_000_500_000, 500_000_500_000 + 1_000_000 - 700_002]]
    found = await session.ok("find_exceptions", project="p", type="ValueError")
    assert found["total"] == 1
    assert "number 700001" in found["exceptions"][0]["message"]
    assert "step(a=700001, b=1)" in str(found["exceptions"][0]["calls"])
