"""Every call that an answer proposes can be made as it is, and answers something: followed through whole sessions."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from proposed_calls import call_of
from sessions import ANSWERS_WITH_A_BRIEF_REPORT

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGETS = Path(__file__).parents[1] / "targets"
PYTHON = sys.executable
# Proposals of proposals are followed to this depth, and at most so many calls are made in a session.
MAX_DEPTH = 3
MAX_CALLS = 25

# Programs with what proposals have stumbled over: input, variables, folders, odd names, generated code, packages.
OWN: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "variables and input": (
        {"src/shop.py": "def price(n):\n    return 10 / n\n", "main.py": "import os, shop\nfor line in open(0):\n    print(os.environ['UNIT'], shop.price(int(line)))\n"},
        {"command": [PYTHON, "main.py"], "env": {"PYTHONPATH": "src", "UNIT": "kg 'x'"}, "stdin": "5\n0\n"},
    ),
    "another folder": (
        {"deep/er/main.py": "import helper\nhelper.fail({'a': [1]})\n", "deep/er/helper.py": "def fail(values):\n    return values['b']\n"},
        {"command": [PYTHON, "main.py"], "cwd": "deep/er"},
    ),
    "arguments that look like shell syntax": (
        {"main.py": "import sys\ndef show(words):\n    raise ValueError(words)\nshow(sys.argv[1:])\n"},
        {"command": shlex.join([PYTHON, "main.py", "a>b", "x | y", "$HOME", "*.py", "~", "&", "it's", 'say "x"', "ünï"])},
    ),
    "a program in the command": (
        {"main.py": "def half(n):\n    return n / 2\n"},
        {"command": [PYTHON, "-c", "import main\nprint([main.half(n) for n in (1, 2, 'x')])"]},
    ),
    "odd names": (
        {"main.py": (
            "import dataclasses\n@dataclasses.dataclass\nclass Order:\n    price: int\n    def __post_init__(self): check(self)\n"
            "def check(order):\n    if order.price < 0: raise ValueError('negative')\n"
            "def outer():\n    def inner(n): return Order(n)\n    return [(lambda n: inner(n))(n) for n in (1, 2, -3)]\n"
            "def größe(): return outer()\nif __name__ == '__main__':\n    größe()\n"
        )},
        {"command": [PYTHON, "main.py"]},
    ),
    "a package that fails": (
        {"main.py": "import iniconfig\ndef settings(path):\n    return iniconfig.IniConfig(path)\nsettings('bad.ini')\n", "bad.ini": "[a]\nno equals sign\n"},
        {"command": [PYTHON, "main.py"]},
    ),
    "a package that ends well": (
        {"main.py": "import iniconfig\ndef settings(path):\n    return iniconfig.IniConfig(path)\nprint(settings('good.ini')['a']['b'])\n", "good.ini": "[a]\nb = c\n"},
        {"command": [PYTHON, "main.py"]},
    ),
    "a wrong result of a test": (
        {"shop/__init__.py": "", "shop/cart.py": "def total(prices):\n    try: prices['x']\n    except TypeError: pass\n    return sum(prices) - 1\n",
         "tests/test_cart.py": "from shop.cart import total\ndef test_total():\n    assert total([1, 2]) == 3\ndef test_other():\n    assert total([1]) == 0\n"},
        {"command": [PYTHON, "-m", "pytest", "-p", "no:cacheprovider"]},
    ),
    "an error in what a test called": (
        {"shop/__init__.py": "", "shop/cart.py": "def total(prices):\n    return prices['x']\n",
         "test_cart.py": "import unittest\nfrom shop.cart import total\nclass CartTest(unittest.TestCase):\n    def test_total(self):\n        self.assertEqual(total({}), 3)\n"},
        {"command": [PYTHON, "-m", "unittest"]},
    ),
    "a hang": (
        {"main.py": "import threading\nlock = threading.Lock()\ndef wait(name):\n    with lock: lock.acquire()\nthreading.Thread(target=wait, args=('a',), daemon=True).start()\nwait('b')\n"},
        {"command": [PYTHON, "main.py"], "timeout_seconds": 2},
    ),
    "a hot function": (
        {"main.py": "def step(n):\n    return n + 1\ndef main():\n    n = 0\n    for _ in range(5000): n = step(n)\n    assert n == 5001, n\nmain()\n"},
        {"command": [PYTHON, "main.py"]},
    ),
    "tasks": (
        {"main.py": "import asyncio\nasync def work(n):\n    await asyncio.sleep(0)\n    if n == 2: raise KeyError(n)\n    return n\nasync def main():\n    return await asyncio.gather(*map(work, range(4)), return_exceptions=True)\nassert 2 in asyncio.run(main())\n"},
        {"command": [PYTHON, "main.py"]},
    ),
    "nothing traced": ({"main.py": "x = 1\n"}, {"command": ["true"]}),
}  # fmt: skip

EXAMPLE_COMMANDS = {
    "failing_test": ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
    "lost_in_a_thread": ["thumbnails.py"],
    "lost_update": ["stock.py"],
    "odd_voucher": ["bill.py"],
    "slow_report": ["report.py"],
    "wrong_total": ["billing.py"],
}
TARGET_COMMANDS = ("known_tree.py", "work.py", "ordering.py", "unordered.py", "stepped.py", "priced.py", "planted.py")


class Follower:
    """Makes the calls that answers propose, the ones of the first answers first."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._seen: set[str] = set()
        self._pending: deque[tuple[str, int]] = deque()
        self.calls = 0

    def add(self, answer: dict[str, Any], depth: int = 1) -> None:
        proposed = [*answer.get("next", ()), answer.get("edit_config", "")]
        for text in proposed:
            if text and text not in self._seen and depth <= MAX_DEPTH:
                self._seen.add(text)
                self._pending.append((text, depth))

    async def follow(self, first: dict[str, Any]) -> list[str]:
        """Make all proposed calls; return a line for each that fails or answers nothing."""
        self.add(first)
        wrong: list[str] = []
        while self._pending and self.calls < MAX_CALLS:
            text, depth = self._pending.popleft()
            tool, arguments = call_of(text)
            self.calls += 1
            result = await self._session.client.call_tool(tool, arguments)
            if result.is_error:
                wrong.append(f"{text}: {''.join(block.text for block in result.content)}")
                continue
            answer = result.structured_content
            if tool in ANSWERS_WITH_A_BRIEF_REPORT:
                answer = await self._session.whole(arguments["project"], answer)
            if problem := _problem(tool, answer, first):
                wrong.append(f"{text}: {problem}")
            self.add(answer, depth + 1)
        return wrong


