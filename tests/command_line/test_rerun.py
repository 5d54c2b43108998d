"""Test `breadcrumb rerun`: failed tests are run again under the tracer, and the answer says what happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
from pathlib import Path

from shop import tax

def test_tax():
    assert tax("fr", 100) == 20

def test_passes():
    Path("ran").write_text("test_passes")

def test_flaky():
    seen = Path("seen")
    first = not seen.exists()
    seen.write_text("")
    assert not first, "password=hunter2hunter2"
"""
SHOP = """
RATES = {"at": 20}

def tax(country, amount):
    return amount * RATES[country] / 100
"""


@pytest.fixture
def tested(breadcrumb, shop: Path, processes):
    """Return the command, in a project whose tests have just failed."""
    (shop / "shop.py").write_text(SHOP)
    (shop / "test_shop.py").write_text(TESTS)
    pytest_writes(shop)
    (shop / "ran").unlink()
    breadcrumb("init", "myproject")
    return breadcrumb


def pytest_writes(folder: Path, *options: str) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "--junitxml=junit.xml", *options]
    assert subprocess.run(words, cwd=folder, capture_output=True).returncode == 1


PYTEST = ["--", sys.executable, "-m", "pytest"]


def rows(answer: dict) -> list[list]:
    return [row[:3] for row in answer["tests"]["rows"]]


def test_exactly_the_failed_tests_run_again_and_flaky_ones_are_named(tested, shop) -> None:
    before = (shop / "junit.xml").read_bytes()
    # a suite whose settings write the same file
    (shop / "pytest.ini").write_text("[pytest]\naddopts = --junitxml=junit.xml\n")
    words = ["--summary", "summary.md", "--outputs", "outputs.env"]
    answer = tested("rerun", "-c", "myproject", "--junit", "junit.xml", *words, *PYTEST).answer
    assert (answer["failed_before"], answer["failed_again"], answer["passed_now"]) == (2, 1, 1)
    assert rows(answer) == [["test_shop.test_tax", "failed", "failed"], ["test_shop.test_flaky", "failed", "passed"]]
    assert "flaky, or dependent on tests that ran before" in str(answer["notes"])
    assert not (shop / "ran").exists() and (shop / "junit.xml").read_bytes() == before
    assert "country='fr'" in json.dumps(answer["report"])
    assert tested("list", "-c", "myproject").answer["rows"][0][0] == answer["trace_id"]

    summary = (shop / "summary.md").read_text()
    assert summary.startswith("## Breadcrumb: 1 of 2 failed tests failed again, 1 passed\n")
    assert "shop.py:3 tax(country='fr', amount=100)" in summary.replace("shop.py:5", "shop.py:3")
    assert "hunter2" not in summary + json.dumps(answer)
    assert "breadcrumb query --flow --db-path myproject-traces.duckdb" in summary

    outputs = dict(line.split("=", 1) for line in (shop / "outputs.env").read_text().splitlines())
    assert outputs["trace_id"] == answer["trace_id"] and (outputs["failed_again"], outputs["passed_now"]) == ("1", "1")
    assert tested("list", "--db-path", outputs["database"]).answer["total"] == 1


def test_tests_that_are_gone_are_told_and_the_others_run(tested, shop) -> None:
    (shop / "test_shop.py").write_text(TESTS.replace("test_flaky", "test_other"))
    text = (shop / "junit.xml").read_text()
    case = '<testcase classname="com.example.Cart" name="a b"><error/></testcase>'
    (shop / "junit.xml").write_text(text.replace("</testsuite>", f"{case}</testsuite>"))
    answer = tested("rerun", "-c", "myproject", "--junit", "junit.xml", *PYTEST).answer
    assert rows(answer) == [["test_shop.test_tax", "failed", "failed"]]
    reasons = {row[0]: row[2] for row in answer["not_run"]["rows"]}
    assert reasons["test_shop.test_flaky"] == "pytest does not find it"
    assert reasons["com.example.Cart.a b"].startswith("no file of ")


def test_a_file_that_is_not_collected_does_not_keep_the_others_from_running(tested, shop) -> None:
    (shop / "test_broken.py").write_text("import missing_module\n")
    pytest_writes(shop, "--continue-on-collection-errors", "--deselect=test_shop.py::test_flaky")
    answer = tested("rerun", "-c", "myproject", "--junit", "junit.xml", *PYTEST).answer
    assert rows(answer) == [["test_broken", "error", "error"], ["test_shop.test_tax", "failed", "failed"]]


