"""Line detail shows the step at which a function goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pythons import NEWEST
from spool_reader import interpreter

pytestmark = pytest.mark.anyio

# The bug: vouchers above 1 are percentages, and are divided by 10.
PROGRAM = """\
class Item:
    def __init__(self, name, price):
        self.name = name
        self.price = price


def total(items, vouchers):
    subtotal = 0.0
    for item in items:
        if item.name in vouchers:
            discount = vouchers[item.name]
            if discount > 1:
                discount = discount / 10
            subtotal -= item.price * discount
        subtotal += item.price
    return round(subtotal, 2)


def main():
    items = [Item("item%d" % n, 2.5) for n in range(300)]
    return total(items, {"item5": 0.1, "item217": 15})


print(main())
"""


@pytest.mark.parametrize("version", ["3.8", NEWEST])
async def test_the_wrong_step_is_shown_among_hundreds(session, workspace: Path, version: str) -> None:
    (workspace / "shop.py").write_text(PROGRAM)
    await session.ok("init_project", project="p", workspace=str(workspace), include=["__main__"])
    first = await session.run(interpreter(version), "shop.py")
    assert first["stdout_tail"] == "746.0"  # 749.38 is right

    calls = await session.ok("get_calls", project="p", function="total")
    assert "lines" not in calls

    second = await session.run(interpreter(version), "shop.py", capture={"lines": ["__main__:total", "totale"]})
    assert second["stdout_tail"] == "746.0"
    assert second["warnings"] == ["no lines for 'totale': no traced function of that name ran; near it: __main__:total"]
    found = await session.ok("get_calls", project="p", function="total")
    assert len(json.dumps(found, ensure_ascii=False)) < 5000
    lines = [line.strip() for line in found["lines"]]
    assert lines[:3] == [
        f"call {found['rows'][0][0]} of __main__:total, 910 lines executed:",
        "8  subtotal = 0.0   -> subtotal=0.0",
        "9  for item in items:   -> item=Item#1(name='item0', price=2.5)",
    ]
    wrong = lines.index("13              discount = discount / 10   -> discount=1.5")
    assert lines[wrong - 2 : wrong + 2] == [
        "11          discount = vouchers[item.name]   -> discount=15",
        "12          if discount > 1:",
        "13              discount = discount / 10   -> discount=1.5",
        "14          subtotal -= item.price * discount   -> subtotal=538.5",
    ]
    assert lines[-1] == "16  return round(subtotal, 2)   -> returned 746.0"

    history = await session.ok("get_calls", project="p", function="total", where={"lines": "discount"})
    assert [line.rpartition("-> ")[2] for line in history["lines"][1:]] == [
        "discount=0.1",
        "discount=15",
        "discount=1.5",
    ]
    assert await session.rows("SELECT line FROM lines WHERE changes->>'$.discount' = '1.5'") == [[14]]


async def test_a_timeout_shows_the_line_and_the_values_of_a_function_that_hangs(session, workspace) -> None:
    (workspace / "hang.py").write_text(
        "import time\ndef poll(queue):\n    tries = 0\n    while not queue:\n        tries += 1\n"
        "        if tries == 3:\n            time.sleep(3600)\n    return tries\npoll([])\n"
    )
    await session.ok("init_project", project="p", workspace=str(workspace), include=["__main__"])
    await session.ok(
        "run",
        project="p",
        command=[interpreter("3.12"), "hang.py"],
        timeout_seconds=3,
        capture={"lines": ["poll"]},
    )
    found = await session.ok("get_calls", project="p", function="poll")
    assert found["lines"][-1].strip().startswith("7          time.sleep(3600)   <- here when the recording ended")
    assert "-> tries=3" in found["lines"][-3]


async def test_an_invalid_capture_is_refused_before_anything_runs(session, workspace: Path) -> None:
    await session.ok("init_project", project="p", workspace=str(workspace))
    ask = {"project": "p", "command": ["touch", "ran"], "timeout_seconds": 10}
    error = await session.error("run", **ask, capture={"lines": ["shop/pricing.py"]})
    assert "lines[0]" in error and "shop.pricing.total" in error
    assert "did you mean 'lines'" in await session.error("run", **ask, capture={"line": ["total"]})
    assert not (workspace / "ran").exists()


# The style of one cell is changed through another cell that shares it.
SHARED = """\
import array
import collections