def _problem(tool: str, answer: dict[str, Any], first: dict[str, Any]) -> str:
    """Return what is wrong with the answer of a proposed call; "" if it answers something."""
    if tool == "run":  # the same program, with the same end
        if _end_of(answer) != _end_of(first):
            return f"it ended with {_end_of(answer)}"
        return "" if answer["traced"]["calls"] or not first["traced"]["calls"] else "nothing was traced"
    if tool == "edit_config":
        return "" if answer.get("changed") and not answer.get("warnings") else f"{answer.get('warnings')}, no change"
    if answer.get("message"):
        return answer["message"]
    if "rows" in answer and not answer["rows"]:
        return "no rows"
    return "" if set(answer) - {"project", "trace_id", "notes", "next", "total", "columns"} else "an empty answer"


def _end_of(report: dict[str, Any]) -> tuple[Any, ...]:
    """Return how a run ended, without numbers that differ between runs."""
    output = re.sub(r"\d+(?:\.\d+)?|0x\w+|\(.* characters before\)", "#", report.get("stdout_tail", ""))
    return report["status"], report.get("exit_code"), output.split()[-3:]


async def _follow(session: Any, workspace: Path, command: dict[str, Any]) -> None:
    created = await session.ok("init_project", project="p", workspace=str(workspace))
    first = await session.ok("run", project="p", **{"timeout_seconds": 60, **command})
    follower = Follower(session)
    wrong = await follower.follow(first)
    again = await session.ok("init_project", project="p")
    for answer in (created, again, await session.ok("get_config", project="p"), await session.ok("list_projects")):
        for text in answer.get("next", ()):
            tool, arguments = call_of(text)
            if tool == "run":
                arguments |= {"timeout_seconds": command.get("timeout_seconds", 60)}
            await session.ok(tool, **arguments)
    assert not wrong, "\n".join(wrong)
    assert follower.calls > 0


@pytest.mark.parametrize("name", OWN)
async def test_the_proposals_for_a_program_can_be_made(session, workspace: Path, name: str) -> None:
    files, command = OWN[name]
    for file, text in files.items():
        (workspace / file).parent.mkdir(parents=True, exist_ok=True)
        (workspace / file).write_text(text, encoding="utf-8")
    await _follow(session, workspace, command)


@pytest.mark.parametrize("name", EXAMPLE_COMMANDS)
async def test_the_proposals_for_an_example_can_be_made(session, tmp_path: Path, name: str) -> None:
    workspace = tmp_path / name
    shutil.copytree(EXAMPLES / name, workspace)
    await _follow(session, workspace, {"command": [PYTHON, *EXAMPLE_COMMANDS[name]]})


@pytest.mark.parametrize("name", TARGET_COMMANDS)
async def test_the_proposals_for_a_traced_program_of_the_tests_can_be_made(session, workspace: Path, name: str) -> None:
    shutil.copy(TARGETS / name, workspace)
    await _follow(session, workspace, {"command": [PYTHON, name]})


async def test_the_proposals_for_a_console_script_can_be_made(session, workspace: Path) -> None:
    script = Path(PYTHON).with_name("pytest")
    if not os.access(script, os.X_OK):
        pytest.skip("no console script")
    (workspace / "test_a.py").write_text("def twice(n): return n * 3\ndef test_twice():\n    assert twice(2) == 4\n")
    await _follow(session, workspace, {"command": [str(script), "-p", "no:cacheprovider"]})
