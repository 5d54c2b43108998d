"""Comparing two runs finds the bug and ignores what differs between any two runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from breadcrumb.record_format import ENV_OVERHEAD

pytestmark = pytest.mark.anyio

# Pool threads, tasks and temporary names. BUG makes one rate wrong; ORDER chooses which job and task come first.
SHOP = """
import asyncio, os, sys, tempfile, threading, time, uuid
from concurrent.futures import ThreadPoolExecutor

first_done = threading.Event()

class Order:
    def __init__(self, number):
        self.number = number
        self.id = uuid.uuid4()
        self.at = time.time()
        self.kinds = {"paper", "ink", "pens", "glue"}

def rate(number):
    return 3 if number == 5 and "BUG" in os.environ else 2

def total(order):
    return order.number * rate(order.number)

def job(number):
    # One of the first two waits for the other: which one is the environment's choice.
    if number == int(os.environ["ORDER"]):
        first_done.wait(20)
    result = total(Order(number))
    first_done.set()
    return result

async def load(number):
    is_first = (number == 7) == (os.environ["ORDER"] == "0")
    for _ in range(1 if is_first else 5):
        await asyncio.sleep(0)
    return total(Order(number))

async def load_all():
    return sum(await asyncio.gather(load(7), load(8)))

def save(folder, total):
    with open(os.path.join(folder, "total.txt"), "w") as file:
        file.write(str(total))
    return file.name

def main():
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(job, range(8)))
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        save(folder, sum(results))
    return sum(results) + asyncio.run(load_all())

main()
"""

TESTS = """
import os
import pytest
from prices import Cart

@pytest.fixture
def cart(tmp_path):
    return Cart(tmp_path / "cart.json")

@pytest.mark.parametrize("amount", [1, 10, 100])
def test_discount(cart, amount):
    cart.add("tea", 2.0, amount)
    assert cart.total() == 2.0 * amount * (0.9 if amount >= 10 else 1)

def test_empty(cart):
    assert cart.total() == 0
"""

PRICES = """
import os

class Cart:
    def __init__(self, path):
        self.path = path
        self.lines = []

    def add(self, name, price, amount):
        self.lines.append((name, price, amount))

    def total(self):
        return sum(price * amount * factor(amount) for _, price, amount in self.lines)

def factor(amount):
    if is_many(amount):
        return 0.9
    return 1

def is_many(amount):
    return amount > 10 if "BUG" in os.environ else amount >= 10
