"""Run the first pass of a command: the other tests of the files whose tests it selects, with their lines alone.

It is never the reason that the command does not run: how it failed is told in one line. It is ended with all its
processes when its time is over, and what it has recorded until then is used.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from breadcrumb_server.answers.common.text import one_line
from breadcrumb_server.projects.config import CaptureConfig, ProjectConfig
from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.ending import kill_all
from breadcrumb_server.runs.first_pass.memory import Memory
from breadcrumb_server.runs.first_pass.selection import Selection, single_tests
from breadcrumb_server.runs.launcher import (
    TracedCommand,
    child_environment,
    inject_folder,
    launch,
    make_redactor,
    make_spool,
    write_tracer_config,
)
from breadcrumb_server.runs.request import RunRequest
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.ingest.neighbours import PassedTest, read_passed_tests

logger = logging.getLogger(__name__)

# The time of a first pass: this part of the command's timeout, and at most so many seconds.
PART_OF_TIMEOUT = 0.25
MAX_SECONDS = 20.0
# For fixtures to clean up when it is ended.
GRACE_SECONDS = 1.0
# Exit codes of pytest and unittest where tests ran, whatever their outcome, or none was left: 5.
_EXPECTED_CODES = (0, 1, 5)
_PLUGIN = "breadcrumb.first_pass.pytest_neighbours"
_SCRIPT = ("first_pass", "unittest_neighbours.py")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The passing tests beside those that a command selects, or the earlier runs of a program that ended well.

    Attributes:
        tests: The tests; a selected one may be among them. A run has its trace id as the name, and no suite.
        note: A sentence for the report; "" if there is nothing to tell.
    """

    tests: Sequence[PassedTest] = field(default_factory=list[PassedTest])
    note: str = ""

    def lines(self) -> dict[str, set[int]]:
        """Return all lines that the tests executed, by file."""
        found: dict[str, set[int]] = {}
        for test in self.tests:
            for function, lines in test.executed.items():
                found.setdefault(function.file, set()).update(lines)
        return found


async def find_neighbours(home: Home, config: ProjectConfig, request: RunRequest) -> Neighbours:
    """Find the neighbours of the tests that a command selects, in the memory of the project or by a first pass.

    Args:
        home: The home folder.
        config: The settings of the project.
        request: The checked command.
    """
    if not config.enabled or request.suspects == "off" or request.probes:
        return Neighbours()
    selection = single_tests(request.command)
    if selection is None:
        return Neighbours()
    try:
        return await _find(home, config, request, selection)
    except (BreadcrumbError, OSError) as error:
        logger.warning("The first pass of %s failed: %s", config.project, error)
        return Neighbours(note=f"the other tests of the file were not run for suspects: {one_line(str(error), 200)}")


async def _find(home: Home, config: ProjectConfig, request: RunRequest, selection: Selection) -> Neighbours:
    memory = Memory(home, config.project)
    key = [
        str(request.cwd), *selection.before, "", *selection.scope, "", *config.include, "", *config.exclude,
        "", *(f"{name}={value}" for name, value in sorted(request.env.items())),
    ]  # fmt: skip
    known = await anyio.to_thread.run_sync(memory.load, key)
    if known is not None:
        return Neighbours([test for test in known if not selection.selects(test.node_id)])
    is_first = await anyio.to_thread.run_sync(memory.is_empty)
    files = await anyio.to_thread.run_sync(_test_files, request.cwd, selection)
    before = await anyio.to_thread.run_sync(memory.states, files)
    started = time.monotonic()
    tests, problem = await _run(home, config, request, selection)
    await anyio.to_thread.run_sync(memory.store, key, before, tests)
    seconds = time.monotonic() - started
    return Neighbours(tests, _note(len(tests), seconds, problem, is_first=is_first))


def _note(passed: int, seconds: float, problem: str, *, is_first: bool) -> str:
    if problem:
        return f"the other tests of the file, run before for suspects, {problem}; {passed} of them passed"
    if not is_first:
        return ""
    return (
        f"other tests of the file ran first ({passed} passed, {seconds:.1f} s), with their side effects: "
        'suspects="off" forbids it'
    )


