"""Test that tests of pytest and unittest are recorded with their calls, whether the runners are traced or not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pythons import EQUIPPED_VERSIONS
from spool_reader import TARGETS, Spool, equipped_interpreter

PYTEST = ["-m", "pytest", "-p", "no:cacheprovider", "-q"]
TESTED_OUTCOMES = {
    "tested.py::test_total[1]": ("passed", "call"),
    "tested.py::test_total[20]": ("failed", "call"),
    "tested.py::test_share": ("failed", "call"),
    "tested.py::test_setup_fails": ("error", "setup"),
    "tested.py::test_teardown_fails": ("error", "teardown"),
    "tested.py::test_skipped": ("skipped", "setup"),
    "tested.py::test_expected_to_fail": ("xfailed", "call"),
    "tested.py::test_expected_in_vain": ("xpassed", "call"),
    "tested.py::test_must_fail": ("failed", "call"),
    "tested.py::TestClass::test_in_class": ("passed", "call"),
}
CASED_OUTCOMES = {
    "cased.Prices.test_passes": "passed",
    "cased.Prices.test_fails": "failed",
    "cased.Prices.test_raises": "error",
    "cased.Prices.test_skipped": "skipped",
    "cased.Prices.test_expected_to_fail": "xfailed",
    "cased.Prices.test_expected_in_vain": "xpassed",
    "cased.Prices.test_subtests": "failed",
    "cased.Awaited.test_awaited": "passed",
    "setUpClass (cased.Unprepared)": "error",
}


@pytest.fixture(params=EQUIPPED_VERSIONS)
def with_pytest(request: pytest.FixtureRequest) -> str:
    return equipped_interpreter(request.param, "pytest")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    for name in ("priced.py", "tested.py", "cased.py"):
        shutil.copy(TARGETS / name, folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def last_reports(spool: Spool) -> dict[str, dict]:
    """Return the last report of each test, by its name."""
    names = {test["id"]: test["name"] for test in spool.of("test")}
    assert len(names) == len(set(names.values()))
    return {names[report["id"]]: report for report in spool.of("test_report")}


def calls_by_test(spool: Spool) -> dict[str, list[tuple[str, dict]]]:
    """Return (function, arguments) of the calls that ran during each test, by its name."""
    ends = {end["id"]: end["last_call"] for end in spool.of("test_end")}
    found = {}
    for test in spool.of("test"):
        of_test = [call for call in spool.calls if test["first_call"] < call.call < ends[test["id"]]]
        found[test["name"]] = [(call.function, call.args) for call in of_test]
    return found


def test_each_test_of_pytest_is_recorded_with_its_outcome_calls_and_exception(trace, with_pytest, workspace):
    args = [*PYTEST, "tested.py", "cased.py::Prices"]
    spool = trace(with_pytest, args, include=["priced"], mode="adaptive", cwd=workspace)
    reports = last_reports(spool)
    of_tested = {name: (each["outcome"], each["phase"]) for name, each in reports.items() if "Prices" not in name}
    assert of_tested == TESTED_OUTCOMES
    calls = calls_by_test(spool)
    assert calls["tested.py::test_total[20]"] == [
        ("total", {"price": 7, "pieces": 20}),
        ("discounted", {"amount": 140}),
        ("discounted", {"amount": 126}),
    ]
    assert calls["tested.py::test_teardown_fails"] == [
        ("total", {"price": 1, "pieces": 1}),
        ("share", {"amount": 1, "people": 0}),
    ]
    assert calls["tested.py::test_setup_fails"] == []
    assert sum(map(len, calls.values())) == len(spool.calls) - len(spool.named("<module>"))
    assert reports["tested.py::test_skipped"]["message"] == "not today"
    assert reports["tested.py::test_must_fail"]["message"] == "[XPASS(strict)] must fail"

    # An assertion in a test that is not traced has the variables of the test.
    exceptions = {each["id"]: each for each in spool.of("exception")}
    assertion = exceptions[reports["tested.py::test_total[20]"]["exception"]]
    assert assertion["message"].startswith("assert 114 == 126")
    assert reports["tested.py::test_total[20]"]["message"] == assertion["message"]
    assert (assertion["function"], assertion["call"]) == ("test_total", 0)
    assert '"pieces": 20' in assertion["locals"]
    assert '"expected": 126' in assertion["locals"]
    in_traced_code = exceptions[reports["tested.py::test_share"]["exception"]]
    assert in_traced_code["call"] == spool.named("share")[0].call
    # What a runner expected or skipped is no exception of the program.
    exception_ids = [
        reports[name]["exception"]
        for name, (outcome, _) in TESTED_OUTCOMES.items()
        if outcome not in ("failed", "error")
    ]
    assert exception_ids == [0] * len(exception_ids)

    # Test cases of unittest have pytest's names.
    of_cased = {name for name in reports if "Prices" in name}
    assert of_cased == {"cased.py::Prices::" + name.split(".")[-1] for name in CASED_OUTCOMES if "Prices" in name}
    of_unittest = exceptions[reports["cased.py::Prices::test_fails"]["exception"]]
    assert (of_unittest["message"], of_unittest["module"]) == ("114 != 126", "unittest.case")
    # The variables of the user's function, not of the unittest function that raises, and without unittest's own fields.
    assert of_unittest["locals"] == '{"self": {"$type": "Prices", "$object": 1, "_testMethodName": "test_fails"}}'
    assert [each["outcome"] for each in spool.of("test_report") if each["message"] == "17 != 20"] == ["failed"]


OLD_STYLE_WRAPPERS = """
import pytest

