"""An agent gets from the report of a failing test to the wrong call."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.anyio

TARGETS = Path(__file__).parent.parent / "targets"


@pytest.fixture
def shop(workspace: Path) -> Path:
    for name in ("priced.py", "tested.py", "cased.py"):
        shutil.copy(TARGETS / name, workspace)
    (workspace / "pytest.ini").write_text("[pytest]\n")
    return workspace


async def test_the_report_shows_the_wrong_result_and_get_calls_shows_the_calls_of_the_test(session, shop: Path) -> None:
    await session.project(shop, ["priced"])
    report = await session.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tested.py", cwd=str(shop))

    tests = report["tests"]
    assert tests["outcomes"] == "3 failed, 2 error, 2 passed, 1 skipped, 1 xfailed, 1 xpassed"
    first = tests["failing"][0]
    assert first["test"] == "tested.py::test_total[20]"
    assert first["exception"]["message"].startswith("assert 114 == 126")
    assert first["exception"]["locals"] == ["pieces = 20", "expected = 126"]
    assert [line.partition("  #")[0] for line in first["called"]] == [
        "priced.py:4 total(price=7, pieces=20) -> 114",
        "  discounted(amount=140) -> 126",
        "  discounted(amount=126) -> 114",
    ]
    assert "exceptions" not in report

    calls = await session.ok("get_calls", project="p", function="*", where={"test": "test_total[20]"})
    assert [row[1:4] for row in calls["rows"]] == [
        ["priced:total", "price=7, pieces=20", "114"],
        ["priced:discounted", "amount=140", "126"],
        ["priced:discounted", "amount=126", "114"],
    ]
    every = await session.ok("get_calls", project="p", function="share")
    assert [row[every["columns"].index("test")] for row in every["rows"]] == [
        "tested.py::test_share",
        "tested.py::test_teardown_fails",
    ]
    found = await session.ok("find_exceptions", project="p", type="LookupError")
    assert found["exceptions"][0]["test"] == "tested.py::test_setup_fails"
    assert await session.rows("SELECT count(*) FROM tests WHERE outcome = 'failed'") == [[3]]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("result = doubled(2)\n    log(0)\n    assert result == 5", "doubled"),
        ("cart = Cart()\n    cart.add(2)\n    log(0)\n    assert cart.total == 5", "Cart.add"),
        (
            "expected = 5\n    for number in [2]:\n        result = doubled(number)\n    assert result == expected",
            "doubled",
        ),
        ("result = doubled(log(2) or 2)\n    total = result + 1\n    log(0)\n    assert total == 6", "doubled"),
    ],
)
async def test_what_a_check_compared_is_followed_to_the_statement_that_made_it(
    session, workspace: Path, body: str, shown: str
) -> None:
    (workspace / "carts.py").write_text(
        "def doubled(number):\n    return number * 2\n\ndef log(number):\n    return None\n\nclass Cart:\n"
        "    def __init__(self):\n        self.total = 0\n    def add(self, number):\n        self.total += number\n"
    )
    (workspace / "test_carts.py").write_text(f"from carts import *\n\ndef test_it():\n    {body}\n")
    await session.project(workspace, ["carts", "test_carts"])
    report = await session.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_carts.py")
    explaining = report["tests"]["failing"][0]["explaining"]
    assert f" {shown}(" in explaining[0].splitlines()[0]


async def test_a_test_that_hangs_is_named_and_its_open_calls_are_shown(session, workspace: Path, gate) -> None:
    (workspace / "cases.py").write_text(
        "import signal, sys, unittest\n"
        "def wait():\n"
        "    with open(sys.argv.pop(), 'w') as gate: gate.write('waits')\n"
        "    signal.pause()\n"
        "class Waits(unittest.TestCase):\n"
        "    def test_a(self): pass\n"
        "    def test_b(self): wait()\n"
        "unittest.main(argv=sys.argv[:1])\n"
    )
    await session.project(workspace, ["__main__"])
    await session.run(sys.executable, "cases.py", str(gate.path), cwd=str(workspace), wait_seconds=0)
    await gate.message()
    report = await session.ok(
        "stop_run", project="p", trace_id=(await session.rows("SELECT trace_id FROM traces"))[0][0]
    )
    assert report["tests"] == {"outcomes": "1 unfinished, 1 passed", "unfinished": ["__main__.Waits.test_b"]}
    calls = await session.ok("get_calls", project="p", function="wait", where={"test": "test_b"})
    assert [row[4] for row in calls["rows"]] == ["unfinished"]
