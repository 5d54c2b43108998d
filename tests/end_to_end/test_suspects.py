"""The report of failing tests names the lines that they ran and that few passing tests of their files did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spool_reader import program

pytestmark = pytest.mark.anyio

PRICING = program(
    """
    LIMIT = 100

    class Rates:
        def __init__(self):
            self.known = {}

        def of(self, key):
            if key in self.known:
                return self.known[key]
            self.known[key] = len(key)
            return self.known[key]

    def refund(amount):
        return -amount

    def log(amount):
        return None

    def discounted(amount, rate=0.1):
        if amount > LIMIT:
            amount = amount * (1 - rate)
            amount -= 1
        return amount
    """
)
TESTS = program(
    """
    import unittest
    from pricing import *

    class Prices(unittest.TestCase):
        def tearDown(self):
            log(0)
            if self.failed:
                discounted(0)
                refund(2)

        def setUp(self):
            self.failed = False

        def test_big(self):
            rates = Rates()
            rates.of("a")
            rates.of("a")
            refund(1)
            self.failed = True
            self.assertEqual(discounted(200), 180)

        def test_rate(self):
            rates = Rates()
            self.assertEqual(rates.of("a"), rates.of("a"))
    """
) + "".join(
    f"\n    def test_small_{number}(self):\n"
    f"        Rates().of('b')\n"
    f"        self.assertEqual(discounted({number}), {number})\n"
    for number in range(5)
)  # fmt: skip
SUSPECTS = [
    "lines this test ran and few of the 6 passing tests of its file did",
    "  0  discounted pricing.py:21-22  amount = amount * (1 - rate)",
    "  1  Rates.of pricing.py:9        return self.known[key]",
    "  functions only it ran: refund pricing.py:13",
]
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]


@pytest.fixture
def shop(workspace: Path) -> Path:
    (workspace / "pricing.py").write_text(PRICING)
    (workspace / "test_prices.py").write_text(TESTS)
    (workspace / "pytest.ini").write_text("[pytest]\n")
    return workspace


def commit(folder: Path) -> None:
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(folder)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)


async def run(session: Any, *words: str, **arguments: Any) -> dict[str, Any]:
    return await session.run(sys.executable, *words, **arguments)


@pytest.mark.parametrize("command", [[*PYTEST, "test_prices.py"], ["-m", "unittest", "test_prices"]])
async def test_suspects_are_named_by_function_with_the_passing_tests_that_ran_them(
    session, shop: Path, command: list[str]
) -> None:
    await session.project(shop, ["pricing", "test_prices"])
    report = await run(session, *command)
    assert report["suspects"] == SUSPECTS
    again = await session.ok("get_trace", project="p", trace_id=report["trace_id"])
    assert again["suspects"] == SUSPECTS


async def test_show_marks_suspect_lines_and_takes_the_last_call_that_ran_them(session, shop: Path) -> None:
    (shop / "test_prices.py").write_text(
        TESTS.replace("discounted(200), 180", "[discounted(each) for each in (1, 200, 2)], [1, 180, 2]")
    )
    await session.project(shop, ["pricing", "test_prices"])
    await run(session, *PYTEST, "test_prices.py")
    shown = (await session.ok("show", project="p", what=["discounted"]))["text"]
    assert "amount=200" in shown.splitlines()[0]
    starred = [line.split("*", 1)[1].strip() for line in shown.splitlines() if "* " in line[:16]]
    assert [line.partition("  ")[0] for line in starred] == ["amount = amount * (1 - rate)", "amount -= 1"]


async def test_lines_changed_since_the_last_commit_are_marked(session, shop: Path) -> None:
    commit(shop)
    (shop / "pricing.py").write_text(PRICING.replace("amount -= 1", "amount -= 2"))
    await session.project(shop, ["pricing", "test_prices"])
    suspects = (await run(session, *PYTEST, "test_prices.py"))["suspects"]
    assert "discounted pricing.py:21-22 changed " in suspects[1]
    assert "changed" not in suspects[2]


async def test_tests_that_share_their_lines_have_no_suspects(session, shop: Path) -> None:
    (shop / "pricing.py").write_text(PRICING.replace("return amount", "return amount - 1"))
    await session.project(shop, ["pricing", "test_prices"])
    report = await run(session, *PYTEST, "test_prices.py", "-k", "small")
    assert report["tests"]["outcomes"] == "5 failed"
    assert "suspects" not in report
