"""The call tree, values and times in answers are those of a program whose true call tree is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pythons import NEWEST
from spool_reader import TARGETS, interpreter

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["3.8", NEWEST])
async def recorded(session, workspace: Path, request) -> str:
    shutil.copy(TARGETS / "ordering.py", workspace)
    await session.project(workspace, include=["__main__"])
    return (await session.run(interpreter(request.param), "ordering.py"))["trace_id"]


def without_comprehensions(lines: list[str]) -> list[str]:
    """Remove the lines of comprehensions, which are separate calls before 3.12."""
    return [line for line in lines if "<listcomp>" not in line and "<genexpr>" not in line]


async def ask(session: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await session.ok(tool, project="p", **arguments)
    assert len(json.dumps(answer, ensure_ascii=False)) <= 8_000
    return answer


async def test_tree_values_and_times_are_those_of_the_program(session, recorded) -> None:
    flow = await ask(session, "get_flow")
    lines = [line.strip() for line in without_comprehensions(flow["text"].splitlines())]
    assert flow["recorded"] == flow["calls"]
    assert "next_cursor" not in flow
    begin = next(at for at, line in enumerate(lines) if line.startswith("main() -> [0, 1, 2]"))
    # One hundred equal orders, then the different one.
    assert lines[begin + 1].startswith("attempt x100  (number=1, skus=['apple-1', 'pear-2']) -> [10, 20] … (number=100")
    assert [line.split("  ")[0] for line in lines[begin + 2 : begin + 5]] == ["order x100", "line x200", "price x200"]
    assert lines[begin + 5].startswith("attempt(number=5, skus=['apple-1', 'fig-3']) -> []")
    assert lines[begin + 6].startswith("order(number=5, skus=['apple-1', 'fig-3']) !! __main__.OutOfStock: no fig-3")
    assert any(line.startswith("price(sku='fig-3') !! __main__.OutOfStock: no fig-3") for line in lines)
    assert "… 49 levels of it, each called by the one above" in lines
    assert any(line.startswith("3 threads, worker-0 … worker-2:") for line in lines)
    assert any(line.startswith("__main__:worker x3  -> [140]") for line in lines)
    creator = next(line.rpartition("#")[2] for line in lines if line.startswith("ship_all("))
    assert [line.split("  ")[:2] for line in lines if line.startswith("ship(")] == [
        [f"ship(number={number}) -> {number}", f"[Task-{number + 2}, by #{creator}]"] for number in range(3)
    ]

    alone = await ask(session, "get_flow", thread="worker-1")
    assert alone["text"].splitlines()[0].startswith("__main__:worker() -> [140]")

    wrong = await ask(session, "search_values", text="'420'")
    assert [row[1] for row in wrong["rows"] if "<listcomp>" not in row[1]] == [
        "__main__:line", "__main__:order", "__main__:attempt",
    ]  # fmt: skip
    first, way, last = wrong["summary"]
    assert first.startswith(f"first: call {wrong['rows'][0][0]} __main__:line, called by __main__:order")
    assert first.endswith("has it in result '420'")
    assert "__main__:line (1 result) -> __main__:order" in way
    assert "__main__:attempt, called by __main__:main:" in last and last.endswith("result ['420', 840]")
    culprit = wrong["rows"][0][0]
    around = await ask(session, "get_flow", around_call_id=culprit)
    (here,) = [line.strip() for line in around["text"].splitlines() if "=>" in line]
    assert here.startswith("=> line(sku='apple-1', count=42) -> '420'")

    failed = await session.rows("SELECT exception_id FROM exceptions WHERE exception_type LIKE '%OutOfStock'")
    error = await ask(session, "get_flow", exception_id=failed[0][0])
    assert any(line.strip().startswith("=> price(sku='fig-3') !! ") for line in error["text"].splitlines())

    times = await ask(session, "analyze_performance", function="__main__:price")
    (row,) = times["functions"]["rows"]
    assert dict(zip(times["functions"]["columns"], row, strict=True))["calls"] == 205
    assert [caller[:2] for caller in times["callers"]["rows"]] == [["__main__:line", 205]]
    assert len(times["slowest"]["rows"]) == 5
