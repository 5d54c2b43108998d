"""The report that `run` answers with is one short text: the failure with its source, and the rest in a line."""

from __future__ import annotations

import pytest

from breadcrumb_server.answers.common.model import Table
from breadcrumb_server.answers.exceptions.details import ExceptionDetail
from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.answers.report.brief import MAX_CHARS, brief_of
from breadcrumb_server.answers.report.failing_tests import FailingTest, TestResults


def report(**fields: object) -> RunReport:
    known = {"project": "shop", "trace_id": "t", "status": "failed", "exit_code": 1, "command": "pytest"}
    return RunReport.model_validate({**known, "duration_ms": 12, "traced": None, **fields})


def failing(name: str, body: str, **fields: object) -> FailingTest:
    found = ExceptionDetail(type="AssertionError", message="assert 1 == 2", raised_at=f"test_shop.py:3 {name}")
    return FailingTest.model_validate({"test": f"test_shop.py::{name}", "exception": found, "body": body, **fields})


def test_the_failure_and_the_body_of_the_test_come_first_and_the_rest_is_counted_in_one_line() -> None:
    gaps = Table(columns=["function"], rows=[["a.b"], ["a.c"]], more=5)
    tests = TestResults(
        outcomes="1 failed, 40 passed", failing=[failing("test_total", "1 def test_total():\n3     ...")]
    )

    text = brief_of(report(tests=tests, gaps=gaps, next=["show(...)", "get_flow(...)"], stdout_tail="x")).report

    assert text.split("\n") == [
        "tests: 1 failed, 40 passed",
        "failed: test_shop.py::test_total  AssertionError: assert 1 == 2",
        "1 def test_total():",
        "3     ...",
        "also: 7 gaps (get_trace)",
        "next: show(...)",
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_however_much_failed_the_text_is_short_and_the_first_failure_keeps_most_of_it(count: int) -> None:
    body = "\n".join(f"{number} line of the body, with a value  # total={number}" for number in range(200))
    found = [failing(f"test_{number}", body, explaining=[body]) for number in range(count)]
    tests = TestResults(outcomes=f"{count} failed", failing=found, further=["another test: " + "x" * 200] * 20)

    text = brief_of(
        report(
            tests=tests,
            not_traced=["y" * 400] * 6,
            warnings=["z" * 300] * 6,
            next=['show(project="shop", what=["total"])'],
        )
    ).report

    assert len(text) <= MAX_CHARS
    assert text.startswith("NOT TRACED: yyy")
    assert "0 line of the body" in text and "199 line of the body" in text
    assert text.endswith('next: show(project="shop", what=["total"])')


def test_an_exit_is_explained_by_what_the_program_printed_and_other_exceptions_are_not() -> None:
    exit_, other = (
        ExceptionDetail(type=name, message="2", raised_at="a.py:3 main", outcome="uncaught")
        for name in ("SystemExit", "KeyError")
    )
    assert "usage: a.py FILE" in brief_of(report(exceptions=[exit_], stderr_tail="usage: a.py FILE")).report
    assert "Traceback" not in brief_of(report(exceptions=[other], stderr_tail="Traceback ...")).report


def test_variables_of_a_package_in_which_an_exception_was_raised_are_left_out() -> None:
    inside = ExceptionDetail(
        type="OSError",
        message="no",
        raised_at="lib.py:9 read",
        calls=["app.py:3 main()", "lib.py:9 read (not traced)"],
        locals=["buffer = ..."],
    )
    text = brief_of(report(exceptions=[inside], raised_in="app.py:1 main()\n3 >     read()")).report
    assert "3 >     read()" in text and "buffer" not in text


def test_source_that_is_too_long_is_cut_around_the_line_that_failed_and_the_suspect_ones() -> None:
    lines = [f"{number:>3}       total += {number}  # total={number * 7}" for number in range(1, 200)]
    lines[149] = "150>   assert total == expected"
    lines[19] = " 20*   total -= 1"
    tests = TestResults(
        outcomes="1 failed", failing=[failing("test_total", "\n".join(["test.py:1 test_total()", *lines]))]
    )
    text = brief_of(report(tests=tests)).report
    assert len(text) <= MAX_CHARS
    for shown in (
        "test.py:1 test_total()",
        " 20*   total -= 1",
        "149       total",
        "150>   assert total",
        "151       total",
    ):
        assert shown in text
    assert "  1       total" not in text and "199       total" not in text


def test_an_exception_that_a_test_expected_is_not_told_beside_its_failure() -> None:
    expected = ExceptionDetail(
        type="KeyError",
        message="a",
        raised_at="shop.py:3 rate",
        outcome="handled by unittest.case:_AssertRaisesBaseContext",
    )
    tests = TestResults(outcomes="1 failed", failing=[failing("test_total", "1 def test_total():")])
    assert "KeyError" not in brief_of(report(tests=tests, exceptions=[expected])).report
    swallowed = expected.model_copy(update={"outcome": "handled by shop:run:9"})
    assert "also KeyError: a" in brief_of(report(tests=tests, exceptions=[swallowed])).report


def test_of_functions_without_room_those_that_python_calls_by_itself_are_proposed_last() -> None:
    explaining = [
        "\n".join([f"shop.py:{line} {name}() #{line}", *["9  pass  # " + "x" * 80] * 30])
        for line, name in enumerate(("Cart.__init__", "Cart.__eq__", "Cart.total", "rate"), start=1)
    ]
    tests = TestResults(
        outcomes="1 failed", failing=[failing("test_total", "1 def test_total():", explaining=explaining)]
    )
    assert 'what=["Cart.total", "shop.py:rate"])' in brief_of(report(tests=tests)).report
