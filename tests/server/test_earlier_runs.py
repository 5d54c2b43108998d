"""A failed program is compared with its earlier runs that ended well, wherever their lines stand now."""

from __future__ import annotations

import random
import shlex

import pytest

from breadcrumb_server.runs.earlier_runs import ChangedFile, program_of
from breadcrumb_storage.executed_lines import ExecutedFunction


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("python report.py --month 3", "python report.py"),
        ("python3.12 -X dev -m shop.report a b", "python3.12 -X dev -m shop.report"),
        ("env A=1 python report.py x", "env A=1 python report.py"),
        ("uv run python report.py x", "uv run python report.py"),
        ("uv run report x", "uv run report x"),
        ("report --month 3", "report"),
        (".venv/bin/report x", ".venv/bin/report"),
        ("python -c 'print(1)'", "python -c 'print(1)'"),
        ("python -mshop x", "python -mshop x"),
        ("python", "python"),
        ("python report.py pytest", "python report.py"),
        ("pytest tests", ""),
        ("python -m pytest tests", ""),
        ("python -m unittest", ""),
        ("uv run pytest -k one", ""),
        ("tox -e py312", ""),
    ],
)
def test_a_program_is_named_by_the_words_up_to_its_script_or_module(command: str, program: str) -> None:
    assert shlex.join(program_of(shlex.split(command))) == program


BEFORE = """\
import sys

def price(amount):
    if amount > 100:
        amount -= 10
    return amount

def total(rows):
    return sum(rows)
""".splitlines()


def test_lines_of_an_earlier_run_are_moved_to_where_they_stand_now() -> None:
    now = ["# new", "", *BEFORE]
    now[6] = "        amount -= 11"
    price = ExecutedFunction("a.py", "price", 3)
    moved = dict(ChangedFile(BEFORE, now).moved({price: [4, 5, 6], ExecutedFunction("a.py", "total", 8): [9]}))
    assert moved == {ExecutedFunction("a.py", "price", 5): [6, 8], ExecutedFunction("a.py", "total", 10): [11]}


def test_a_function_whose_definition_was_changed_is_found_by_its_name() -> None:
    now = [*BEFORE[:2], "def price(amount, rate):", *BEFORE[3:7], "async def total(", "        rows):", BEFORE[8]]
    moved = dict(
        ChangedFile(BEFORE, now).moved(
            {ExecutedFunction("a.py", "price", 3): [4, 6], ExecutedFunction("a.py", "Shop.total", 8): [9]}
        )
    )
    assert moved == {ExecutedFunction("a.py", "price", 3): [4, 6], ExecutedFunction("a.py", "Shop.total", 8): [10]}


def test_what_is_gone_is_left_out() -> None:
    moved = dict(
        ChangedFile(BEFORE, BEFORE[:6]).moved(
            {ExecutedFunction("a.py", "price", 3): [4], ExecutedFunction("a.py", "total", 8): [9]}
        )
    )
    assert moved == {ExecutedFunction("a.py", "price", 3): [4]}


def test_the_body_of_a_module_stays_the_same_function() -> None:
    module = ExecutedFunction("a.py", "<module>", 1)
    assert dict(ChangedFile(BEFORE, ["# new", *BEFORE]).moved({module: [1, 3, 8]})) == {module: [2, 4, 9]}


@pytest.mark.parametrize("seed", range(20))
def test_lines_that_stand_in_both_versions_are_found(seed: int) -> None:
    chance = random.Random(seed)
    before = [f"line {chance.randrange(30)}" for _ in range(40)]
    now = [each for each in before if chance.random() > 0.2]
    for _ in range(chance.randrange(6)):
        now.insert(chance.randrange(len(now) + 1), "new")
    function = ExecutedFunction("a.py", "<module>", 1)
    (moved,) = (lines for _, lines in ChangedFile(before, now).moved({function: range(1, 41)}))
    assert moved == sorted(set(moved))
    assert all(now[line - 1] != "new" for line in moved)
    assert len(moved) >= len([each for each in now if each != "new"]) * 0.7
