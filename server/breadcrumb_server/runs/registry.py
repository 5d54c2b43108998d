"""Start, supervise and end the runs of this server.

A run belongs to the server process, not to the call that started it: it goes on after the call has answered. It ends
at the latest with the server. When stdin closes, a signal comes or the call is cancelled, the command and all
processes it started are ended, and the trace is still finished. A broken HTTP connection ends nothing: it is noted in
the trace, and told with the next answer about the project.
"""

import json
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.abc
import anyio.to_thread

from breadcrumb.record_format import NOTICE_CLIENT_GONE, NOTICE_SERVER_ERROR, NOTICE_STOPPED
from breadcrumb_server.failures import as_breadcrumb_error
from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.earlier_runs import find_earlier_runs, program_of
from breadcrumb_server.runs.ending import end_leftovers, kill_all, stop_command, wait_for_ending
from breadcrumb_server.runs.first_pass.passes import Neighbours, find_neighbours
from breadcrumb_server.runs.launcher import (
    TracedCommand,
    child_environment,
    given_to_command,
    inject_folder,
    launch,
    make_redactor,
    make_spool,
    redacted_cwd,
    write_tracer_config,
)
from breadcrumb_server.runs.look_request import request_look
from breadcrumb_server.runs.not_traced import not_traced_reason
from breadcrumb_server.runs.process_watch import ProcessWatch
from breadcrumb_server.runs.recording import remove_spool
from breadcrumb_server.runs.request import RunRequest
from breadcrumb_server.runs.run import BY_SHUTDOWN, BY_STOP_RUN, CLIENT_GONE, START_LOCK_SECONDS, Run
from breadcrumb_server.runs.stack_request import ANSWER_SECONDS, SHUTDOWN_ANSWER_SECONDS
from breadcrumb_server.runs.state import RUNNING, RunState
from breadcrumb_server.runs.stop_mark import is_being_stopped
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError, DatabaseBusy, DatabaseFailed
from breadcrumb_storage.ingest.neighbours import write_neighbours
from breadcrumb_storage.regular_file import is_folder

logger = logging.getLogger(__name__)

# Between SIGTERM and SIGKILL: time for a program to clean up.
STOP_GRACE_SECONDS = 3.0
# The same while the server itself ends: clients kill a server two seconds after they close its stdin.
SHUTDOWN_GRACE_SECONDS = 0.4
# Ingest happens while the program runs, so that the spool stays small and queries see the run.
# The pause grows from the first to the longest while no new calls arrive.
FIRST_INGEST_SECONDS = 2.0
LONGEST_INGEST_SECONDS = 15.0
# Progress notifications keep clients from timing out: they reset their idle timers.
PROGRESS_SECONDS = 1.0
# Runs whose clients left and heard nothing of them since; older ones are in the list of traces like any other.
MAX_UNHEARD = 20

ReportProgress = Callable[[float, str], Awaitable[None]]
WatchRun = Callable[[Run], None]


def _watch_nothing(run: Run) -> None:
    pass


