"""While a test runs, the lines of the last calls of own functions are kept, and written if the test fails."""

from __future__ import annotations

import os
import signal

import pytest

from breadcrumb import record_format
from breadcrumb.events import recent_lines
from breadcrumb.platform_features import STACKS_SIGNAL
from spool_reader import Spool, program

SUITE = program(
    """
    import threading, unittest

    def half(number):
        if number == 126:
            number += 1
        return number // 2

    def many(numbers):
        return [half(number) for number in numbers]

    def around():
        count = 0
        def inner():
            nonlocal count
            count += 1
        inner()
        return count

    class Tests(unittest.TestCase):
        def test_a_passes(self):
            self.assertEqual(many([1, 2, 3]), [0, 1, 1])

        def test_b_fails(self):
            around()
            self.assertEqual(many([126, *range(20)]), [])

        def test_c_passes(self):
            half(5)

    if __name__ == "__main__":
        unittest.main()
    """
)


def numbers(spool: Spool) -> list[int]:
    return [call.args["number"] for call in spool.named("half") if call.lines]


@pytest.fixture
def suite(python: str, trace) -> Spool:
    spool = trace(python, SUITE)
    assert "failures=1" in spool.stderr, spool.stderr
    return spool


def test_only_a_failed_test_leaves_lines_those_of_its_last_calls_and_of_each_path(suite: Spool) -> None:
    assert numbers(suite) == [126, *range(20 - recent_lines.LAST_CALLS, 20)]
    assert len(suite.named("half")) == 3 + 21 + 1


def test_the_last_calls_with_a_line_that_no_passing_test_executes_are_kept(python: str, start, tmp_path) -> None:
    suite = SUITE.replace("[126, *range(20)]", "[126, 127, *[126] * 6, 128, *range(20)]").replace("== 126", ">= 126")
    passed = [line for line, text in enumerate(suite.splitlines(), 1) if "number += 1" not in text]
    file = str(tmp_path / "program.py")
    kept = numbers(start(python, suite, passed_lines={file: passed}).finish())
    assert kept == [126, 126, 126, 128, *range(20 - recent_lines.LAST_CALLS, 20)]
    without = numbers(start(python, suite).finish())
    assert without == [128, *range(20 - recent_lines.LAST_CALLS, 20)]


def test_the_lines_of_a_kept_call_are_whole(suite: Spool) -> None:
    (rare,) = [call for call in suite.named("half") if call.args["number"] == 126]
    assert rare.steps(first_line=3) == [(1, {}), (2, {"number": 127}), (3, {})]


def test_the_body_of_the_test_is_kept_up_to_the_failure(suite: Spool) -> None:
    (test,) = [call for call in suite.named("Tests.test_b_fails") if call.lines]
    steps = test.steps(first_line=23)
    assert [line for line, _ in steps] == [1, 2]
    assert not any(call.lines for call in suite.named("Tests.test_a_passes"))


def test_the_lines_of_a_generator_that_the_test_leaves_open_are_kept(python: str, trace) -> None:
    halves = "def halves(numbers):\n    for number in numbers:\n        yield half(number)\n\ndef many"
    left = SUITE.replace("def many", halves).replace("around()\n", "self.left = halves([4, 5]); next(self.left)\n")
    (generator,) = trace(python, left).named("halves")
    first = 1 + left.split("\n").index("def halves(numbers):")
    assert [step.line - first for step in generator.lines if step.line] == [1, 2]


def test_variables_that_closures_share_are_not_read_where_that_could_undo_a_write(suite: Spool) -> None:
    backend = suite.of("process")[0]["backend"]
    with_lines = any(call.lines for call in suite.named("around"))
    assert with_lines == (backend == "monitoring")


def test_without_the_setting_no_lines_are_kept(python: str, trace) -> None:
    spool = trace(python, SUITE, capture={"failed_test_lines": False})
    assert not any(call.lines for call in spool.calls)


def test_a_function_that_is_asked_for_has_the_lines_of_all_calls(python: str, trace) -> None:
    spool = trace(python, SUITE, capture={"lines": ["half"]})
    assert len(numbers(spool)) == 25


def test_a_busy_function_is_given_up_alone_and_an_equal_run_keeps_the_same(python: str, trace) -> None:
    busy = SUITE.replace("126, *range(20)", "126, *range(5000)")
    first, second = trace(python, busy, mode="adaptive"), trace(python, busy, mode="adaptive")
    assert numbers(first) == numbers(second)
    assert 0 < len(numbers(first)) <= recent_lines.LAST_CALLS + recent_lines.MAX_PATHS
    assert any(call.lines for call in first.named("Tests.test_b_fails"))


