"""Read the lines of passing tests from the spool of a first pass, and insert them beside the run that they are for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breadcrumb.record_format import EVENT_FUNCTION, EVENT_KEY, EVENT_TEST, EVENT_TEST_LINES, EVENTS_SUFFIX
from breadcrumb_storage.executed_lines import ExecutedFunction, decoded, lines_by_function
from breadcrumb_storage.ingest.spool_files import list_spool, unread_chunks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# In the spool folder of a run: the lines of its neighbours, one JSON object a line.
NEIGHBOURS_FILE = "neighbours.json"


@dataclass(frozen=True, slots=True)
class PassedTest:
    """A test that passed, with the lines of own functions that it executed.

    Attributes:
        node_id: Its name.
        suite: Its file or module.
        executed: The lines by function.
        is_first: Whether it was the first one of its process: caches were empty, and what is made once was made.
    """

    node_id: str
    suite: str
    executed: Mapping[ExecutedFunction, Sequence[int]]
    is_first: bool = False


@dataclass(slots=True)
class _Suite:
    passed: int = 0
    counts: dict[ExecutedFunction, dict[int, int]] = field(default_factory=dict[ExecutedFunction, dict[int, int]])


def read_passed_tests(spool: Path) -> list[PassedTest]:
    """Read the tests that passed in a first pass, up to what was written before it was ended.

    Raises:
        OSError: The folder cannot be read.
    """
    files = [file for file in list_spool(spool) if file.suffix == EVENTS_SUFFIX]
    functions: dict[tuple[str, int], ExecutedFunction] = {}
    names: dict[tuple[str, int], str] = {}
    found: list[PassedTest] = []
    begun: set[str] = set()  # processes that have run a test
    for chunk in unread_chunks(files, {}, final=True):
        process = chunk.file.process_key
        for event in _events(chunk.records()[0]):
            kind, number = event.get(EVENT_KEY), event.get("id")
            if not isinstance(number, int):
                continue
            if kind == EVENT_FUNCTION and event.get("file"):
                functions[process, number] = ExecutedFunction(event["file"], event["name"], event["line"])
            elif kind == EVENT_TEST:
                names[process, number] = str(event["name"])
            elif kind == EVENT_TEST_LINES:
                is_first = process not in begun
                begun.add(process)
                if event.get("outcome") == "passed":
                    executed = lines_by_function(decoded(event["executed"], process, functions))
                    name = names.get((process, number), "")
                    found.append(PassedTest(name, str(event["suite"]), executed, is_first))
    return found


def _events(records: bytes) -> Iterator[dict[str, Any]]:
    for line in records.splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # damaged
            continue
        if isinstance(event, dict):
            yield event


def write_neighbours(spool: Path, tests: Iterable[PassedTest]) -> None:
    """Write the lines of neighbours, counted by suite and function, for `insert_neighbours`.

    What only the first test of a process executed, every test would that runs alone, as one that an agent selects does:
    it counts as executed by all.

    Args:
        spool: The spool folder of the run.
        tests: The passing tests that its failed tests are compared with.

    Raises:
        OSError: The file cannot be written.
    """
    tests = list(tests)
    suites: dict[str, _Suite] = {}
    for test in tests:
        suite = suites.setdefault(test.suite, _Suite())
        suite.passed += 1
        for function, lines in test.executed.items():
            counts = suite.counts.setdefault(function, {})
            for line in lines:
                counts[line] = counts.get(line, 0) + 1
    for function, alone in _executed_by_first_tests_alone(tests).items():
        for suite in suites.values():
            suite.counts.setdefault(function, {}).update(dict.fromkeys(alone, suite.passed))
    with (spool / NEIGHBOURS_FILE).open("x", encoding="utf-8") as file:
        for name, suite in suites.items():
            whole = {"suite": name, "passed": suite.passed}
            file.write(json.dumps(whole) + "\n")
            for function, counts in suite.counts.items():
                row = {
                    **whole,
                    "file": function.file,
                    "function_name": function.name,
                    "function_line": function.line,
                    "lines": list(counts),
                    "tests": list(counts.values()),
                }
                file.write(json.dumps(row) + "\n")


def _executed_by_first_tests_alone(tests: Sequence[PassedTest]) -> dict[ExecutedFunction, set[int]]:
    first: dict[ExecutedFunction, set[int]] = {}
    for test in tests:
        if test.is_first:
            for function, lines in test.executed.items():
                first.setdefault(function, set()).update(lines)
    for test in tests:
        if not test.is_first:
            for function in test.executed.keys() & first.keys():
                first[function].difference_update(test.executed[function])
    return first if any(not test.is_first for test in tests) else {}


def insert_neighbours(con: DuckDBPyConnection, spool: Path, trace_id: str, *, ended_well: bool) -> None:
    """Insert the lines of a run's neighbours, if it has any; harmless if repeated.

    Args:
        con: A connection of `Database.write`.
        spool: The spool folder of the run.
        trace_id: Its trace.
        ended_well: Whether the run ended well: earlier runs, which have no suite, are of no use then.
    """
    file = spool / NEIGHBOURS_FILE
    if not file.is_file():
        return
    con.execute("DELETE FROM neighbour_records WHERE trace_id = ?", [trace_id])
    con.execute(
        """
        INSERT INTO neighbour_records (trace_id, suite, passed, file, function_name, function_line, lines, tests)
        SELECT $1, suite, passed, file, function_name, function_line, lines, tests
        FROM read_json($2, format = 'newline_delimited', columns = {
            suite: 'VARCHAR', passed: 'INTEGER', file: 'VARCHAR', function_name: 'VARCHAR', function_line: 'INTEGER',
            lines: 'INTEGER[]', tests: 'INTEGER[]'})
        WHERE suite <> '' OR NOT $3
        """,
        [trace_id, str(file), ended_well],
    )
