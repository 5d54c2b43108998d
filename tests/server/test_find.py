"""``find`` answers from what a real run recorded, and lets the next run record what it did not find."""

from __future__ import annotations

import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

SHOP = """\
class Rates:
    def __init__(self):
        self._cached = {}

    def of(self, key):
        if key not in self._cached:
            self._cached[key] = len(key)
        return self._cached[key]


class Shop:
    def __init__(self, rates):
        self.rates = rates
        self.sold = set()

    def total(self, order):
        total = 0
        for key, amount in order.items():
            self.sold.add(key)
            rate = self.rates.of(key)
            total += amount * rate
        return total
"""

TESTS = """\
import pytest
from shop import Rates, Shop

def test_missing():
    with pytest.raises(KeyError):
        {}["x"]

def test_total():
    shop = Shop(Rates())
    assert shop.total({"tea": 2, "milk": 1}) == 10
    assert shop.total({"tea": 3}) == 10
"""


async def ask(shop: Any, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await shop.ok("find", project="shop", **arguments)
    return answer


async def test_a_failed_test_tells_the_history_of_what_its_functions_set(shop, write) -> None:
    await shop.ok("edit_config", project="shop", add_include=["shop", "test_shop"])
    write("shop.py", SHOP)
    write("test_shop.py", TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"]
    await shop.ok("run", project="shop", command=command, timeout_seconds=60)
    text = (await ask(shop, name="self._cached"))["text"]
    assert "self._cached[key] = len(key)  # Rates" in text and "._cached: +'tea': 3 | +'milk': 4" in text
    assert text.count("<- last before the failure") == 1
    text = (await ask(shop, name="sold", of="Shop"))["text"]
    assert "self.sold.add(key)  # Shop" in text and ".sold: +'tea' | +'milk'" in text
    text = (await ask(shop, name="total", of="Shop.total"))["text"]
    assert "# total=6 | 10" in text and "# total: 0 -> 9  <- last before the failure" in text
    first = (await ask(shop, value=6))["text"].split("\n")[1]
    assert first.startswith("first: #") and first.endswith("total += amount * rate  # total=6")
    text = (await ask(shop, exception="AssertionError"))["text"]
    assert "<- the first at a line where no passing test raises" in text and "test_shop.py:11" in text


async def test_a_name_without_recorded_lines_has_them_after_the_next_run(shop, write) -> None:
    await shop.ok("edit_config", project="shop", add_include=["shop", "test_shop"])
    write("shop.py", SHOP)
    write("main.py", "from shop import Rates, Shop\nprint(Shop(Rates()).total({'tea': 2}))\n")
    command = {"project": "shop", "command": [sys.executable, "main.py"], "timeout_seconds": 60}
    await shop.ok("run", **command)
    before = await ask(shop, name="rate")
    assert "Shop.total shop.py: set or changed at 20; read at 21" in before["text"]
    assert before["notes"] == ["lines of Shop.total were not recorded: the next run records them"]
    await shop.ok("run", **command)
    after = await ask(shop, name="rate")
    assert "shop.py:20  rate = self.rates.of(key)  # rate=3" in after["text"] and "notes" not in after


async def test_what_it_refuses_says_what_to_ask_instead(shop, write) -> None:
    write("main.py", "def half(number):\n    return number / 2\nhalf(3)\n")
    command = [sys.executable, "main.py"]
    await shop.ok("run", project="shop", command=command, timeout_seconds=60)
    error = await shop.error("find", project="shop")
    assert "Give exactly one of name, value and exception: none was given" in error
    error = await shop.error("find", project="shop", name="number", of="hafl")
    assert "of='hafl'" in error and "half (main.py)" in error
    error = await shop.error("find", project="shop", text="x")
    assert "text" in error and "exception" in error
    assert "1 call" in (await ask(shop, value=3))["text"] and "1 call" in (await ask(shop, value=1.5))["text"]