LONG_TEST = """
import unittest
from filled import fill

class Tests(unittest.TestCase):
    def test_fails(self):
        total = 0
        for number in range({calls}):
            total = fill(number)
        self.assertEqual(total, 0)
        self.assertEqual(total, 1)

if __name__ == "__main__":
    unittest.main()
"""


def test_the_lines_of_a_failed_test_are_whole_although_what_it_calls_takes_the_allowance(
    python: str, trace, tmp_path
) -> None:
    calls = 50
    names = [f"fill{number}" for number in range(recent_lines.ALLOWANCE // (2 * calls) + 2)]
    functions = [f"def {name}(number):\n    number += 1\n    return number" for name in names]
    functions.append("def fill(number):\n    " + "\n    ".join(f"{name}(number)" for name in names) + "\n    return 0")
    (tmp_path / "filled.py").write_text("\n".join(functions))
    file = tmp_path / "test_long.py"
    file.write_text(LONG_TEST.format(calls=calls))
    spool = trace(python, [str(file)], include=["__main__", "filled"])
    (test,) = spool.named("Tests.test_fails")
    first = 1 + file.read_text().split("\n").index("        total = 0")
    loop = [first + 1, first + 2] * calls
    assert [step.line for step in test.lines if step.line] == [first, *loop, first + 1, first + 3, first + 4]
    of_fill = [[step.line for step in call.lines if step.line] for call in spool.named("fill") if call.lines]
    assert {len(lines) for lines in of_fill} <= {len(names) + 1}  # whole calls, or none


def test_after_the_allowance_of_the_process_functions_are_recorded_as_without_lines(python: str, trace) -> None:
    calls = 400  # of three lines each, all in full detail, less than the allowance of one function
    functions = recent_lines.ALLOWANCE // (3 * calls) + 2
    text = "import unittest\n"
    text += "".join(f"def f{n}(x):\n    x += 1\n    x += 1\n    return x\n" for n in range(functions))
    text += "class Tests(unittest.TestCase):\n    def test_it(self):\n"
    text += "".join(f"        for _ in range({calls}): f{n}(0)\n" for n in range(functions))
    text += "        self.fail()\nunittest.main()\n"
    spool = trace(python, text, mode="adaptive")
    assert "failures=1" in spool.stderr
    with_lines = {call.function for call in spool.calls if call.lines}
    assert "f0" in with_lines and f"f{functions - 1}" not in with_lines
    assert spool.count("f0") == spool.count(f"f{functions - 1}") == (calls, True)


def test_a_forked_child_of_a_test_goes_on_without_lines(python: str, trace) -> None:
    forks = SUITE.replace(
        "around()\n        self.assert",
        "import os; pid = os.fork()\n        pid or os._exit(half(7))\n        self.assert",
    )
    spool = trace(python, forks)
    assert 7 not in numbers(spool) and 126 in numbers(spool)


def test_threads_of_a_test_keep_their_calls(python: str, trace) -> None:
    threads = SUITE.replace(
        "around()\n",
        "workers = [threading.Thread(target=many, args=([n] * 3,)) for n in (50, 60)]\n"
        "        [worker.start() for worker in workers] and [worker.join() for worker in workers]\n",
    )
    spool = trace(python, threads)
    assert 126 in numbers(spool) and all(call.ended_ns for call in spool.named("half"))


def test_a_test_that_is_ended_from_outside_leaves_what_it_did(python: str, start) -> None:
    waits = SUITE.replace(
        "around()\n", "half(8)\n        print('ready', flush=True)\n        threading.Event().wait()\n"
    )
    traced = start(python, waits)
    assert traced.line() == "ready\n"
    (traced.folder / record_format.STACKS_WANTED_FILE).touch()
    os.kill(traced.process.pid, STACKS_SIGNAL)
    for _ in range(2000):
        if list(traced.folder.glob("*" + record_format.STACKS_SUFFIX)):
            break
        signal.sigtimedwait([], 0.01)
    traced.process.kill()
    spool = traced.finish()
    assert numbers(spool) == [8]
    (test,) = [call for call in spool.named("Tests.test_b_fails") if call.lines]
    assert test.lines[-1].line is not None
