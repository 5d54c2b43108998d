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


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


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


async def test_a_comprehension_is_named_by_the_function_that_it_is_in(session, workspace) -> None:
    (workspace / "carts.py").write_text(
        "def total(prices):\n    if prices:\n        return sum(price for price in prices)\n    return 0\n"
    )
    (workspace / "test_carts.py").write_text(
        "from carts import total\n\ndef test_all():\n    assert total([1, 2]) == 4\n\n"
        + "".join(f"def test_{number}():\n    assert total([]) == 0\n\n" for number in range(4))
    )
    await session.project(workspace, ["carts", "test_carts"])
    report = await run(session, *PYTEST, "test_carts.py")
    assert report["suspects"][1:] == ["  0  total carts.py:3  return sum(price for price in prices)"]


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
    report = await run(session, *PYTEST, "test_prices.py", "-k", "small", suspects="off")
    assert report["tests"]["outcomes"] == "5 failed"
    assert "suspects" not in report


SINGLE = [*PYTEST, "test_prices.py::Prices::test_big"]
FIRST_PASS = "other tests of the file ran first (6 passed, "


@pytest.mark.parametrize(
    "command",
    [
        SINGLE,
        ["-m", "pytest", "-p", "xdist", "--lf", "-x", "-n", "1", "-k", "big and Prices", "--junitxml=tests.xml"],
        ["-m", "unittest", "-f", "test_prices.Prices.test_big"],
    ],
    ids=["node id", "many options", "unittest"],
)
async def test_where_single_tests_are_selected_the_others_of_their_file_run_first(
    session, shop: Path, command: list[str]
) -> None:
    before = names(shop)
    await session.project(shop, ["pricing", "test_prices"])
    report = await run(session, *command)
    assert report.get("suspects") == SUSPECTS, report.get("notes")
    assert report["tests"]["outcomes"] == "1 failed"
    assert report["notes"][-1].startswith(FIRST_PASS)
    assert await session.rows("SELECT count(*) FROM traces") == [[1]]
    assert names(shop) - before <= {"__pycache__", "tests.xml", ".pytest_cache"}
    again = await session.ok("get_trace", project="p", trace_id=report["trace_id"])
    assert again["suspects"] == SUSPECTS


CACHED = program(
    """
    _table = []

    def table():
        if not _table:
            _table.extend(filled())
        return _table

    def filled():
        return [1, 2, 3]
    """
)


@pytest.mark.parametrize("command", [SINGLE, ["-m", "unittest", "test_prices.Prices.test_big"]])
async def test_what_the_first_test_of_a_process_does_for_all_is_no_suspect(
    session, shop: Path, command: list[str]
) -> None:
    (shop / "cached.py").write_text(CACHED)
    begins = "self.failed = False\n        from cached import table; table()"
    (shop / "test_prices.py").write_text(TESTS.replace("self.failed = False", begins, 1))
    await session.project(shop, ["pricing", "test_prices", "cached"])
    for _ in range(2):  # the second time from what was remembered
        report = await run(session, *command)
        assert report["suspects"] == SUSPECTS


async def test_a_first_pass_is_remembered_until_a_file_changes(session, shop: Path) -> None:
    counter = shop / "runs.txt"
    counted = TESTS.replace("def setUp(self):", "def setUp(self):\n        open('runs.txt', 'a').write('.')")
    (shop / "test_prices.py").write_text(counted)
    await session.project(shop, ["pricing", "test_prices"])
    for expected in (7, 8):
        assert (await run(session, *SINGLE))["suspects"] == SUSPECTS
        assert len(counter.read_text()) == expected
    other = await run(session, *PYTEST, "test_prices.py::Prices::test_rate")
    assert "suspects" not in other
    assert len(counter.read_text()) == 9
    (shop / "pricing.py").write_text(PRICING + "\n\ndef more():\n    pass\n")
    report = await run(session, *SINGLE)
    assert report["suspects"] == SUSPECTS
    assert not any("before the command" in note for note in report.get("notes", []))
    assert len(counter.read_text()) == 16


@pytest.mark.parametrize("how", ["call", "project"])
async def test_where_suspects_are_switched_off_no_other_test_runs(session, shop: Path, how: str) -> None:
    (shop / "test_prices.py").write_text(TESTS.replace("def setUp(self):", "def setUp(self):\n        print('ran')"))
    await session.project(shop, ["pricing", "test_prices"])
    if how == "project":
        await session.ok("edit_config", project="p", set={"suspects": "off"})
    report = await run(session, *SINGLE, "-s", **({"suspects": "off"} if how == "call" else {}))
    assert "suspects" not in report
    assert not (session.home / "neighbours").exists()
    assert await session.rows("SELECT count(*) FROM executed_records") == [[0]]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("import nothing_of_this_name", "ended with exit code 4"),
        ("import time; time.sleep(600)", "took longer than 2 s and were ended; 0 of them passed"),
        ("import os; os.abort()", "ended with SIGABRT"),
    ],
    ids=["fails", "hangs", "crashes"],
)
async def test_a_first_pass_that_fails_or_hangs_does_not_keep_the_command_from_running(
    session, shop: Path, line: str, told: str
) -> None:
    (shop / "conftest.py").write_text(
        f"import os\nif 'first_pass' in os.environ.get('PYTEST_PLUGINS', ''):\n    {line}\n"
    )
    await session.project(shop, ["pricing", "test_prices"])
    report = await run(session, *SINGLE, timeout_seconds=8 if "sleep" in line else 60)
    assert report["tests"]["outcomes"] == "1 failed"
    (note,) = [note for note in report["notes"] if "the other tests of the file" in note]
    assert told in note
    assert list((session.home / "spool" / "p").iterdir()) == []