class Wrapper:
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        yield

def pytest_configure(config):
    config.pluginmanager.register(Wrapper())
    config.pluginmanager.register(Wrapper())
"""
FAILS_FURTHER_IN = """
import priced

def test_fails():
    priced.total(None, 1)
"""


def test_the_exception_of_a_test_is_known_although_wrappers_of_plugins_raise_it_again(trace, workspace):
    (workspace / "conftest.py").write_text(OLD_STYLE_WRAPPERS)
    (workspace / "test_further_in.py").write_text(FAILS_FURTHER_IN)
    spool = trace(sys.executable, [*PYTEST, "test_further_in.py"], include=["priced"], mode="adaptive", cwd=workspace)
    (report,) = last_reports(spool).values()
    (exception,) = (each for each in spool.of("exception") if each["type"] == "TypeError")
    assert (report["outcome"], report["exception"], exception["function"]) == ("failed", exception["id"], "total")


def test_tests_and_runners_that_are_traced_themselves_give_the_same_records(trace, with_pytest, workspace):
    spool = trace(
        with_pytest,
        [*PYTEST, "tested.py"],
        include=["priced", "tested", "_pytest.runner"],
        mode="adaptive",
        capture={"calls_per_function": 2},
        cwd=workspace,
    )
    reports = last_reports(spool)
    assert {name: (each["outcome"], each["phase"]) for name, each in reports.items()} == TESTED_OUTCOMES
    assert [call.outcome for call in spool.named("runtestprotocol")] == [0] * len(TESTED_OUTCOMES)
    (assertion,) = [each for each in spool.of("exception") if each["message"].startswith("assert 114")]
    assert assertion["id"] == reports["tested.py::test_total[20]"]["exception"]
    assert assertion["call"] == next(call for call in spool.named("test_total") if call.args == {"pieces": 20}).call


def test_a_module_that_cannot_be_collected_is_recorded_with_the_exception_of_its_import(trace, with_pytest, workspace):
    (workspace / "test_missing.py").write_text("from priced import no_such_name\n")
    (workspace / "test_raises.py").write_text("import priced\npriced.share(1, 0)\n")
    (workspace / "test_syntax.py").write_text("def test(:\n")
    (workspace / "test_skips.py").write_text("import pytest\npytest.skip('not here', allow_module_level=True)\n")
    (workspace / "test_good.py").write_text("import priced\npriced.total(1, 1)\ndef test_it(): pass\n")
    args = [*PYTEST, "--continue-on-collection-errors"]
    spool = trace(with_pytest, args, include=["priced", "test_*"], mode="adaptive", cwd=workspace)

    reports = last_reports(spool)
    assert {name: (each["outcome"], each["phase"]) for name, each in reports.items()} == {
        "test_missing.py": ("error", "collect"),
        "test_raises.py": ("error", "collect"),
        "test_syntax.py": ("error", "collect"),
        "test_good.py::test_it": ("passed", "call"),
    }
    exceptions = {each["id"]: each for each in spool.of("exception")}
    raised = {name: exceptions.get(each["exception"], {}) for name, each in reports.items()}
    assert raised["test_missing.py"]["message"].startswith("cannot import name 'no_such_name' from 'priced'")
    assert (raised["test_missing.py"]["module"], raised["test_missing.py"]["line"]) == ("test_missing", 1)
    assert (raised["test_raises.py"]["type"], raised["test_raises.py"]["function"]) == ("ZeroDivisionError", "share")
    assert raised["test_syntax.py"]["type"] == "SyntaxError"
    assert raised["test_syntax.py"]["message"].endswith("invalid syntax (test_syntax.py, line 1)")
    calls = calls_by_test(spool)
    assert [name for name, _ in calls["test_raises.py"]] == ["<module>", "share"]
    assert [name for name, _ in calls["test_good.py::test_it"]] == ["test_it"]


@pytest.mark.parametrize("include", [["priced"], ["priced", "unittest.*"]], ids=["runner not traced", "traced"])
def test_each_test_of_unittest_is_recorded_with_its_outcome_and_calls(trace, python, workspace, include):
    mode = "full" if len(include) == 1 else "adaptive"
    spool = trace(python, ["-m", "unittest", "-q", "cased"], include=include, mode=mode, cwd=workspace)
    reports = last_reports(spool)
    assert {name: each["outcome"] for name, each in reports.items()} == CASED_OUTCOMES
    assert reports["cased.Prices.test_skipped"]["message"] == "not today"
    calls = calls_by_test(spool)
    assert [args for name, args in calls["cased.Prices.test_fails"] if name in ("total", "discounted")] == [
        {"price": 7, "pieces": 20},
        {"amount": 140},
        {"amount": 126},
    ]
    assert ("total", {"price": 3, "pieces": 1}) in calls["cased.Awaited.test_awaited"]
    assert len(spool.named("TestCase.run")) == (0 if len(include) == 1 else len(CASED_OUTCOMES) - 1)
    exceptions = {each["id"]: each for each in spool.of("exception")}
    failure = exceptions[reports["cased.Prices.test_fails"]["exception"]]
    assert (failure["type"], failure["message"]) == ("AssertionError", "114 != 126")
    error = exceptions[reports["setUpClass (cased.Unprepared)"]["exception"]]
    assert error["type"] == "ZeroDivisionError"


def test_late_calls_nested_tests_and_forks_belong_to_the_test_in_which_they_happen(trace, python):
    spool = trace(
        python,
        """