class Style(array.array):
    pass


class Sheet:
    def __init__(self):
        self.title = "Sheet" * 20
        self.cells = {(row, column): "v" for row in range(5) for column in range(5)}


class Cell:
    __slots__ = ("parent", "_style", "row")

    def __init__(self, sheet, style):
        self.parent = sheet
        self._style = style
        self.row = 3

    def change(self, styles):
        style = styles[0]
        style = styles[1]
        style[2] = 7
        queue = collections.deque([1, 2, 3, 4])
        queue[1] = 9
        names = {1: "tea", 2: "a pot of clay", 3: "a cup"}
        names[3] = 5
        del self.row


sheet = Sheet()
Cell(sheet, Style("i", range(3))).change([Style("i", range(5)), Style("i", [0, 1, 2, 3, 5])])
"""


async def test_new_bindings_are_distinguished_from_changes_in_place(session, workspace: Path) -> None:
    (workspace / "cells.py").write_text(SHARED)
    await session.ok("init_project", project="p", workspace=str(workspace), include=["__main__"])
    await session.run(interpreter(NEWEST), "cells.py", capture={"lines": ["Cell.*"]})

    made = await session.ok("get_calls", project="p", function="Cell.__init__")
    assert made["lines"][1].startswith("  19  self.parent = sheet   -> self.parent=Sheet#1(title=")
    assert made["lines"][2:] == [
        "  20  self._style = style   -> self._style=Style([0, 1, 2])",
        "  21  self.row = 3   -> self.row=3   -> returned None",  # the large sheet before it has left room
    ]
    found = await session.ok("get_calls", project="p", function="Cell.change")
    assert found["lines"][1:] == [
        "  24  style = styles[0]   -> style=Style([0, 1, 2, 3, 4])",
        "  25  style = styles[1]   -> style=Style([0, 1, 2, 3, 5])",
        "  26  style[2] = 7   -> styles[1][2]=7, style[2]=7",
        "  27  queue = collections.deque([1, 2, 3, 4])   -> queue=deque([1, 2, 3, 4])",
        "  28  queue[1] = 9   -> queue[1]=9",
        '  29  names = {1: "tea", 2: "a pot of clay", 3: "a cup"}   '
        "-> names={1: 'tea', 2: 'a pot of clay', 3: 'a cup'}",
        "  30  names[3] = 5   -> names[3]=5",
        "  31  del self.row   -> self.row=<deleted>   -> returned None",
    ]


# One handler for the usual StopIteration and the bug. The generator raises at another line than it is created at.
CAUGHT = """\
def parse(text):
    if not text.isdigit():
        raise ValueError(text)
    return int(text)


def numbers(texts):
    for text in texts:
        yield parse(text)


def sum_of(texts):
    found = numbers(texts)
    total = 0
    try:
        while True:
            total += next(found)
    except (ValueError, StopIteration):
        return total


print([sum_of(texts) for texts in (["1", "2"], ["3", "4"], ["5", "six"], ["7", "8"])])
"""


@pytest.mark.parametrize("version", ["3.8", "3.11", "3.12", "3.13", NEWEST])
async def test_a_line_shows_the_exception_raised_in_it(session, workspace: Path, version: str) -> None:
    (workspace / "sums.py").write_text(CAUGHT)
    await session.ok("init_project", project="p", workspace=str(workspace), include=["__main__"])
    await session.run(interpreter(version), "sums.py", capture={"lines": ["sum_of"]})
    found = await session.ok("get_calls", project="p", function="sum_of")
    headings = [line.partition("executed; ")[2] for line in found["lines"] if line.startswith("call ")]
    assert [heading.partition(" calls")[0] for heading in headings] == ["no other of 4", "path of 3 of 4"]
    (raised,) = [line.strip() for line in found["lines"] if "!!" in line]
    ended = "found=generator#3<numbers, exhausted>"
    assert raised == f"17          total += next(found)   -> {ended}   !! ValueError: six"