class RunRegistry:
    """The runs of this server that have not finished. Leaving its async context ends them.

    Args:
        home: The folder with the projects.
        watch: Called in the event loop when a run has started, when more of it has been ingested, and when its trace is
            finished; it must not wait.

    Attributes:
        not_stored: How runs ended whose end could not be stored yet, by trace id; `recover_runs` tries again.
    """

    def __init__(self, home: Home, watch: WatchRun = _watch_nothing) -> None:
        self._home = home
        self._watch = watch
        self._runs: dict[str, Run] = {}
        self.not_stored: dict[str, RunState] = {}
        self._unheard: deque[Run] = deque(maxlen=MAX_UNHEARD)
        self._first_passes: set[anyio.CancelScope] = set()
        self._starting: set[anyio.Event] = set()  # one for each launch in progress, set at its end
        self._stack = AsyncExitStack()
        self._tasks: anyio.abc.TaskGroup | None = None
        self._stop_grace = STOP_GRACE_SECONDS
        self._answer_time = ANSWER_SECONDS
        self._is_ending = False

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self.request_shutdown()
        # This waits for the supervisors, which are shielded: a cancelled server still ends its runs properly.
        is_handled = await self._stack.__aexit__(kind, error, traceback)
        for trace_id, state in self.not_stored.items():  # for the next server
            spool = self._home.spool_folder(state.project) / trace_id
            if is_folder(spool):
                state.try_to_save(spool)
        return is_handled

    def request_shutdown(self) -> None:
        """Ask every run to end soon, without waiting."""
        self._is_ending = True
        self._stop_grace = SHUTDOWN_GRACE_SECONDS
        self._answer_time = SHUTDOWN_ANSWER_SECONDS
        self.end_first_passes()
        for run in self._runs.values():
            run.request_stop(BY_SHUTDOWN)

    async def shutdown(self) -> None:
        """End every run and wait until their traces are finished."""
        self.request_shutdown()
        for started in list(self._starting):
            await started.wait()
        for run in list(self._runs.values()):
            await run.finished.wait()

    def __contains__(self, trace_id: object) -> bool:
        """Return whether a run is unfinished: running or being stored. Safe in any thread."""
        return trace_id in self._runs

    def find(self, trace_id: str) -> Run | None:
        """Return the unfinished run with this full trace id, or None."""
        return self._runs.get(trace_id)

    def of_project(self, project: str) -> list[Run]:
        """Return the unfinished runs of a project."""
        return [run for run in self._runs.values() if run.state.project == project]

    async def find_neighbours(self, config: ProjectConfig, request: RunRequest, report: ReportProgress) -> Neighbours:
        """Find the passing tests beside those that a command selects, which may run them: a first pass.

        Where the command runs no tests, find earlier runs of its program that ended well.

        Cancelling the call ends it, and so does the end of the server.

        Args:
            config: The settings of the project.
            request: The checked command.
            report: Called every PROGRESS_SECONDS with the elapsed seconds and a message.
        """
        found = Neighbours()
        started = time.monotonic()
        with anyio.CancelScope() as scope:
            self._first_passes.add(scope)
            if self._is_ending:
                scope.cancel()
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_report_first_pass, started, report)
                    find = find_earlier_runs if program_of(request.command) else find_neighbours
                    found = await find(self._home, config, request)
                    tasks.cancel_scope.cancel()
            finally:
                self._first_passes.remove(scope)
        return found

    def end_first_passes(self) -> None:
        """Ask every first pass to end soon, without waiting."""
        for scope in self._first_passes:
            scope.cancel()

    async def start(self, config: ProjectConfig, request: RunRequest, neighbours: Neighbours | None = None) -> Run:
        """Start a command and supervise it until its end.

        Args:
            config: The settings of its project.
            request: The checked command.
            neighbours: The passing tests that its failed tests are compared with, besides its own, or earlier runs.

        Raises:
            BreadcrumbError: The database cannot be used, or the command cannot be started. Nothing runs then.
        """
        if self._tasks is None:
            raise RuntimeError("the registry has not been entered")
        # A cancelled call must not leave a half-started run; the shielded part is short.
        run: Run | None = None
        started = anyio.Event()
        self._starting.add(started)
        try:
            with anyio.CancelScope(shield=True):
                run = await self._launch(config, request, neighbours or Neighbours())
                self._runs[run.state.trace_id] = run
                self._tasks.start_soon(self._supervise, run, request)
                self._watch(run)
                if self._is_ending:
                    run.request_stop(BY_SHUTDOWN)
        finally:
            self._starting.remove(started)
            started.set()
        assert run is not None  # mypy takes a cancel scope for one that may swallow an error
        return run

    def note_client_gone(self, run: Run) -> None:
        """Note that the connection of the call that started a run broke: in its trace, and for `tell_unheard`."""
        if run.state.status == RUNNING:
            run.state.add_notice(NOTICE_CLIENT_GONE, CLIENT_GONE)
        self._unheard.append(run)

    def tell_unheard(self, project: str, shown: str | None = None) -> list[str]:
        """Return a note, once, for each run of a project whose client left.

        Args:
            project: Name of the project.
            shown: The trace id of the report that the notes are for: once ended, it says so by itself.
        """
        notes = [
            f"{run.state.trace_id} ({run.state.status}): the connection of the call that started it broke, and it went "
            f'on: wait_for_run(project="{project}", trace_id="{run.state.trace_id}", wait_seconds=45) follows it'
            for run in self._unheard
            if run.state.project == project and (run.state.trace_id != shown or run.state.status == RUNNING)
        ]
        self._unheard = deque((run for run in self._unheard if run.state.project != project), maxlen=MAX_UNHEARD)
        return notes

    async def wait(self, run: Run, seconds: float, report: ReportProgress) -> bool:
        """Wait for the end of a run, reporting its progress.

        Args:
            run: The run to wait for.
            seconds: Maximum time to wait.
            report: Called every PROGRESS_SECONDS with the elapsed seconds and a message.

        Returns:
            Whether the run has ended.

        Raises:
            BreadcrumbError: The run has ended, but its trace could not be finished.
        """
        with anyio.move_on_after(seconds):
            while not run.finished.is_set():
                with anyio.move_on_after(PROGRESS_SECONDS):
                    await run.finished.wait()
                    break
                elapsed = time.monotonic() - run.started_at
                await report(elapsed, run.progress(elapsed))
        if run.failure is not None:
            raise run.failure
        return run.finished.is_set()

    async def _launch(self, config: ProjectConfig, request: RunRequest, neighbours: Neighbours) -> Run:
        database = Database(config.database_file(self._home))
        # A damaged or too new database must be found now, not after the program has run.
        await anyio.to_thread.run_sync(_check_database, database.path)
        trace_id, spool = make_spool(self._home.spool_folder(config.project))
        command: TracedCommand | None = None
        try:
            of_program = bool(program_of(request.command))
            passed_lines = {} if of_program else neighbours.lines()
            write_tracer_config(spool, trace_id, config, request, program_lines=of_program, passed_lines=passed_lines)
            if neighbours.tests:
                await anyio.to_thread.run_sync(write_neighbours, spool, neighbours.tests)
            redactor = make_redactor(config, request)
            environment = child_environment(request, spool if config.enabled else None, os.environ)
            off = "" if config.enabled else config.project
            explain = partial(not_traced_reason, request.command, request.cwd, environment, switched_off=off)
            shown = config.model_copy(update={"capture": request.capture})
            state = RunState(
                project=config.project,
                trace_id=trace_id,
                command=redactor.redact_command(request.command),
                label=redactor.redact_text(request.label) if request.label else None,
                cwd=redacted_cwd(request, redactor),
                timeout_seconds=request.timeout_seconds,
                config=json.dumps(
                    {
                        **shown.model_dump(include={"workspace", "include", "exclude", "capture"}),
                        **given_to_command(request, redactor),
                    }
                ),
                not_traced_reason=redactor.redact_text(explain()),
                max_traces=config.retention.max_traces,
                max_db_mb=config.retention.max_db_mb,
                redact=list(config.redact),
            )
            state.save(spool)
            command = await launch(request, environment, spool, redactor)
            state.child_pid = command.pid
            state.child_started = process_group.identity(command.pid)
            state.note_reaper(command.process.reaper_pid)
            state.try_to_save(spool)  # the command runs, and may have removed the folder already
        except BaseException:
            if command is not None:
                process_group.send_to_group(command.pid, signal.SIGKILL)
                await command.aclose()
            remove_spool(spool)
            raise
        watch = ProcessWatch(command.pid, inject_folder(), command.process.reaper_pid) if config.enabled else None
        run = Run(state, spool, database, command, watch, explain)
        run.note = neighbours.note
        try:
            await anyio.to_thread.run_sync(run.record_start)
        except Exception as error:  # the command runs; a later ingest writes the row
            logger.warning("The start of %s is not in the database yet: %s", trace_id, error)
        return run

    async def _supervise(self, run: Run, request: RunRequest) -> None:
        with anyio.CancelScope(shield=True):
            try:
                try:
                    await self._follow(run, request)
                except Exception:
                    logger.exception("Run %s could not be followed to its end", run.state.trace_id)
                    await _abandon(run)
                run.state.try_to_save(run.spool)  # from here on another server can finish the run
                await anyio.to_thread.run_sync(run.record_end)
            except Exception as error:
                if not isinstance(error, BreadcrumbError):
                    logger.exception("The end of run %s could not be stored", run.state.trace_id)
                self.not_stored[run.state.trace_id] = run.state  # its file may not be writable either
                run.failure = BreadcrumbError(
                    f"The command of {run.state.trace_id} has ended ({run.state.status}), "
                    f"but its trace could not be stored yet.",
                    why=str(as_breadcrumb_error(error, "Storing it")),
                    hint="Nothing is lost: the next call about this project tries again.",
                )
            finally:
                if run.watch is not None:
                    run.watch.stop()
                del self._runs[run.state.trace_id]
                run.finished.set()
                self._watch(run)

    async def _follow(self, run: Run, request: RunRequest) -> None:
        """Follow a command to its end and write its ending into ``run.state``."""
        ending: str = "stopped"
        duration = 0.0
        async with anyio.create_task_group() as background:
            background.start_soon(run.command.pump, request.stdin)
            background.start_soon(self._ingest_regularly, run)
            ending = await wait_for_ending(run, request.timeout_seconds)
            if ending != "ended":
                await stop_command(run, self._stop_grace, self._answer_time)
            duration = time.monotonic() - run.started_at
            await end_leftovers(run, self._stop_grace, announce=ending == "ended")
            background.cancel_scope.cancel()
        await self._note_end(run, ending, duration)

    async def _ingest_regularly(self, run: Run) -> None:
        pause = FIRST_INGEST_SECONDS
        seen = run.extent()
        while True:
            await anyio.sleep(pause)
            try:
                calls = await anyio.to_thread.run_sync(run.ingest)
            except BreadcrumbError as error:  # a busy database: retried after the pause
                logger.warning("%s was not ingested: %s", run.state.trace_id, error.what)
                calls = 0
            except Exception:  # the command is not to end because of what we cannot read
                logger.exception("%s was not ingested", run.state.trace_id)
                calls = 0
            if run.extent() != seen:  # also what was ingested for an answer meanwhile
                seen = run.extent()
                self._watch(run)
            await anyio.to_thread.run_sync(request_look, run.state, run.spool)
            pause = FIRST_INGEST_SECONDS if calls else min(pause * 1.5, LONGEST_INGEST_SECONDS)

    async def _note_end(self, run: Run, ending: str, duration: float) -> None:
        """Write into ``run.state`` how the command ended and what it printed."""
        command, state = run.command, run.state
        code = await command.process.wait()
        await command.aclose()
        if command.secrets.notice is not None:
            state.add_notice(*command.secrets.notice)
        if run.watch is not None and run.watch.others:
            state.not_traced_reason = command.redactor.redact_text(run.explain(seen=run.watch.others))
        state.stdout_tail = command.stdout.text(command.redactor)
        state.stderr_tail = command.stderr.text(command.redactor)
        state.stdout_bytes, state.stderr_bytes = command.stdout.total_bytes, command.stderr.total_bytes
        if ending == "ended":
            ending = "crashed" if code < 0 else "failed" if code else "completed"
            if is_being_stopped(run.spool):
                ending = "stopped"
                run.stopped_by = BY_STOP_RUN
        if ending == "stopped":
            state.add_notice(NOTICE_STOPPED, run.stopped_by)
        state.finish(
            ending,
            exit_code=code if code >= 0 else None,
            signal=process_group.signal_name(-code) if code < 0 else None,
            duration_seconds=duration,
        )


async def _report_first_pass(started: float, report: ReportProgress) -> None:
    while True:
        await anyio.sleep(PROGRESS_SECONDS)
        await report(time.monotonic() - started, "running other tests of the file first, to compare their lines")


async def _abandon(run: Run) -> None:
    """Kill all processes after an internal error, and note in ``run.state`` that this was the end."""
    await kill_all(partial(run.state.living_processes, run.spool))
    if run.state.status == RUNNING:
        run.state.add_notice(
            NOTICE_SERVER_ERROR, "The server lost track of this command and ended it; its log says why."
        )
        run.state.finish("stopped")


def _check_database(file: Path) -> None:
    with suppress(DatabaseBusy, DatabaseFailed), Database(file, lock_timeout_seconds=START_LOCK_SECONDS).write():
        pass
