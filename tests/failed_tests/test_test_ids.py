"""Test that the names in JUnit files lead to the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from breadcrumb_server.failed_tests.junit import FailedCase, read_junit_files
from breadcrumb_server.failed_tests.test_ids import PYTEST, UNITTEST, TestFinder, TestId

TESTS = """
import unittest, pytest

class TestOuter:
    class TestInner:
        def test_deep(self): assert 0

    @pytest.mark.parametrize("value", ["plain", "a::b", "x.y[1]", "tests/a.py", "\\x1b`<b>"])
    def test_values(self, value): assert 0

def test_alone(): assert 0

class CartTest(unittest.TestCase):
    def test_cart(self): self.fail()
"""


@pytest.fixture
def code(workspace: Path) -> Path:
    for path in ("tests/test_a.py", "tests/v1.2/test_dotted.py", "packages/one/tests/test_one.py", "top_test.py"):
        file = workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TESTS)
    (workspace / "tests/test_broken.py").write_text("def broken(:\n")
    return workspace


def find(workspace: Path, classname: str, name: str, *, cwd: str = ".", file: str = "") -> TestId | str:
    case = FailedCase(classname, name, file, "failed", "")
    return TestFinder(workspace, (workspace / cwd).resolve()).find(case)


@pytest.mark.processes
@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
@pytest.mark.parametrize("cwd", [".", "tests"])
def test_each_name_that_pytest_writes_leads_back_to_its_node_id(code, family, cwd) -> None:
    words = [sys.executable, "-m", "pytest", "--rootdir", str(code), "--import-mode=importlib"]
    options = ["-q", "--continue-on-collection-errors", "-o", f"junit_family={family}", "--junitxml=junit.xml"]
    done = subprocess.run([*words, *options, "-rfE", str(code)], cwd=code / cwd, capture_output=True, text=True)
    summary = done.stdout.split("short test summary info")[1].splitlines()
    expected = {line.split(" - ")[0].split(" ", 1)[1] for line in summary if line.startswith(("FAILED ", "ERROR "))}
    assert len(expected) == 4 * 8 + 1
    (file,) = read_junit_files([code / cwd / "junit.xml"])
    found = [TestFinder(code, code / cwd).find(case) for case in file.failed]
    ids = {each.argument(PYTEST, code / cwd) for each in found if isinstance(each, TestId)}
    assert ids == expected
    from_root = {
        test.argument(PYTEST, code) for test in found if isinstance(test, TestId)
    }  # as the tracer records them
    for test in found:
        assert isinstance(test, TestId)
        recorded = [node_id for node_id in from_root if test.is_recorded_as(node_id)]
        assert recorded == [test.argument(PYTEST, code)]


@pytest.mark.parametrize(
    ("classname", "name", "pytest_id", "dotted"),
    [
        # unittest-xml-reporting and nose2: sub-tests, modules that cannot be imported, fixtures of classes
        ("tests.test_a.CartTest", "test_cart (i=1)", "tests/test_a.py::CartTest::test_cart (i=1)", "tests.test_a.CartTest.test_cart"),
        ("unittest.loader._FailedTest", "tests.test_broken", "tests/test_broken.py", "tests.test_broken"),
        ("unittest.suite._ErrorHolder", "setUpClass (tests.test_a.CartTest)", "tests/test_a.py::CartTest", "tests.test_a.CartTest"),
        # a module that was imported from a folder below
        ("test_one.CartTest", "test_cart", "packages/one/tests/test_one.py::CartTest::test_cart", "test_one.CartTest.test_cart"),
    ],
)  # fmt: skip
def test_names_of_unittest_are_understood(code, classname, name, pytest_id, dotted) -> None:
    found = find(code, classname, name)
    assert isinstance(found, TestId)
    assert (found.argument(PYTEST, code), found.argument(UNITTEST, code)) == (pytest_id, dotted)


def test_the_folder_of_the_run_decides_between_equal_names(code) -> None:
    (code / "packages/two/tests").mkdir(parents=True)
    (code / "packages/two/tests/test_one.py").write_text(TESTS)
    found = find(code, "tests.test_one", "test_alone", cwd="packages/two")
    assert (
        isinstance(found, TestId) and found.argument(PYTEST, code / "packages") == "two/tests/test_one.py::test_alone"
    )
    reason = find(code, "tests.test_one", "test_alone")
    assert reason == "several files may hold it: packages/one/tests/test_one.py, packages/two/tests/test_one.py"


def test_an_inherited_test_belongs_to_the_class_that_inherits_it(code) -> None:
    (code / "tests/test_child.py").write_text("from test_a import *\n\nclass TestChild(TestOuter): ...\n")
    found = find(code, "tests.test_child.TestChild", "test_values[plain]", file="tests/test_a.py")
    assert isinstance(found, TestId) and found.argument(PYTEST, code).startswith("tests/test_child.py::TestChild::")


def test_a_doctest_in_a_text_is_found(code) -> None:
    (code / "docs").mkdir()
    (code / "docs/guide.txt").write_text(">>> 1\n2\n")
    found = find(code, "docs.guide.txt", "guide.txt")
    assert isinstance(found, TestId) and found.argument(PYTEST, code) == "docs/guide.txt::guide.txt"


@pytest.mark.parametrize(
    ("classname", "name", "file"),
    [
        ("com.example.CartTest", "testCart", ""),
        ("pytest", "internal", ""),
        ("tests.gone", "test_x", ""),
        ("", "", ""),
        ("/etc/passwd", "root", ""),
        ("a..b", "c", ""),
        ("outside", "test_x", "../../outside.py"),
    ],
)
def test_what_no_file_of_the_workspace_holds_is_told(code, classname, name, file) -> None:
    (code.parent / "outside.py").write_text("def test_x(): ...\n")
    assert isinstance(find(code, classname, name, file=file), str)


def test_a_recorded_test_is_compared_by_its_whole_name(code) -> None:
    found = find(code, "tests.test_a", "test_alone")
    assert isinstance(found, TestId)
    assert found.is_recorded_as("tests/test_a.py::test_alone") and found.is_recorded_as("test_a.py::test_alone")
    for other in (
        "tests/test_a.py::test_alone[1]",
        "other/test_a.py::test_alone",
        "tests/test_a.py",
        "a.py::test_alone",
    ):
        assert not found.is_recorded_as(other)
    method = find(code, "tests.test_a.CartTest", "test_cart")
    assert isinstance(method, TestId)
    assert method.is_recorded_as("tests.test_a.CartTest.test_cart") and method.is_recorded_as(
        "test_a.CartTest.test_cart"
    )
    assert not method.is_recorded_as("tests.test_a.CartTest.test_cart_2")