async def test_what_a_first_pass_recorded_before_it_was_ended_is_used(session, shop: Path) -> None:
    # The last test is the least like the first one, and begins.
    waits = "\n    def test_small_waits(self):\n        import time; time.sleep(600)\n"
    waits += "\n    def test_zero(self):\n        log(1)\n"
    (shop / "test_prices.py").write_text(TESTS + waits)
    await session.project(shop, ["pricing", "test_prices"])
    report = await run(session, *SINGLE, timeout_seconds=16)
    assert report["suspects"] == [SUSPECTS[0].replace("the 6", "the 7"), *SUSPECTS[1:]]
    assert "took longer than 4 s and were ended; 7 of them passed" in report["notes"][-1]


async def test_commands_that_run_whole_files_or_no_tests_are_run_once(session, shop: Path) -> None:
    (shop / "program.py").write_text("open('runs.txt', 'a').write('.')\n")
    (shop / "conftest.py").write_text("import program\n")
    await session.project(shop, ["pricing", "test_prices"])
    for number, words in enumerate(
        (["program.py", "-k", "a::b"], [*PYTEST, "test_prices.py"], [*SINGLE, "--collect-only"], ["-m", "unittest"]), 1
    ):
        await run(session, *words)
        assert len((shop / "runs.txt").read_text()) == min(number, 3)


REPORT = program(
    """
    import sys

    def parse(line):
        name, amount = line.split("=")
        if amount.startswith("("):
            amount = "-" + amount.strip("()")
        return name, float(amount)

    def total(rows):
        return sum(amount for _, amount in rows)

    rows = [parse(each) for each in sys.argv[1:]]
    if total(rows) < 0:
        sys.exit("negative")
    assert all(amount >= 0 for _, amount in rows)
    """
)
NEGATIVE = '0 parse report.py:6 amount = "-" + amount.strip("()")'


async def test_a_failed_program_is_compared_with_its_earlier_runs_that_ended_well(session, workspace: Path) -> None:
    (workspace / "report.py").write_text(REPORT)
    await session.project(workspace, ["__main__"])
    first = await run(session, "report.py", "a=(1)", "b=2")
    assert "suspects" not in first  # there is nothing to compare it with
    for arguments in (["a=1"], ["a=2", "b=3"]):
        good = await run(session, "report.py", *arguments)
        assert "suspects" not in good
    assert await session.rows("SELECT count(*) FROM neighbour_records") == [[0]]  # kept where they are of use
    for arguments in (["a=(1)", "b=2"], ["a=(1)"]):  # by an exception, and by an exit code
        report = await run(session, "report.py", *arguments)
        head, *rows = report["suspects"]
        assert head == "lines this run executed and few of the 2 earlier runs that ended well did"
        assert " ".join(rows[0].split()) == NEGATIVE
        assert rows[0] in report["report"]
    shown = (await session.ok("show", project="p", what=["parse"]))["text"]
    (line,) = (line for line in shown.splitlines() if 'strip("()")' in line)
    assert "* " in line[:16]


async def test_lines_that_were_changed_since_a_program_ended_well_are_suspects(session, workspace: Path) -> None:
    (workspace / "report.py").write_text(REPORT)
    await session.project(workspace, ["__main__"])
    await run(session, "report.py", "a=1", "b=2")
    (workspace / "report.py").write_text(
        "# more\n" + REPORT.replace("float(amount)", "-float(amount)").replace("import sys", "import sys, os")
    )
    report = await run(session, "report.py", "a=1", "b=2")
    assert report["status"] == "failed"
    assert report["suspects"][0] == "lines this run executed and the earlier run that ended well did not"
    assert [" ".join(row.split())[: len("0 parse report.py:8 ")] for row in report["suspects"][1:]] == [
        "0 <module> report.py",
        "0 parse report.py:8 ",
    ]


@pytest.mark.parametrize("how", ["call", "project", "another folder", "another program"])
async def test_a_program_is_compared_with_its_own_earlier_runs_alone(session, workspace: Path, how: str) -> None:
    for name in ("report.py", "other.py"):
        (workspace / name).write_text(REPORT)
    (workspace / "sub").mkdir()
    await session.project(workspace, ["__main__"])
    await run(session, "other.py" if how == "another program" else "report.py", "a=1")
    if how == "project":
        await session.ok("edit_config", project="p", set={"suspects": "off"})
    options: dict[str, Any] = {"suspects": "off"} if how == "call" else {}
    if how == "another folder":
        options["cwd"] = str(workspace / "sub")
    report = await run(session, str(workspace / "report.py") if "cwd" in options else "report.py", "a=(1)", **options)
    assert report["status"] == "failed"
    assert "suspects" not in report