@pytest.mark.processes
def test_unittest_gets_dotted_names_and_the_folders_they_are_imported_from(breadcrumb, shop) -> None:
    (shop / "checks").mkdir()
    (shop / "checks" / "test_cart.py").write_text(
        "import unittest\n\nclass CartTest(unittest.TestCase):\n    def test_sub(self):\n        for i in (0, 1):\n"
        "            with self.subTest(i=i):\n                self.assertEqual(i, 0)\n\n    def test_ok(self):\n        open('ran', 'w')\n"
    )
    (shop / "checks" / "test_broken.py").write_text("def broken(:\n")
    (shop / "junit").mkdir()
    for number, (classname, name) in enumerate(
        [("test_cart.CartTest", "test_sub (i=1)"), ("unittest.loader._FailedTest", "test_broken")]
    ):
        (shop / "junit" / f"{number}.xml").write_text(
            f'<testsuite><testcase classname="{classname}" name="{name}"><failure/></testcase></testsuite>'
        )
    breadcrumb("init", "myproject")
    command = ["--", sys.executable, "-m", "unittest"]
    answer = breadcrumb("rerun", "-c", "myproject", "--junit", "junit", *command).answer
    assert rows(answer) == [["test_cart.CartTest.test_sub (i=1)", "failed", "failed"]]
    assert "cannot import" in answer["not_run"]["rows"][0][2] and not (shop / "ran").exists()


def test_no_more_tests_run_than_were_asked_for(tested) -> None:
    answer = tested("rerun", "-c", "myproject", "--junit", "junit.xml", "--max-tests", "1", *PYTEST).answer
    assert rows(answer) == [["test_shop.test_tax", "failed", "failed"]]
    assert answer["not_run"]["rows"] == [["test_shop.test_flaky", "failed", "more than 1 tests failed"]]


def test_a_run_that_hangs_is_ended_and_reported(tested, shop) -> None:
    (shop / "test_shop.py").write_text(
        TESTS.replace('assert tax("fr"', 'import threading; threading.Event().wait(); assert tax("fr"')
    )
    answer = tested("rerun", "-c", "myproject", "--junit", "junit.xml", "--timeout", "3", *PYTEST).answer
    assert answer["report"]["status"] == "timeout"
    assert rows(answer) == [
        ["test_shop.test_tax", "failed", "not ended"],
        ["test_shop.test_flaky", "failed", "not run"],
    ]


def test_nothing_is_run_if_nothing_failed(breadcrumb, shop) -> None:
    breadcrumb("init", "myproject")
    (shop / "junit.xml").write_text('<testsuite><testcase classname="t" name="a"/></testsuite>')
    done = breadcrumb("rerun", "-c", "myproject", "--junit", "junit.xml", "--summary", "summary.md")
    assert done.answer["notes"] == ["none of 1 test failed: nothing was run again"]
    assert (shop / "summary.md").read_text().startswith("## Breadcrumb: no test failed\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "Missing option '--junit'"),
        (["--junit", "missing.xml"], 1, "There is no file"),
        (["--junit", "script.py"], 1, "is no JUnit file"),
        (["--junit", "empty.xml", "--max-tests", "0"], 2, "--max-tests"),
        (["--junit", "empty.xml", "--summary", "no/such/folder"], 2, "cannot be written"),
        (["--junit", "empty.xml", "--outputs", "."], 2, "cannot be written"),
    ],
)
def test_wrong_input_is_told(breadcrumb, shop, words, code, message) -> None:
    breadcrumb("init", "myproject")
    (shop / "empty.xml").write_text("<testsuite/>")
    done = breadcrumb("rerun", "-c", "myproject", *words)
    assert (done.code, done.out) == (code, "") and message in " ".join(done.err.split())


def test_answers_are_written_as_markdown(tested) -> None:
    done = tested("rerun", "-c", "myproject", "--junit", "junit.xml", "--format", "markdown", *PYTEST)
    assert done.code == 0 and "| `test_shop.test_tax` | `failed` | `failed` |" in done.out
    page = tested("get", "-c", "myproject", "latest", "--format", "markdown").out
    assert "- status: `failed`" in page and "```text" in page