def _test_files(folder: Path, selection: Selection) -> list[Path]:
    """Return the files of the selected tests, as far as the command shows them, with the conftests around them."""
    found: dict[Path, None] = {}
    for word in selection.files():
        path = folder / word
        if selection.runner == "unittest" and not path.is_file():
            parts = word.split(".")
            modules = [folder.joinpath(*parts[:count]).with_suffix(".py") for count in range(len(parts), 0, -1)]
            path = next((module for module in modules if module.is_file()), path)
        if path.is_file():
            found[path] = None
            found |= dict.fromkeys(parent / "conftest.py" for parent in path.parents if parent.is_relative_to(folder))
    return list(found)


def _derived(config: ProjectConfig, request: RunRequest, selection: Selection) -> RunRequest:
    capture = CaptureConfig(mode="full", locals_on_exception=False, failed_test_lines=False)
    command = list(request.command)
    if selection.runner == "unittest":
        script = str(inject_folder().parent.joinpath(*_SCRIPT))
        command = [*selection.before[:-2], script, *selection.arguments]
    return replace(request, command=command, stdin=None, capture=capture, further_lines=(), label=None)


def _environment(request: RunRequest, selection: Selection, spool: Path) -> dict[str, str]:
    variables: Mapping[str, str] = os.environ
    environment = child_environment(request, spool, variables)
    if selection.runner == "pytest":
        plugins = environment.get("PYTEST_PLUGINS", "")
        environment["PYTEST_PLUGINS"] = ",".join(part for part in (plugins, _PLUGIN) if part)
    environment["COVERAGE_FILE"] = str(spool / "coverage")  # that of the project stays as it is
    return environment


async def _run(
    home: Home, config: ProjectConfig, request: RunRequest, selection: Selection
) -> tuple[list[PassedTest], str]:
    """Run the first pass; return the tests that passed, and how it failed or was ended ("" if it was not)."""
    derived = _derived(config, request, selection)
    trace_id, spool = make_spool(home.spool_folder(config.project))
    try:
        write_tracer_config(spool, trace_id, config, derived, only_lines=True)
        redactor = make_redactor(config, derived)
        seconds = min(MAX_SECONDS, request.timeout_seconds * PART_OF_TIMEOUT)
        command: TracedCommand | None = None
        with anyio.CancelScope(shield=True):  # short: a started process must be known
            command = await launch(derived, _environment(derived, selection, spool), spool, redactor)
        assert command is not None  # a type checker takes a cancel scope for one that may swallow an error
        problem = await _follow(command, spool, seconds)
        tests = await anyio.to_thread.run_sync(read_passed_tests, spool)
        return tests, problem
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(shutil.rmtree, spool, ignore_errors=True))


async def _follow(command: TracedCommand, spool: Path, seconds: float) -> str:
    """Wait for the end of the command, and end it with all its processes when its time is over; say what went wrong."""
    has_ended = False
    try:
        async with anyio.create_task_group() as pump:
            pump.start_soon(command.pump, None)
            with anyio.move_on_after(seconds):
                await command.process.wait()
                has_ended = True
            if not has_ended:
                process_group.send_to_group(command.pid, signal.SIGINT)
                with anyio.move_on_after(GRACE_SECONDS):
                    await command.process.wait()
            pump.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(command, spool)
    code = command.process.returncode
    if not has_ended:
        return f"took longer than {seconds:.0f} s and were ended"
    if code is None or code in _EXPECTED_CODES:
        return ""
    return f"ended with {f'exit code {code}' if code >= 0 else process_group.signal_name(-code)}{_last_line(command)}"


async def _end(command: TracedCommand, spool: Path) -> None:
    process_group.send_to_group(command.pid, signal.SIGKILL)
    command.process.kill_descendants()
    await kill_all(partial(process_group.members, command.pid, spool, reaper=command.process.reaper_pid))
    await command.process.wait()
    await command.aclose()


def _last_line(command: TracedCommand) -> str:
    for capture in (command.stderr, command.stdout):
        lines = capture.text(command.redactor).strip().splitlines()
        if lines:
            return f" ({one_line(lines[-1].strip(), 120)})"
    return ""
