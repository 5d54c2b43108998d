"""Test the failing tests of a report: their exceptions and the calls that they made."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta

import pytest

from breadcrumb_server.answers.common.budget import MAX_ANSWER_CHARS, size_of
from breadcrumb_server.answers.exceptions.answer import find_exceptions
from breadcrumb_server.answers.report.answer import AIM_CHARS, build_report
from breadcrumb_storage.errors import BreadcrumbError

STARTED = datetime(2025, 1, 10, 12, 0, 0)
RUNNER = (
    "/env/lib/python3.12/site-packages/_pytest/runner.py:341 in from_call\n"
    "/env/lib/python3.12/site-packages/pluggy/_callers.py:103 in _multicall\n"
)


class Suite:
    """A run of pytest in which only shop.pricing is traced."""

    def __init__(self, trace) -> None:
        self.trace = trace
        trace.process()
        self.total = trace.function("total", line=4)
        self.price = trace.function("price", line=20)

    def assertion(self, message="assert 114 == 126", line=9, file="/work/shop/tests/test_shop.py", **columns) -> int:
        """Add a failed assertion of a test that is not traced."""
        row = {
            "call_id": None, "function_name": "test_total", "module_name": "test_shop", "file": file, "line": line,
            "handled": True, "handled_by": "_pytest.runner:CallInfo.from_call:361",
            "locals": json.dumps({"pieces": 20, "expected": 126}),
            "stack_trace": f"{RUNNER}{file}:{line} in test_total",
        }  # fmt: skip
        return self.trace.exception("AssertionError", message, **{**row, **columns})

    def failing(self, node_id: str, first: int, last: int | None, error: int | None = None, **columns) -> None:
        exception = {} if error is None else {"exception_id": error, "exception_type": "AssertionError"}
        self.trace.test(node_id, first, last, **{"outcome": "failed", **exception, **columns})


@pytest.fixture
def suite(project) -> Suite:
    return Suite(project.trace(status="failed", exit_code=1, stdout_tail="...F\n" * 40 + "1 failed, 1 passed in 0.1s"))


def report_of(project):
    report = build_report(project.con, "shop", trace_id=None)
    assert size_of(report) <= MAX_ANSWER_CHARS
    return report


def test_a_failed_assertion_is_shown_with_the_locals_of_the_test_and_the_call_with_the_wrong_result(
    project, suite
) -> None:
    early = suite.trace.call(suite.total, args={"pieces": 1}, returns=7)
    wrong = suite.trace.call(suite.total, args={"pieces": 20}, returns=114, ms=5)
    for amount in (140, 126):
        suite.trace.call(suite.price, wrong, args={"amount": amount}, returns=amount - amount // 10)
    suite.trace.test("tests/test_shop.py::test_total[1]", early, early)
    error = suite.assertion("assert 114 == 126\n +  where 114 = total(20)")
    suite.failing("tests/test_shop.py::test_total[20]", wrong, wrong + 2, error, message="assert 114 == 126")

    report = report_of(project)

    assert report.tests.outcomes == "1 failed, 1 passed"
    [failing] = report.tests.failing
    assert failing.model_dump() == {
        "test": "tests/test_shop.py::test_total[20]",
        "exception": {
            "type": "AssertionError",
            "message": "assert 114 == 126\n +  where 114 = total(20)",
            "raised_at": "tests/test_shop.py:9 test_total",
            "locals": ["pieces = 20", "expected = 126"],
        },
        "called": [
            f"shop/pricing.py:4 total(pieces=20) -> 114  #{wrong}",
            f"  price(amount=140) -> 126  #{wrong + 1}",
            f"  price(amount=126) -> 114  #{wrong + 2}",
        ],
    }
    assert report.exceptions == []
    assert report.stdout_tail.count("\n") <= 2
    assert report.next == [
        'run(project="shop", command="python main.py", timeout_seconds=60, capture={"lines": ["shop.pricing:total"]})',
        f'get_calls(project="shop", function="shop.pricing:total", trace_id="{suite.trace.trace_id}", '
        'where={"test": "tests/test_shop.py::test_total[20]"})',
        f'get_flow(project="shop", trace_id="{suite.trace.trace_id}", test="tests/test_shop.py::test_total[20]")',
    ]


def test_the_calls_of_a_traced_test_function_are_the_calls_of_the_test(project, suite) -> None:
    test = suite.trace.function("TestShop.test_total", "tests.test_shop", 7)
    error = suite.assertion(call_id=1)
    own = suite.trace.call(test, args={"self": {"$type": "TestShop"}}, raises=error, ms=9)
    suite.trace.call(suite.total, own, args={"pieces": 20}, returns=114)
    suite.failing("tests/test_shop.py::TestShop::test_total[20]", own, own + 1, error)

    [failing] = report_of(project).tests.failing

    assert failing.called == ["shop/pricing.py:4 total(pieces=20) -> 114  #2"]
    assert failing.exception.calls == []  # they would be only the test itself


def test_an_exception_from_the_code_under_test_is_shown_with_its_chain_within_the_test(project, suite) -> None:
    main = suite.trace.function("<module>", "__main__", kind="module")
    root = suite.trace.call(main, ms=50)
    setup = suite.trace.call(suite.price, root, args={"amount": 1}, returns=1)
    error = suite.trace.exception(call_id=4, locals=json.dumps({"rate": None}), line=22, function_name="price")
    outer = suite.trace.call(suite.total, root, args={"pieces": 3}, raises=error, ms=4)
    suite.trace.call(suite.price, outer, args={"amount": None}, raises=error, call_line=6)
    suite.failing("test_shop.py::test_total", setup, outer + 1, error, exception_type="KeyError")

    report = report_of(project)

    [failing] = report.tests.failing
    assert failing.exception.calls == ["shop/pricing.py:6 total(pieces=3)", "shop/pricing.py:20 price(amount=None)"]
    assert failing.exception.locals == ["rate = None"]
    assert failing.called == [f"shop/pricing.py:20 price(amount=1) -> 1  #{setup}"]  # calls before the failing one
    assert report.next[0].startswith('get_flow(project="shop", ') and "around_call_id=" in report.next[0]


def test_failures_at_the_same_place_are_one_entry_and_further_places_are_shown_in_brief(project, suite) -> None:
    for number in range(8):
        call = suite.trace.call(suite.total, args={"pieces": number}, returns=-number)
        error = suite.assertion(f"assert {-number} == {number}")
        suite.failing(f"tests/test_shop.py::test_total[{number}]", call, call, error, message=f"assert {-number}")
    for line in range(20, 26):
        call = suite.trace.call(suite.total, args={"pieces": line}, returns=0)
        error = suite.assertion("assert 0", line)
        suite.failing(f"tests/test_shop.py::test_line_{line}", call, call, error, message="assert 0\nand more")

    results = report_of(project).tests

    assert results.outcomes == "14 failed"
    assert results.failing[0].test == "tests/test_shop.py::test_total[0]"
    assert results.failing[0].also[0] == "test_total[1]: assert -1"
    assert results.failing[0].also[-1].startswith("… ")
    others = [each.test for each in results.failing[1:]] + [line.split(": ")[0] for line in results.further]
    assert others[:3] == [f"tests/test_shop.py::test_line_{line}" for line in (20, 21, 22)]


def test_assertions_of_unittest_are_distinguished_by_the_line_of_the_test(project, suite) -> None:
    file = "/usr/lib/python3.12/unittest/case.py"
    for number, line in enumerate((30, 30, 40)):
        stack = f"{file}:589 in _callTestMethod\n/work/shop/tests/cased.py:{line} in test_it\n{file}:880 in assertEqual"
        error = suite.assertion("1 != 2", 880, file, stack_trace=stack)
        call = suite.trace.call(suite.total)
        suite.failing(f"cased.Case.test_{number}", call, call, error)

    failing = report_of(project).tests.failing

    assert [each.test for each in failing] == ["cased.Case.test_0", "cased.Case.test_2"]
    assert failing[0].exception.raised_at == "tests/cased.py:30 test_it"
    assert failing[0].exception.stack == [
        "/work/shop/tests/cased.py:30 in test_it",
        f"{file}:880 in assertEqual",
    ]


def test_errors_around_a_test_name_the_phase_and_failures_without_exception_have_the_runners_message(
    project, suite
) -> None:
    broken = suite.assertion("no such fixture", 3)
    suite.failing("a.py::test_a", 1, 2, broken, outcome="error", phase="setup")
    suite.failing("a.py::test_b", 3, 4, message="[XPASS(strict)] must fail")

    first, second = report_of(project).tests.failing

    assert (first.outcome, first.called) == (
        "error in setup",
        ["no call of a traced function was recorded under this test"],
    )
    assert (second.outcome, second.exception, second.message) == ("", None, "[XPASS(strict)] must fail")


def test_a_test_that_passed_on_a_rerun_comes_last_with_a_remark(project, suite) -> None:
    for number, name in enumerate(("a.py::test_flaky", "a.py::test_bad")):
        suite.failing(name, number, number, suite.assertion(line=number))
    suite.trace.test("a.py::test_flaky", 5, 6)
    failing = [(each.test, each.outcome) for each in report_of(project).tests.failing]
    assert failing == [("a.py::test_bad", ""), ("a.py::test_flaky", "failed, and passed when it was run again")]


def test_an_unfinished_test_is_named(project, suite) -> None:
    suite.trace.test("a.py::test_good", 1, 2)
    suite.trace.test("a.py::test_hangs", 3, None, None)
    results = report_of(project).tests
    assert (results.outcomes, results.unfinished) == ("1 unfinished, 1 passed", ["a.py::test_hangs"])


def test_exceptions_that_passing_tests_expected_are_not_in_the_report(project, suite) -> None:
    moment = {"handled": True, "handled_by": "pytest:raises:1"}
    suite.trace.test("test_passes", 1, 2)  # from 10 to 19 ms
    suite.trace.test("test_fails", 3, 4, "failed")  # from 20 to 29 ms
    for name, at_ms in (("Before", 5), ("Expected", 15), ("Swallowed", 25), ("After", 35)):
        suite.trace.exception(name, raised_at=STARTED + timedelta(milliseconds=at_ms), **moment)
    report = report_of(project)
    assert {each.type: each.test for each in report.exceptions} == {
        "Before": "",
        "Swallowed": "test_fails",
        "After": "",
    }

    found = find_exceptions(project.con, "shop").exceptions
    assert {each.type: each.test for each in found}["Expected"] == "test_passes"


def test_the_tree_below_the_last_call_is_folded_and_as_deep_as_it_fits(project, suite) -> None:
    top = suite.trace.call(suite.total, args={"n": 1}, returns=2, ms=900)
    for number in range(40):
        suite.trace.call(suite.price, top, args={"number": number}, returns=number)
    deep = suite.trace.call(suite.total, top, args={"n": 0}, returns=1, ms=9)
    for number in range(20):
        deep = suite.trace.call(suite.total, deep, args={"depth": number}, returns=number)
    suite.failing("test_it", top, deep, suite.assertion())

    called = report_of(project).tests.failing[0].called

    assert called[1:6] == [
        "  price(number=0) -> 0  #2",
        "  price(number=1) -> 1  #3",
        "  … 37 more calls of price",
        "  price(number=39) -> 39  #41",
        "  total(n=0) -> 1  #42",
    ]
    assert called[-1].strip().startswith("total(depth=")
    assert len(called) <= 14


def test_only_the_last_calls_of_a_test_with_many_are_shown(project, suite) -> None:
    made = suite.trace.function("made", kind="generator")
    for number in range(30):
        suite.trace.call(suite.price, args={"number": number}, returns=number)
    last = suite.trace.call(made, args={}, returns=None)
    suite.failing("test_it", 1, last, suite.assertion())
    called = report_of(project).tests.failing[0].called
    assert called[0] == "… 25 earlier calls"
    assert called[1] == "shop/pricing.py:20 price(number=25) -> 25  #26"
    assert called[-1] == f"shop/pricing.py:1 made() (generator)  #{last}"
    suite.trace.yields(last, 3, 1)
    assert report_of(project).tests.failing[0].called[-1] == f"shop/pricing.py:1 made() -> yielded [3, 1]  #{last}"


def test_a_report_of_a_thousand_failing_tests_with_long_values_stays_within_its_aim(project, suite) -> None:
    con = project.con
    error = suite.assertion("assert " + "x" * 5_000, locals=json.dumps({f"name{n}": "y" * 500 for n in range(40)}))
    call = suite.trace.call(suite.total, args={"pieces": "z" * 5_000}, returns="w" * 5_000)
    suite.failing("test_first[" + "v" * 2_000 + "]", call, call, error, message="x" * 2_000)
    con.execute(
        "INSERT INTO tests SELECT t.* REPLACE (number AS test_id, node_id || number AS node_id) "
        "FROM tests t, range(10, 1010) r(number)"
    )
    report = report_of(project)
    assert report.tests.outcomes == "1,001 failed"
    assert size_of(report) <= AIM_CHARS


def test_a_module_that_cannot_be_imported_is_shown_with_the_chain_of_imports(project, suite) -> None:
    module = suite.trace.function("<module>", module="test_shop", file="/work/shop/tests/test_shop.py", kind="module")
    call = suite.trace.call(module)
    error = suite.assertion("no rates", call_id=call, function_name="<module>", line=2)
    suite.failing("tests/test_shop.py", call, call, error, outcome="error", phase="collect")

    [failing] = report_of(project).tests.failing
    assert failing.outcome == "error in collection"
    assert failing.exception.calls == ["tests/test_shop.py:1 <module>"]
    assert failing.called == []


def test_a_test_with_a_wrong_result_leads_to_the_exceptions_that_were_handled_under_it(project, suite) -> None:
    other = suite.trace.call(suite.total, args={"pieces": 1}, returns=7)
    wrong = suite.trace.call(suite.total, args={"pieces": 20}, returns=114)
    suite.trace.test("test_shop.py::test_total[1]", other, other)
    error = suite.assertion(raised_at=STARTED + timedelta(milliseconds=27))
    handled = {"handled": True, "handled_by": "shop.pricing:total:6"}
    swallowed = {"call_id": wrong, "raised_at": STARTED + timedelta(milliseconds=25), **handled}
    suite.trace.exception("LookupError", "x", call_id=other, raised_at=STARTED + timedelta(milliseconds=12), **handled)
    node_id = "test_shop.py::test_total[20]"
    suite.failing(node_id, wrong, wrong, error, message="assert 114 == 126")
    proposed = f'find_exceptions(project="shop", trace_id="{suite.trace.trace_id}", test="{node_id}")'

    assert proposed not in report_of(project).next
    suite.trace.exception("ValueError", "no rate", **swallowed)
    assert report_of(project).next[1] == proposed

    found = find_exceptions(project.con, "shop", test=node_id)
    assert [each.type for each in found.exceptions] == ["AssertionError", "ValueError"]
    assert [each.type for each in find_exceptions(project.con, "shop", test="total[1]").exceptions] == ["LookupError"]
    assert find_exceptions(project.con, "shop", test=node_id, type="LookupError").message == (
        "No exception of this type was recorded under this test; what was recorded: "
        "AssertionError, LookupError, ValueError."
    )
    with pytest.raises(BreadcrumbError, match="has no test 'test_nothing'"):
        find_exceptions(project.con, "shop", test="test_nothing")


def test_a_failing_test_leads_to_the_lines_that_were_recorded_under_it(project) -> None:
    suite = Suite(project.trace(status="failed", exit_code=1, config={"capture": {"lines": ["price", "total"]}}))
    wrong = suite.trace.call(suite.total, args={"pieces": 20}, returns=114)
    suite.failing("test_shop.py::test_total", wrong, wrong, suite.assertion())

    assert report_of(project).next[0] == (
        f'get_calls(project="shop", function="shop.pricing:total", trace_id="{suite.trace.trace_id}", '
        'where={"test": "test_shop.py::test_total"})'
    )


def test_with_recorded_lines_the_report_has_the_body_of_the_test_and_proposes_the_source_of_what_failed(
    project, suite, tmp_path
) -> None:
    file = tmp_path / "test_shop.py"
    file.write_text("def test_total(pieces):\n    expected = 126\n    assert total(pieces) == expected\n")
    os.utime(file, (0, 0))  # older than the run
    test = suite.trace.function("test_total", "tests.test_shop", 1, file=str(file))
    error = suite.assertion("assert 114 == 126", call_id=1)
    own = suite.trace.call(test, args={"pieces": 20}, raises=error, ms=9)
    suite.trace.call(suite.total, own, args={"pieces": 20}, returns=114, call_line=3)
    suite.trace.lines(own, (2, {}), (3, {"expected": 126}), (None, {}))
    suite.failing("tests/test_shop.py::test_total[20]", own, own + 1, error)

    report = report_of(project)

    [failing] = report.tests.failing
    assert failing.called == ["shop/pricing.py:4 total(pieces=20) -> 114  #2"]
    assert failing.body.split("\n") == [
        f"{file}:1 test_total(pieces=20) #{own}",
        "1 def test_total(pieces):",
        "2  expected = 126",
        "3  assert total(pieces) == expected  # total() -> 114",
    ]
    assert report.next[0] == f'show(project="shop", what=["shop.pricing:total"], trace_id="{suite.trace.trace_id}")'


@pytest.mark.parametrize("is_called_by_a_plugin", [False, True])
def test_the_body_of_a_test_is_found_whatever_stands_around_and_after_it(
    project, suite, tmp_path, is_called_by_a_plugin: bool
) -> None:
    file = tmp_path / "test_shop.py"
    file.write_text("def test_total(pieces):\n    expected = 126\n    assert total(pieces) == expected\n")
    os.utime(file, (0, 0))  # older than the run
    test = suite.trace.function("test_total", "tests.test_shop", 1, file=str(file))
    plugin, restore = (suite.trace.function(name, "tests.conftest", 1) for name in ("pytest_pyfunc_call", "restore"))
    error = suite.assertion("assert 114 == 126", line=3, file=str(file), call_id=1)
    around = suite.trace.call(plugin, ms=9) if is_called_by_a_plugin else None
    own = suite.trace.call(test, around, args={"pieces": 20}, raises=error, ms=9)
    suite.trace.lines(own, (2, {}), (3, {"expected": 126}), (None, {}))
    last = [suite.trace.call(restore, returns=None) for _ in range(20)][-1]
    suite.failing("tests/test_shop.py::test_total[20]", around or own, last, error)

    [failing] = report_of(project).tests.failing
    assert failing.body.split("\n")[1:] == [
        "1  def test_total(pieces):",
        "2   expected = 126",
        "3>  assert total(pieces) == expected",
    ]


def test_secrets_of_the_project_are_redacted_in_the_body_of_a_test(project, suite, tmp_path) -> None:
    file = tmp_path / "test_shop.py"
    file.write_text('def test_total():\n    my_phrase = "open sesame"\n    assert False\n')
    os.utime(file, (0, 0))
    test = suite.trace.function("test_total", "tests.test_shop", 1, file=str(file))
    error = suite.assertion("assert False", call_id=1)
    own = suite.trace.call(test, raises=error)
    suite.trace.lines(own, (2, {}), (3, {}), (None, {}))
    suite.failing("tests/test_shop.py::test_total", own, own, error)
    report = build_report(project.con, "shop", trace_id=None, redact=["my_phrase"])
    assert "sesame" not in report.model_dump_json() and "[REDACTED]" in report.model_dump_json()


def test_of_a_check_that_tests_share_the_source_of_what_it_checked_is_proposed(project, suite, tmp_path) -> None:
    file = tmp_path / "test_shop.py"
    file.write_text("class Tests:\n    def test_total(self):\n        self.check(20, 126)\n")
    os.utime(file, (0, 0))
    test = suite.trace.function("Tests.test_total", "tests.test_shop", 2, file=str(file))
    check = suite.trace.function("Tests.check", "tests.test_shop", 8)
    error = suite.assertion("114 != 126", call_id=2)
    own = suite.trace.call(test, args={"self": {"$type": "Tests"}}, raises=error, ms=9)
    inner = suite.trace.call(check, own, args={"pieces": 20}, raises=error, call_line=3)
    suite.trace.call(suite.total, inner, args={"pieces": 20}, returns=114, call_line=9)
    suite.trace.lines(own, (3, {}), (None, {}))
    suite.failing("tests/test_shop.py::Tests::test_total", own, inner + 1, error)

    report = report_of(project)

    assert report.tests is not None and report.tests.failing[0].body.startswith(f"{file}:2 Tests.test_total() #{own}\n")
    assert 'what=["total", "tests.test_shop:Tests.check"]' in report.next[0]
