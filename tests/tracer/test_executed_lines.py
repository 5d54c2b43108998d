"""Test that the lines which each test executes are noted, with those before the failure told apart."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from breadcrumb import record_format
from breadcrumb.events import executed_lines
from breadcrumb.platform_features import STACKS_SIGNAL
from spool_reader import INJECT, Spool, program

NEIGHBOURS = INJECT.parent / "first_pass" / "unittest_neighbours.py"

SUITE = program(
    """
    import unittest

    def price(amount):
        if amount > 100:
            amount -= 10
        return amount

    def after():
        return 0

    class Tests(unittest.TestCase):
        def tearDown(self):
            after()

        def test_a_passes(self):
            self.assertEqual(price(7), 7)

        def test_b_fails(self):
            for amount in range(90, 130):
                price(amount)
            self.assertEqual(price(200), 200)

        def test_c_passes(self):
            self.assertEqual(price(8), 8)

        def test_d_skipped(self):
            self.skipTest("later")

    if __name__ == "__main__":
        unittest.main()
    """
)


def lines_by_record(spool: Spool) -> list[tuple[dict[str, Any], list[tuple[str, int]]]]:
    """Return the records of executed lines, each with its lines and the functions that these are of."""
    names = {(each["process"], each["id"]): each["name"] for each in spool.of("function")}
    found = []
    for each in spool.of("test_lines"):
        lines = []
        for number in each["executed"]:
            if number < 0:
                function = names[each["process"], -number]
            else:
                lines.append((function, number))
        found.append((each, lines))
    return found


def executed(spool: Spool) -> dict[str, tuple[str, list[tuple[str, int]], int | None]]:
    """Return the outcome, the lines by function, and the number of lines before the failure, of each test."""
    tests = {(each["process"], each["id"]): each["name"].rpartition(".")[2] for each in spool.of("test")}
    return {
        tests[each["process"], each["id"]]: (each["outcome"], lines, each["failed_at"])
        for each, lines in lines_by_record(spool)
    }


def test_each_test_that_passed_or_failed_has_the_lines_that_it_executed(python: str, trace) -> None:
    tests = executed(trace(python, SUITE, mode="adaptive", capture={"calls_per_function": 2}))
    assert list(tests) == ["test_a_passes", "test_b_fails", "test_c_passes"]
    passing = [("price", 4), ("price", 6)]
    for name, line in (("test_a_passes", 16), ("test_c_passes", 24)):
        outcome, lines, _ = tests[name]
        assert outcome == "passed"
        assert lines == [(f"Tests.{name}", line), *passing, ("Tests.tearDown", 13), ("after", 9)]


def test_lines_before_the_failure_are_told_from_those_after_it(python: str, trace) -> None:
    for failed_test_lines in (True, False):
        spool = trace(python, SUITE, capture={"failed_test_lines": failed_test_lines})
        outcome, lines, failed_at = executed(spool)["test_b_fails"]
        test = "Tests.test_b_fails"
        assert outcome == "failed"
        assert lines[:failed_at] == [
            (test, 19), (test, 20), ("price", 4), ("price", 6), ("price", 5), (test, 21)
        ]  # fmt: skip
        assert lines[failed_at:] == [("Tests.tearDown", 13), ("after", 9)]


def test_where_only_lines_are_wanted_they_are_the_same_and_nothing_else_is_recorded(python: str, trace) -> None:
    whole, only = trace(python, SUITE), trace(python, SUITE, only_lines=True)
    passed = {name: test for name, test in executed(whole).items() if test[0] == "passed"}
    assert {name: test for name, test in executed(only).items() if test[0] == "passed"} == passed
    assert len(passed) == 2
    assert not only.calls
    assert not only.of("gap")
    assert (only.exit_code, only.stdout) == (whole.exit_code, whole.stdout)


def test_of_a_unittest_command_the_other_tests_of_the_module_are_run(python: str, start, tmp_path) -> None:
    (tmp_path / "suite.py").write_text(SUITE)
    for words, expected in (
        (["suite.Tests.test_a_passes"], ["test_b_fails", "test_c_passes"]),
        (["suite.py", "-k", "test_b"], ["test_a_passes", "test_c_passes"]),
        (["suite"], []),
        (["nowhere.Tests.test_a"], []),
    ):
        spool = start(python, [str(NEIGHBOURS), *words], include=["suite"], only_lines=True).finish()
        assert spool.exit_code == 0, spool.stderr
        assert list(executed(spool)) == expected


def test_nothing_is_noted_where_suspects_are_switched_off(python: str, start) -> None:
    spool = start(python, SUITE, suspects="off").finish()
    assert len(spool.of("test")) == 4
    assert spool.of("test_lines") == []


def test_a_test_in_which_the_run_is_ended_has_its_lines(python: str, start) -> None:
    traced = start(
        python,
        program(
            """
            import time, unittest
            class Tests(unittest.TestCase):
                def test_hangs(self):
                    print("ready", flush=True)
                    time.sleep(600)
            unittest.main()
            """
        ),
        before=lambda folder: (folder / record_format.STACKS_WANTED_FILE).touch(),
    )
    assert traced.line() == "ready\n"
    os.kill(traced.process.pid, STACKS_SIGNAL)
    while not any(traced.folder.glob("*" + record_format.STACKS_SUFFIX)):
        assert traced.process.poll() is None
    os.kill(traced.process.pid, signal.SIGKILL)
    outcome, lines, _ = executed(traced.finish())["test_hangs"]
    assert (outcome, lines[0]) == ("unfinished", ("Tests.test_hangs", 4))


def test_what_a_forked_child_does_is_not_taken_for_the_whole_test(python: str, trace) -> None:
    spool = trace(
        python,
        program(
            """
            import os, unittest
            def in_child():
                return 1
            class Tests(unittest.TestCase):
                def test_forks(self):
                    child = os.fork()
                    if not child:
                        in_child()
                        os._exit(0)
                    os.waitpid(child, 0)
            unittest.main()
            """
        ),
    )
    ((_, lines, _),) = executed(spool).values()
    assert [line for _, line in lines] == [6, 7, 10]


def test_a_test_with_too_many_executed_lines_has_none_before_python_3_12(python: str, trace) -> None:
    spool = trace(
        python,
        program(
            f"""
            import unittest
            def turn(times):
                for number in range(times):
                    number
            class Tests(unittest.TestCase):
                def test_a_short(self):
                    turn(10)
                def test_b_long(self):
                    turn({executed_lines.MOST_EVENTS})
                def test_c_short(self):
                    turn(10)
            unittest.main()
            """
        ),
    )
    is_limited = spool.of("process")[0]["backend"] == "settrace"
    assert list(executed(spool)) == ["test_a_short"] if is_limited else ["test_a_short", "test_b_long", "test_c_short"]


@pytest.mark.parametrize("outcome", ["addSubTest", "setUp"])
def test_a_failure_in_a_part_of_a_test_fails_it(python: str, trace, outcome: str) -> None:
    body = {"addSubTest": "with self.subTest(): self.fail()", "setUp": "pass"}[outcome]
    spool = trace(
        python,
        program(
            f"""
            import unittest
            class Tests(unittest.TestCase):
                def setUp(self):
                    assert {outcome == "addSubTest"}
                def test(self):
                    {body}
            unittest.main()
            """
        ),
    )
    assert [test[0] for test in executed(spool).values()] == ["failed"]


PROGRAM = program(
    """
    import sys
    def price(amount):
        if amount > 100:
            amount -= 10
        return amount
    def last():
        return 0
    import atexit
    atexit.register(last)
    for amount in range(90, 130):
        price(amount)
    {end}
    """
)


def of_program(spool: Spool) -> list[tuple[str, list[tuple[str, int]], int | None]]:
    """Return the outcome, the lines by function, and the number of lines before the failure, of each process."""
    found = lines_by_record(spool)
    assert {each["id"] for each, _ in found} <= {record_format.WHOLE_PROGRAM}
    return [(each["outcome"], lines, each["failed_at"]) for each, lines in found]


@pytest.mark.parametrize("end", ["pass", "sys.exit(3)", "raise ValueError", "None.nothing"])
def test_a_program_without_tests_has_the_lines_that_it_executed(python: str, start, tmp_path: Path, end: str) -> None:
    (tmp_path / "prices.py").write_text(PROGRAM.replace("{end}", end))
    spool = start(
        python, ["prices.py"], program_lines=True, capture={"calls_per_function": 2}, mode="adaptive"
    ).finish()
    ((outcome, lines, failed_at),) = of_program(spool)
    expected = [("price", 3), ("price", 5), ("price", 4)]
    assert [line for line in lines if line[0] == "price"] == expected
    assert {line for name, line in lines if name == "<module>"} == {1, 2, 6, 8, 9, 10, 11, 12}
    assert ("last", 7) in lines
    raises = end in ("raise ValueError", "None.nothing")
    assert outcome == ("failed" if raises else "ended")
    assert (lines[failed_at:] if raises else failed_at) == ([("last", 7)] if raises else None)


def test_a_program_that_runs_tests_has_the_lines_of_the_tests_instead(python: str, start, tmp_path: Path) -> None:
    (tmp_path / "suite.py").write_text(SUITE)
    whole = executed(start(python, ["suite.py"]).finish())
    assert executed(start(python, ["suite.py"], program_lines=True).finish()) == whole


def test_each_process_of_a_program_has_its_lines_and_a_forked_child_has_none(
    python: str, start, tmp_path: Path
) -> None:
    (tmp_path / "parent.py").write_text(
        program(
            """
            import os, subprocess, sys
            def here(): return 1
            if len(sys.argv) > 1:
                here()
            elif os.fork():
                os.wait()
                subprocess.run([sys.executable, "parent.py", "again"], check=True)
            else:
                here()
            """
        )
    )
    found = of_program(start(python, ["parent.py"], program_lines=True).finish())
    assert sorted(("here", 2) in lines for _, lines, _ in found) == [False, True]


def test_a_program_with_too_many_executed_lines_has_none_before_python_3_12(python: str, start, tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(
        f"def turn(times):\n    for number in range(times):\n        number\n"
        f"turn({executed_lines.MOST_EVENTS_OF_PROGRAM})\n"
    )
    spool = start(python, ["long.py"], program_lines=True).finish()
    assert len(of_program(spool)) == (0 if spool.of("process")[0]["backend"] == "settrace" else 1)


HOT = program(
    """
    import sys
    import unittest

    LAST = 300_000

    def whole(amount):
        yield from (amount, amount)

    def rare(amount):
        total = amount
        if amount == LAST:
            total = 0
        return total

    def work():
        for number in range(LAST + 1):
            rare(number)
            for each in whole(number):
                pass

    class Tests(unittest.TestCase):
        def test_a(self):
            work()

        def test_b(self):
            self.assertEqual(list(whole(1)), [1, 1])

    if "tests" in sys.argv:
        unittest.main(argv=sys.argv[:1])
    work()
    """
)


def hot(start, python: str, folder: Path, *words: str) -> Spool:
    """Run HOT in the default mode, within a small budget: what is called often is switched off."""
    (folder / "hot.py").write_text(HOT)
    capture = {"calls_per_function": 2, "overhead": 0.01}
    return start(python, ["hot.py", *words], program_lines=True, mode="adaptive", capture=capture).finish()


@pytest.mark.slow  # its many calls take a second
def test_a_line_that_a_function_executes_after_it_was_switched_off_is_noted(
    monitoring_python: str, start, tmp_path: Path
) -> None:
    ((_, lines, _),) = of_program(hot(start, monitoring_python, tmp_path))
    assert {("rare", 12), ("whole", 7)} <= set(lines)


@pytest.mark.slow
def test_a_function_of_which_all_lines_were_noted_has_them_in_the_next_test_too(
    monitoring_python: str, start, tmp_path: Path
) -> None:
    tests = executed(hot(start, monitoring_python, tmp_path, "tests"))
    assert ("rare", 12) in tests["test_a"][1]
    assert ("whole", 7) in tests["test_a"][1] and ("whole", 7) in tests["test_b"][1]