"""


async def traced(session: Any, *command: str, **env: str) -> str:
    # Each run gets another hash seed, and so another order of sets.
    traced.seed += 1  # type: ignore[attr-defined]
    report = await session.run(*command, env={**env, "PYTHONHASHSEED": str(traced.seed)})  # type: ignore[attr-defined]
    return report["trace_id"]


traced.seed = 0  # type: ignore[attr-defined]


async def test_runs_with_another_order_of_threads_differ_only_by_the_bug(session: Any, workspace: Path) -> None:
    (workspace / "shop.py").write_text(SHOP)
    await session.project(workspace)
    command = (sys.executable, "shop.py")
    base = await traced(session, *command, ORDER="0")
    reordered = await traced(session, *command, ORDER="1")
    wrong = await traced(session, *command, ORDER="1", BUG="1")

    answer = await session.ok("compare_traces", project="p", base_trace_id=base, trace_id=reordered)
    assert answer["verdict"] == "No call went differently.", answer
    assert "others" not in answer and "counts" not in answer
    assert "differ by times, ids or temporary names only" in answer["compared"]

    answer = await session.ok("compare_traces", project="p", base_trace_id=base, trace_id=wrong)
    first = answer["first"]
    assert first["function"] == "__main__:rate"
    assert first["differs"] == ["result: 2 -> 3"]
    assert first["this"] == "rate(number=5) -> 3"
    ((args, result),) = await session.rows(
        f"SELECT args, return_value FROM calls WHERE trace_id = '{base}' AND call_id = {first['base_call_id']}"
    )
    assert (args, result) == ('{"number": 5}', "2")
    assert [line.split(" calls ")[0] for line in answer["passed_on"]] == ["__main__:total", "__main__:job"], answer
    # main() only passes the results of the jobs on, and to save().
    assert [line.split(" calls ")[0] for line in answer["others"]] == ["__main__:save"], answer


async def test_a_failing_pytest_run_is_compared_with_the_passing_one_test_by_test(
    session: Any, workspace: Path
) -> None:
    (workspace / "prices.py").write_text(PRICES)
    (workspace / "test_prices.py").write_text(TESTS)
    await session.project(workspace)
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    base = await traced(session, *command)
    failed = await traced(session, *command, BUG="1")
    answer = await session.ok("compare_traces", project="p", base_trace_id=base, trace_id=failed)
    assert answer["tests"]["rows"] == [["test_prices.py::test_discount[10]", "passed", "failed"]]
    assert answer["first"]["function"] == "prices:is_many"
    assert answer["first"]["differs"] == ["result: True -> False"]
    assert any("test_prices.py" in line for line in answer["first"]["chain"])
    assert [line.split(" calls ")[0] for line in answer["passed_on"]] == [
        "prices:factor", "prices:Cart.total.<locals>.<genexpr>", "prices:Cart.total", "test_prices:test_discount",
    ]  # fmt: skip

    alone = await traced(session, *command, "test_prices.py::test_discount[10]", BUG="1")
    answer = await session.ok("compare_traces", project="p", base_trace_id=base, trace_id=alone)
    assert answer["first"]["function"] == "prices:is_many"
    assert "the commands differ (see runs)" in answer["notes"]


async def test_a_run_that_hangs_is_compared_with_one_that_ended(session: Any, workspace: Path) -> None:
    (workspace / "wait.py").write_text(
        "import os, signal\n"
        "def take(number):\n    return number\n"
        "def wait(number):\n    if 'BUG' in os.environ:\n        signal.pause()\n    return take(number)\n"
        "def main():\n    return [wait(number) for number in (1, 2)]\n"
        "main()\n"
    )
    await session.project(workspace)
    base = await traced(session, sys.executable, "wait.py")
    report = await session.run(sys.executable, "wait.py", env={"BUG": "1"}, timeout_seconds=3)
    assert report["status"] == "timeout"
    answer = await session.ok("compare_traces", project="p", base_trace_id=base, trace_id=report["trace_id"])
    assert answer["first"]["function"] == "__main__:wait"
    assert answer["first"]["differs"][-1] == "end: returned 1 -> not ended"
    assert "called only in the base from line 7: __main__:take(number=1)" in answer["first"]["differs"][0]


async def test_the_generator_with_another_yield_is_named_and_not_those_that_passed_it_on(
    session: Any, workspace: Path
) -> None:
    (workspace / "prices.py").write_text(
        "import os\n"
        "def read():\n    for n in range(4):\n        yield {'sku': f'SKU-{n}', 'rate': bool('BUG' in os.environ and n == 2)}\n"
        "def numbered(rows):\n    for number, row in enumerate(rows):\n        yield number, row\n"
        "def price(row):\n    return 1 if row['rate'] else 2\n"
        "def main():\n    return sum(price(row) for _, row in numbered(read()))\n"
        "main()\n"
    )
    await session.project(workspace)
    base = await traced(session, sys.executable, "prices.py")
    wrong = await traced(session, sys.executable, "prices.py", BUG="1")
    answer = await session.ok("compare_traces", project="p", base_trace_id=base, trace_id=wrong)
    assert answer["first"]["function"] == "__main__:read"
    assert answer["first"]["differs"] == ["yielded[2]['rate']: False -> True"]
    assert "__main__:numbered" in answer["passed_on"][0]

    found = await session.ok("search_values", project="p", trace_id=wrong, text="SKU-3")
    assert [row[1:3] for row in found["rows"]][:3] == [
        ["__main__:read", "yielded[3] {'sku': 'SKU-3', 'rate': False}"],
        ["__main__:numbered", "yielded[3] (3, {'sku': 'SKU-3', 'rate': False})"],
        ["__main__:price", "row={'sku': 'SKU-3', 'rate': False}"],
    ]


# Objects whose values are dear, in a function that is called often, and one that is called more often.
BUSY = """
class Node:
    def __init__(self, number):
        self.number = number
        self.texts = {str(each): [str(number + each)] * 5 for each in range(20)}

def look(node, number):
    return number

def step(number):
    return number + 1

def main():
    nodes = [Node(number) for number in range(20)]
    for number in range(30_000):
        step(number)
        if number % 10 == 0:
            look(nodes[number % 20], number)

main()
"""


async def test_what_a_budget_leaves_out_is_no_difference(session, workspace: Path) -> None:
    (workspace / "busy.py").write_text(BUSY)
    await session.project(workspace, include=["__main__"])
    ids = []
    for overhead in ("auto", 0.5, "off"):
        report = await session.run(sys.executable, "busy.py", capture={"overhead": overhead}, env={ENV_OVERHEAD: ""})
        ids.append(report["trace_id"])
    for base, this in (ids[:2], ids[1:], ids[::-2]):
        found = await session.ok("compare_traces", project="p", base_trace_id=base, trace_id=this)
        assert found["verdict"] == "No call went differently.", found
        assert not found.get("counts") and not found.get("only_in_base") and not found.get("only_in_this")