import io, os, unittest

def fails(number):
    raise ValueError(number)

class Many(unittest.TestCase):
    pass

for number in range(5):
    def test(self, number=number): fails(number)
    setattr(Many, "test_%d" % number, test)

class Inner(unittest.TestCase):
    def runTest(self): inner()

def inner():
    raise ValueError

class Outer(unittest.TestCase):
    def test_outer(self):
        result = unittest.TextTestRunner(io.StringIO()).run(unittest.TestSuite([Inner()]))
        self.assertEqual(result.testsRun, 1)

class Forks(unittest.TestCase):
    def test_forks(self):
        child = os.fork()
        if not child:
            in_child()
            os._exit(0)
        os.waitpid(child, 0)

def in_child():
    pass

unittest.main(defaultTest=["Many", "Outer", "Forks"])
""",
        mode="adaptive",
        capture={"calls_per_function": 1},
    )
    calls = calls_by_test(spool)
    for number in range(5):
        assert ("fails", {"number": number}) in calls[f"__main__.Many.test_{number}"]
    assert any(call.late for call in spool.named("fails"))
    reports = last_reports(spool)
    assert "__main__.Inner.runTest" not in reports
    assert reports["__main__.Outer.test_outer"]["outcome"] == "passed"
    assert ("inner", {}) in calls["__main__.Outer.test_outer"]
    parent, child = [process["process"] for process in spool.of("process")]
    assert spool.one("in_child").process == child
    assert {event["process"] for kind in ("test", "test_report", "test_end") for event in spool.of(kind)} == {parent}


@pytest.mark.parametrize(
    ("end", "ended"), [("os.kill(os.getpid(), signal.SIGKILL)", [1]), ("raise KeyboardInterrupt", [1, 2])]
)
def test_a_test_that_does_not_end_has_no_outcome(trace, python, end, ended):
    spool = trace(
        python,
        f"""
import os, signal, unittest
class Cut(unittest.TestCase):
    def test_a(self): pass
    def test_b(self): {end}
    def test_c(self): pass
unittest.main()
""",
    )
    assert [test["name"] for test in spool.of("test")] == ["__main__.Cut.test_a", "__main__.Cut.test_b"]
    assert [end["id"] for end in spool.of("test_end")] == ended
    assert [report["id"] for report in spool.of("test_report")] == [1]


def test_recording_a_test_runs_no_code_of_its_class(trace, python, tmp_path):
    program = """
import unittest
class Watchful(unittest.TestCase):
    def __getattribute__(self, name):
        print(name)
        return unittest.TestCase.__getattribute__(self, name)
    def __eq__(self, other): print("compared"); return True
    def __hash__(self): print("hashed"); return 1
    @property
    def __class__(self): print("class"); return Watchful
    def test_it(self): pass
unittest.main()
"""
    spool = trace(python, program)
    assert [test["name"] for test in spool.of("test")] == ["__main__.Watchful.test_it"]
    untraced = subprocess.run([python, tmp_path / "program.py"], capture_output=True, text=True)
    assert spool.stdout == untraced.stdout
    assert "_testMethodName" in spool.stdout


def test_functions_named_like_those_of_runners_are_ordinary_functions(trace, python):
    spool = trace(
        python,
        """
import sys, threading
def run(self): return addError(self, None, None)
def addError(self, test, err): return runtestprotocol(self)
def runtestprotocol(item): return item
class Worker(threading.Thread):
    def run(self): run(3)
worker = Worker(); worker.start(); worker.join()
print("breadcrumb.events.test_runners" in sys.modules)
""",
    )
    assert spool.stdout == "False\n"
    assert spool.of("test") == []
    assert spool.one("runtestprotocol").value == 3
