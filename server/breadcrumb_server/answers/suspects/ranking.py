"""Rank lines by how many failed and how few passing tests executed them (a line spectrum, after Tarantula and Ochiai).

What failed tests executed after their failure is left out, and so is the code of tests. A function of which passing
tests executed other lines is told apart from one that no passing test executed: the former is a branch that was taken,
the latter often only the feature that the failed test is about.

Where there are no tests, a program that failed is compared with its earlier runs that ended well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import sqrt
from typing import TYPE_CHECKING

from breadcrumb.test_files import is_test_file
from breadcrumb_server.answers.common.code_origin import is_for_messages
from breadcrumb_storage.executed_lines import ExecutedFunction, ExecutedLine
from breadcrumb_storage.queries.executed import (
    FailedTestLines,
    PassedLines,
    failed_test_lines,
    passed_lines,
    program_lines,
)

if TYPE_CHECKING:
    from breadcrumb_storage.queries.trace_reader import TraceReader

# The share of the passing tests that may execute a suspect line. Lines that more of them execute are ordinary.
FEW = 0.25

# The statuses of a run whose program is compared with its earlier runs.
_FAILED_PROGRAM = ("failed", "timeout", "stopped", "crashed")


@dataclass(frozen=True, slots=True)
class Suspect:
    """The most suspect lines of a function.

    Attributes:
        function: The function.
        lines: Lines that the same number of tests executed, without another executed line between them.
        passed: The passing tests that executed them.
    """

    function: ExecutedFunction
    lines: Sequence[int]
    passed: int


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The lines of failed tests beside those of the passing tests of their files, or of a program beside earlier runs.

    Attributes:
        of_program: Whether it compares runs of a program, which stand for tests.
        failed: The number of failed tests.
        passed: The number of passing ones.
        suspects: The most suspect lines of each function of which passing tests executed others, in their order.
        only_failed: The functions that no passing test executed, in the order of their first execution.
        rare: Every suspect line of the functions in ``suspects``, by file.
        passed_by_file: Every line that a passing test executed, by file.
    """

    of_program: bool
    failed: int
    passed: int
    suspects: Sequence[Suspect]
    only_failed: Sequence[ExecutedFunction]
    rare: dict[str, set[int]]
    passed_by_file: dict[str, set[int]]


def spectrum(reader: TraceReader) -> Spectrum | None:
    """Compare the failed tests of a trace with the passing tests of their files, or a failed program with earlier runs.

    Returns:
        None if nothing failed, or there is nothing that passed.
    """
    failed = failed_test_lines(reader)
    of_program = not failed and reader.trace.status in _FAILED_PROGRAM
    if of_program:
        failed = program_lines(reader)
    if not failed:
        return None
    suites = {test.suite for test in failed}
    passed = passed_lines(reader, suites)
    return _compare(failed, passed, suites, of_program=of_program) if passed.tests else None


def _compare(
    failed: Sequence[FailedTestLines], passed: PassedLines, suites: Iterable[str], *, of_program: bool
) -> Spectrum:
    order: dict[ExecutedLine, int] = {}  # of first execution
    failing: dict[ExecutedLine, int] = {}  # the failed tests that executed it
    for test in failed:
        for line in test.lines:
            order.setdefault(line, len(order))
            failing[line] = failing.get(line, 0) + 1
    known = {line.function for line in passed.counts}
    files = {line.function.file for line in order}
    of_tests = {file for file in files if _is_of_tests(file, suites)}
    scores: dict[ExecutedLine, float] = {}
    only_failed: dict[ExecutedFunction, None] = {}
    for line, count in failing.items():
        if line.function.file in of_tests or is_for_messages(line.function.name):
            continue
        if line.function not in known:
            only_failed[line.function] = None
        elif passed.counts.get(line, 0) <= FEW * passed.tests:
            scores[line] = count / sqrt(len(failed) * (count + passed.counts.get(line, 0)))
    rare: dict[str, set[int]] = {}
    of_function: dict[ExecutedFunction, list[ExecutedLine]] = {}
    for line in sorted(scores, key=lambda line: (-scores[line], order[line])):
        rare.setdefault(line.function.file, set()).add(line.line)
        of_function.setdefault(line.function, []).append(line)
    executed: dict[ExecutedFunction, list[int]] = {}
    for line in order:
        executed.setdefault(line.function, []).append(line.line)
    passed_by_file: dict[str, set[int]] = {}
    for line in passed.counts:
        passed_by_file.setdefault(line.function.file, set()).add(line.line)
    # Of equally suspect functions, first those with the most such lines: a feature is seldom a single line.
    ranked = sorted(
        of_function.values(),
        key=lambda lines: (-scores[lines[0]], -sum(scores[each] == scores[lines[0]] for each in lines)),
    )
    suspects = [
        Suspect(lines[0].function, _block(lines, scores, executed[lines[0].function]), passed.counts.get(lines[0], 0))
        for lines in ranked
    ]
    return Spectrum(
        of_program=of_program,
        failed=len(failed),
        passed=passed.tests,
        suspects=list(_one_for_each_definition(suspects, executed)),
        only_failed=[each for each in only_failed if not _is_inside(each, [*only_failed, *of_function])],
        rare=rare,
        passed_by_file=passed_by_file,
    )


def _one_for_each_definition(suspects: Iterable[Suspect], executed: Iterable[ExecutedFunction]) -> Iterator[Suspect]:
    """Yield the first suspect of each outermost function: the source of that one holds those that are defined in it.

    Args:
        suspects: The suspects in their order.
        executed: The functions that failed tests executed. One of them stands for a lambda or comprehension in it.
    """
    known = {(each.file, each.name): each for each in executed}
    seen: set[tuple[str, str]] = set()
    for suspect in suspects:
        function = suspect.function
        definition = (function.file, function.name.partition(".<locals>.")[0])
        if definition in seen:
            continue
        seen.add(definition)
        is_nameless = function.name.rpartition(".")[2].startswith("<")
        yield replace(suspect, function=known.get(definition, function)) if is_nameless else suspect


def _block(lines: Sequence[ExecutedLine], scores: dict[ExecutedLine, float], executed: Sequence[int]) -> list[int]:
    """Return the lines around the most suspect one of a function that are as suspect as it.

    Args:
        lines: The suspect lines of the function, the most suspect first.
        scores: How suspect each is.
        executed: All lines of the function that failed tests executed.
    """
    best = lines[0]
    equal = {line.line for line in lines if scores[line] == scores[best]}
    for is_equal, group in groupby(sorted(executed), lambda line: line in equal):
        block = list(group)
        if is_equal and best.line in block:
            return block
    return [best.line]


def _is_inside(function: ExecutedFunction, others: Iterable[ExecutedFunction]) -> bool:
    """Return whether a function is defined in another of them, which tells enough."""
    return any(
        function.file == other.file and function.name.startswith(f"{other.name}.<locals>.")
        for other in others
        if other is not function
    )


def _is_of_tests(file: str, suites: Iterable[str]) -> bool:
    """Return whether a file holds tests or what they share."""
    if is_test_file(file):
        return True
    names = [suite if suite.endswith(".py") else suite.replace(".", "/") + ".py" for suite in suites]
    return any(file == name or file.endswith(f"/{name}") for name in names if name != ".py")
