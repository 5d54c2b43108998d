"""Tracing expands from `__main__` to the function with the bug by the edit_config calls that answers offer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from proposed_calls import call_of

pytestmark = pytest.mark.anyio

# A project with a src layout. The bug is three modules deep: a discount in percent is used as a fraction.
PACKAGE = {
    "acme/__init__.py": "from acme.api import checkout\n",
    "acme/api.py": "from acme.orders.basket import Basket\n\n"
    "def checkout(prices, customer):\n    return Basket(prices).total(customer)\n",
    "acme/orders/__init__.py": "",
    "acme/orders/basket.py": "import json\nfrom acme.orders.terms.discounts import reduced\n\n"
    "class Basket:\n    def __init__(self, prices):\n        self.prices = json.loads(json.dumps(prices))\n\n"
    "    def total(self, customer):\n        return round(sum(reduced(price, customer) for price in self.prices), 2)\n",
    "acme/orders/terms/__init__.py": "",
    "acme/orders/terms/discounts.py": "DISCOUNTS = {'gold': 20}\n\n"
    "def reduced(price, customer):\n    return price * (1 - DISCOUNTS.get(customer, 0))\n",
}
# The same package, with its own decorator around its public function.
DECORATED = {
    **PACKAGE,
    "acme/tools/__init__.py": "",
    "acme/tools/decorators.py": "import functools\n\ndef public(function):\n    @functools.wraps(function)\n"
    "    def wrapper(*args):\n        return function(*args)\n    return wrapper\n",
    "acme/api.py": "from acme.orders.basket import Basket\nfrom acme.tools.decorators import public\n\n"
    "@public\ndef checkout(prices, customer):\n    return Basket(prices).total(customer)\n",
}
SCRIPT = "import acme\nprint(acme.checkout([10.0, 5.0], 'gold'))\n"
TEST = "import acme\n\ndef test_gold():\n    assert acme.checkout([10.0], 'gold') == 8.0\n"
MAX_EXPANSIONS = 2


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


async def recorded(session: Any, trace_id: str) -> set[tuple[str, str]]:
    """Return the module and name of every function with a recorded call."""
    rows = await session.rows(f"SELECT DISTINCT module_name, function_name FROM calls WHERE trace_id = '{trace_id}'")
    return {(module, name) for module, name in rows}


async def expand_until(session: Any, function: str, *command: str, **options: Any) -> list[list[str]]:
    """Make edit_config calls until a call of the function is recorded, and return the patterns of each."""
    steps: list[list[str]] = []
    report = await session.run(*command, **options)
    while not (await session.ok("get_calls", project="p", function=function))["total"]:
        assert len(steps) < MAX_EXPANSIONS, f"{function} was not reached by {steps}"
        gaps = await session.ok("find_gaps", project="p", trace_id=report["trace_id"])
        tool, arguments = call_of(gaps["edit_config"])
        assert (tool, gaps["next"][0]) == ("edit_config", gaps["edit_config"])
        assert not (await session.ok(tool, **arguments)).get("warnings")
        steps.append(arguments["add_include"])
        report = await session.run(*command, **options)
        shown = await recorded(session, report["trace_id"])
        for row in gaps["rows"]:
            gap = dict(zip(gaps["columns"], row, strict=True))
            if gap["suggested_include"] in steps[-1]:
                assert (gap["module"], gap["function"]) in shown
    return steps


async def test_two_steps_reach_a_function_of_the_workspace(session, workspace: Path) -> None:
    write(workspace / "src", PACKAGE)
    write(workspace, {"main.py": SCRIPT})
    await session.project(workspace, include=["__main__"])

    steps = await expand_until(session, "reduced", sys.executable, "main.py", env={"PYTHONPATH": "src"})

    assert steps == [["acme.api"], ["acme.*"]]
    (row,) = (await session.ok("get_calls", project="p", function="reduced", limit=1))["rows"]
    assert row[2:4] == ["price=10.0, customer='gold'", "-190.0"]


async def test_two_steps_reach_a_function_of_an_installed_package_without_a_workspace(
    session, workspace: Path, tmp_path: Path
) -> None:
    site = write(tmp_path / "venv" / "lib" / "python3.12" / "site-packages", PACKAGE)
    write(workspace, {"main.py": SCRIPT})
    environment = {"PYTHONPATH": str(site)}
    await session.ok("init_project", project="p")

    steps = await expand_until(session, "reduced", sys.executable, "main.py", cwd=str(workspace), env=environment)

    assert steps == [["acme.api"], ["acme.*"]]


async def test_decorators_of_a_package_need_no_step(session, workspace: Path, tmp_path: Path) -> None:
    site = write(tmp_path / "venv" / "lib" / "python3.12" / "site-packages", DECORATED)
    write(workspace, {"main.py": SCRIPT})
    await session.project(workspace, include=["__main__"])

    report = await session.run(sys.executable, "main.py", env={"PYTHONPATH": str(site)})
    assert report["gaps"]["rows"][0][0] == "acme.api:checkout"
    not_yet = await session.ok("get_calls", project="p", function="checkout")
    assert "acme.api:checkout was called 1 time but not traced" in not_yet["message"]
    steps = await expand_until(session, "reduced", sys.executable, "main.py", env={"PYTHONPATH": str(site)})

    assert steps == [["acme.api"], ["acme.*"]]


async def test_one_step_is_enough_under_a_test_runner(session, workspace: Path) -> None:
    write(workspace / "src", PACKAGE)
    write(workspace, {"tests/test_acme.py": TEST})
    await session.project(workspace, include=["__main__"])
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    steps = await expand_until(session, "reduced", *command, env={"PYTHONPATH": "src"})

    assert steps == [["tests/**/*.py", "acme.*"]]
