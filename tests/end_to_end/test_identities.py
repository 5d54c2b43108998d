"""Answers about a real run tell which object it was: in get_calls, show, get_flow, search_values and SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythons import NEWEST
from spool_reader import interpreter

pytestmark = pytest.mark.anyio

# The bug: charge adds the fee to a copy of the cart.
PROGRAM = """\
import threading


class Cart:
    def __init__(self, total):
        self.total = total
        self.voucher = None


def copied(cart):
    return Cart(cart.total)


def charge(cart, fee):
    cart = copied(cart)
    cart.total += fee
    return cart.total


def checkout(cart):
    charge(cart, 2)
    return cart.total


cart = Cart(10)
print(checkout(cart))
thread = threading.Thread(target=charge, args=(cart, 3))
thread.start()
thread.join()
"""


@pytest.mark.parametrize("version", ["3.8", NEWEST])
async def test_it_is_seen_that_another_object_was_changed(session, workspace: Path, version: str) -> None:
    (workspace / "shop.py").write_text(PROGRAM)
    await session.ok("init_project", project="p", workspace=str(workspace), include=["__main__"])
    first = await session.run(interpreter(version), "shop.py", capture={"lines": ["charge"]})
    assert first["stdout_tail"] == "10"

    shown = (await session.ok("show", project="p", what=["charge"], where={"args.fee": 2}))["text"]
    assert shown.splitlines() == [
        "charge shop.py:14 #5 from checkout:21: cart=Cart#1(total=10, voucher=None), fee=2 -> 12",
        "14 def charge(cart, fee):",
        "15  cart = copied(cart)  # cart=Cart#2(total=10, voucher=None)",
        "16  cart.total += fee  # cart.total=12",
        "17  return cart.total",
    ]
    calls = await session.ok("get_calls", project="p", function="charge")
    at = calls["columns"].index("args")
    assert [row[at] for row in calls["rows"]] == ["fee=2", "fee=3"]
    assert calls["same"]["args.cart"] == "Cart#1(total=10, voucher=None)"
    flow = await session.ok("get_flow", project="p")
    values = [line.strip().partition("  ")[0] for line in flow["text"].split("\n") if "=Cart" in line]
    assert values == [
        "Cart.__init__(self=Cart#1, total=10) -> None",
        "checkout(cart=Cart#1(total=10, voucher=None)) -> 10",
        "charge(cart=Cart#1, fee=2) -> 12",
        "copied(cart=Cart#1) -> Cart#2(total=10, voucher=None)",
        "Cart.__init__(self=Cart#2, total=10) -> None",
        "__main__:charge(cart=Cart#1, fee=3) -> 13",
        "copied(cart=Cart#1) -> Cart#3(total=10, voucher=None)",
        "Cart.__init__(self=Cart#3, total=10) -> None",
    ]
    of_second = await session.ok("search_values", project="p", text="Cart#2")
    assert [row[1].partition(":")[2] for row in of_second["rows"]] == ["Cart.__init__", "copied"]
    sql = """SELECT DISTINCT args->>'$.cart."$object"' FROM calls WHERE function_name = 'charge'"""
    assert await session.rows(sql) == [["1"]]

    second = await session.run(interpreter(version), "shop.py")
    compared = await session.ok(
        "compare_traces", project="p", base_trace_id=first["trace_id"], trace_id=second["trace_id"]
    )
    assert compared["verdict"] == "No call went differently."
