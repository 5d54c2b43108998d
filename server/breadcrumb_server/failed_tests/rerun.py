"""Run the failed tests of JUnit files again under the tracer, and compare how they end."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.common.model import Table
from breadcrumb_server.answers.common.text import counted, one_line
from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.failed_tests.answer import RerunAnswer
from breadcrumb_server.failed_tests.junit import FailedCase, JUnitFile, read_junit_files
from breadcrumb_server.failed_tests.test_ids import PYTEST, UNITTEST, TestFinder, TestId
from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.runs.request import RunRequest, make_request
from breadcrumb_server.service import Service
from breadcrumb_server.workspace.interpreter import interpreter_for
from breadcrumb_storage.queries.test_results import TestOutcome, list_outcomes
from breadcrumb_storage.queries.trace_reader import TraceReader
from breadcrumb_storage.queries.traces import TraceRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LABEL = "failed tests"
# Rows of a table; a reader looks at the first ones.
MAX_ROWS = 50
MAX_TEXT_CHARS = 160
# Tests of a run that are compared: of a file that could not be imported all are run.
MAX_OUTCOMES = 5_000
# A runner runs nothing if it does not find one of the tests. Those are left out then.
MAX_ATTEMPTS = 3
_NOT_FOUND = re.compile(r"^ERROR: (?:not found|file or directory not found): (.+)$", re.MULTILINE)

_PASSED = frozenset({"passed", "xfailed", "xpassed"})
_FAILED = frozenset({"failed", "error"})
NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """What to run again and how.

    Attributes:
        junit: JUnit files, and folders of them.
        command: The words that start the test runner; empty for the one of the workspace.
        timeout_seconds: For the run.
        cwd: Absolute or relative to the workspace; None means the workspace.
        max_tests: Maximum number of tests to run.
    """

    junit: Sequence[Path]
    command: Sequence[str]
    timeout_seconds: float
    cwd: str | None
    max_tests: int


@dataclass(slots=True)
class _Selection:
    """The tests to run, and those that are not run with the reasons."""

    tests: list[TestId] = field(default_factory=list["TestId"])
    left_out: list[tuple[FailedCase, str]] = field(default_factory=list[tuple["FailedCase", str]])


async def rerun_failed_tests(
    service: Service,
    config: ProjectConfig,
    wanted: RerunRequest,
    run: Callable[[RunRequest], Awaitable[RunReport]],
) -> RerunAnswer:
    """Run the failed tests of JUnit files again.

    Args:
        service: The services.
        config: The settings of the project.
        wanted: The files and the command.
        run: Runs a command to its end.

    Raises:
        BreadcrumbError: A file cannot be read, or the command cannot be started.
    """
    redactor = Redactor(config.redact)
    files = await anyio.to_thread.run_sync(read_junit_files, wanted.junit)
    failed = list({(case.classname, case.name): case for file in files for case in file.failed}.values())
    answer = RerunAnswer(project=config.project, junit=[str(file.path) for file in files], failed_before=len(failed))
    if not failed:
        tests = sum(file.tests for file in files)
        answer.notes.append(f"none of {counted(tests, 'test')} failed: nothing was run again")
        return answer
    workspace, cwd = _folders(config, wanted.cwd)
    selection = await anyio.to_thread.run_sync(_select, failed, TestFinder(workspace, cwd), wanted.max_tests)
    words, runner = await anyio.to_thread.run_sync(_runner, wanted.command, cwd, workspace)
    ended: list[TestOutcome] = []
    for _ in range(MAX_ATTEMPTS):
        if not selection.tests:
            break
        arguments = dict.fromkeys(test.argument(runner, cwd) for test in selection.tests)  # sub-tests are one test
        command = [*words, *_options(runner, selection.tests), *arguments]
        env = _path(runner, selection.tests, cwd)
        answer.report = await run(
            # Exactly the failed tests are to run again.
            make_request(config, command, wanted.timeout_seconds, cwd=wanted.cwd, env=env, label=LABEL, suspects="off")
        )
        answer.trace_id = answer.report.trace_id
        answer.notes += await anyio.to_thread.run_sync(_restore, files)
        trace, ended = await service.ask(config.project, partial(_results, trace_id=answer.trace_id, config=config))
        if ended or not _leave_out_what_stops_all(selection, runner, trace, cwd):
            break
    if answer.report is not None:
        answer.database = str(config.database_file(service.home))
        _compare(answer, selection, ended, redactor)
        answer.next, answer.report.next = answer.report.next, []
    answer.not_run = _table(
        ["test", "in_file", "reason"],
        [[_shown(case.full_name, redactor), case.outcome, why] for case, why in selection.left_out],
    )
    return answer


def _folders(config: ProjectConfig, cwd: str | None) -> tuple[Path, Path]:
    """Return the workspace and the folder to run in, both absolute."""
    workspace = config.workspace_folder() or Path.cwd()
    return workspace, Path(os.path.normpath(workspace / Path(cwd or "").expanduser()))


def _select(failed: Iterable[FailedCase], finder: TestFinder, max_tests: int) -> _Selection:
    selection = _Selection()
    for case in failed:
        found = finder.find(case)
        if isinstance(found, str):
            selection.left_out.append((case, found))
        elif len(selection.tests) == max_tests:
            selection.left_out.append((case, f"more than {max_tests} tests failed"))
        else:
            selection.tests.append(found)
    return selection


def _runner(command: Sequence[str], cwd: Path, workspace: Path) -> tuple[list[str], str]:
    """Return the words that start the test runner, and how it takes the names of tests."""
    if command:
        names = {Path(word).name for word in command}
        return list(command), PYTEST if names & {"pytest", "py.test"} else UNITTEST
    python = interpreter_for(cwd, workspace)
    runner = UNITTEST if python.has("pytest") is False else PYTEST
    return [*python.words, "-m", runner], runner


def _options(runner: str, tests: Sequence[TestId]) -> list[str]:
    """Let pytest run the other tests if a file cannot be imported, as it did before."""
    mixed = any(test.is_group for test in tests) and len(tests) > 1
    return ["--continue-on-collection-errors"] if runner == PYTEST and mixed else []


def _path(runner: str, tests: Sequence[TestId], cwd: Path) -> dict[str, str]:
    """Let unittest import modules from the folders that it found them in."""
    bases = list(dict.fromkeys(str(test.base) for test in tests if test.base != cwd))
    if runner == PYTEST or not bases:
        return {}
    return {"PYTHONPATH": os.pathsep.join([*bases, *filter(None, [os.environ.get("PYTHONPATH")])])}


def _restore(files: Sequence[JUnitFile]) -> list[str]:
    """Write back the files that the run has written over, because its settings name them, too."""
    notes: list[str] = []
    for file in files:
        try:
            if file.path.read_bytes() == file.content:
                continue
        except OSError:
            pass  # it is gone
        try:
            file.path.write_bytes(file.content)
        except OSError as error:
            notes.append(f"{file.path} was changed by the run and could not be restored: {error}")
    return notes


def _results(con: DuckDBPyConnection, *, trace_id: str, config: ProjectConfig) -> tuple[TraceRow, list[TestOutcome]]:
    reader = TraceReader.open(con, trace_id, config.project)
    return reader.trace, list_outcomes(reader, MAX_OUTCOMES)


def _leave_out_what_stops_all(selection: _Selection, runner: str, trace: TraceRow, cwd: Path) -> bool:
    """After a run without any test, take the tests out that a runner does not go on with; false if there are none."""
    if runner == UNITTEST:
        why = "unittest runs no test if it is asked for a module that it cannot import"
        stopping = [test for test in selection.tests if test.is_group]
    else:
        why = "pytest does not find it"
        output = f"{trace.stdout_tail or ''}\n{trace.stderr_tail or ''}"
        split = [each.partition("::") for each in _NOT_FOUND.findall(output)]
        missing = {(os.path.realpath(cwd / path), names) for path, _, names in split}
        stopping = [test for test in selection.tests if (os.path.realpath(test.file), "::".join(test.names)) in missing]
    if len(stopping) == len(selection.tests) and runner == UNITTEST:
        return False
    selection.tests = [test for test in selection.tests if test not in stopping]
    selection.left_out += [(test.case, why) for test in stopping]
    return bool(stopping)


def _compare(answer: RerunAnswer, selection: _Selection, ended: Sequence[TestOutcome], redactor: Redactor) -> None:
    """Write into the answer how the tests ended in the file and now."""
    rows: list[list[str | int | float | bool | None]] = []
    for test in selection.tests:
        now = _outcome([each for each in ended if test.is_recorded_as(each.node_id)])
        answer.failed_again += now in _FAILED
        answer.passed_now += now in _PASSED
        name, message = _shown(test.case.full_name, redactor), _shown(test.case.message, redactor)
        rows.append([name, test.case.outcome, now, message])
    answer.tests = _table(["test", "in_file", "now", "message_in_file"], rows)
    if answer.passed_now:
        answer.notes.append(
            f"{counted(answer.passed_now, 'test')} passed this time: flaky, or dependent on tests that ran before"
        )
    if not ended:
        answer.notes.append("no test began: the report says why")


def _outcome(runs: Sequence[TestOutcome]) -> str:
    """Return how a test ended: its last run, and of several tests of a file the worst."""
    if not runs:
        return NOT_RUN
    last = {each.node_id: each.outcome or "not ended" for each in runs}
    bad = [outcome for outcome in last.values() if outcome not in _PASSED]
    return next(iter(sorted(bad, key=lambda outcome: outcome not in _FAILED)), "passed")


def _table(columns: list[str], rows: list[list[str | int | float | bool | None]]) -> Table | None:
    return Table(columns=columns, rows=rows[:MAX_ROWS], more=max(len(rows) - MAX_ROWS, 0)) if rows else None


def _shown(text: str, redactor: Redactor) -> str:
    """Return a text of the file without secrets: the tracer has redacted all others."""
    return one_line(redactor.redact_text(text), MAX_TEXT_CHARS)
