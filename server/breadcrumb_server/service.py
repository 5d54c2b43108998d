"""Offer runs and queries of traces to any front end."""

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from breadcrumb_server.answers.report.answer import RunReport, build_report
from breadcrumb_server.projects.config import ProjectConfig, load_config
from breadcrumb_server.projects.home import Home
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.deletion import Choice, TracesDeleted, delete_traces
from breadcrumb_server.runs.ending import POLL_SECONDS, kill_all
from breadcrumb_server.runs.project_deletion import delete_project
from breadcrumb_server.runs.recovery import recover_runs
from breadcrumb_server.runs.registry import STOP_GRACE_SECONDS, ReportProgress, RunRegistry
from breadcrumb_server.runs.request import RunRequest, check_wait
from breadcrumb_server.runs.run import BY_CANCELLED_CALL, BY_STOP_RUN, Run
from breadcrumb_server.runs.stack_request import ANSWER_SECONDS, release, request_stacks
from breadcrumb_server.runs.state import RUNNING, STOP_MARK, RunState, load_state
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.traces import get_trace
from breadcrumb_storage.trace_rows import resolve_trace_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

A = TypeVar("A")

# Pause between two looks at a run of another server.
FOREIGN_POLL_SECONDS = 1.0
# For another server to ingest the rest of its run after the processes have ended.
FOREIGN_FINISH_SECONDS = 30.0


class Service:
    """The operations of one server, without MCP. Errors that a caller can act on are ``BreadcrumbError``."""

    def __init__(self, home: Home, runs: RunRegistry) -> None:
        self.home = home
        self.runs = runs

    async def config(self, project: str) -> ProjectConfig:
        """Load the settings of a project.

        Raises:
            BreadcrumbError: The project is unknown or its file is broken.
        """
        return (await anyio.to_thread.run_sync(load_config, self.home, project)).config

    async def ask(self, project: str, build: "Callable[[DuckDBPyConnection], A]") -> A:
        """Ingest what the project's runs have recorded so far, then query its database.

        Args:
            project: Name of the project.
            build: Makes the answer; called in a worker thread. Cancelling the call interrupts its query.

        Raises:
            BreadcrumbError: The project is unknown, the database is busy, or ``build`` refuses.
        """
        config = await self.config(project)
        await self._ingest(config)
        return await _read(Database(config.database_file(self.home)), build)

    async def report(self, project: str, trace_id: str | None) -> RunReport:
        """Return the report of a run; None means the newest."""
        config = await self.config(project)
        await self._ingest(config)
        running = {run.state.trace_id: run.output() for run in self.runs.of_project(project)}
        return await _read(
            Database(config.database_file(self.home)),
            lambda con: build_report(con, project, trace_id=trace_id, running=running),
        )

    async def run(
        self, config: ProjectConfig, request: RunRequest, wait_seconds: float, report: ReportProgress
    ) -> RunReport:
        """Start a command and return its report when it has ended or ``wait_seconds`` are over.

        Cancelling the call stops the command, because nobody would know its trace id.

        Args:
            config: The settings of the project.
            request: The checked command.
            wait_seconds: Maximum time to wait; 0 returns at once.
            report: Called with the elapsed seconds and a message while waiting.

        Raises:
            BreadcrumbError: The command cannot be started, or its trace cannot be stored or read.
        """
        check_wait(wait_seconds)
        run = await self.runs.start(config, request)
        try:
            await self.runs.wait(run, wait_seconds, report)
            return await self.report(config.project, run.state.trace_id)
        except anyio.get_cancelled_exc_class():
            run.request_stop(BY_CANCELLED_CALL)
            raise
        except BreadcrumbError as error:  # the caller needs the trace id to ask again
            again = f'Ask again: get_trace(project="{config.project}", trace_id="{run.state.trace_id}").'
            raise BreadcrumbError(error.what, why=error.why, hint=f"{error.hint} {again}".strip()) from error

    async def wait_for_run(self, project: str, trace_id: str, wait_seconds: float, report: ReportProgress) -> RunReport:
        """Wait up to ``wait_seconds`` for the end of a run, of this or another server, and return its report."""
        check_wait(wait_seconds)
        trace_id = await self._resolve(project, trace_id)
        if run := self.runs.find(trace_id):
            await self.runs.wait(run, wait_seconds, report)
        else:
            await self._wait_for_foreign(project, trace_id, wait_seconds, report)
        return await self.report(project, trace_id)

    async def stop_run(self, project: str, trace_id: str, report: ReportProgress) -> RunReport:
        """End a run with all its processes, and return its report."""
        trace_id = await self._resolve(project, trace_id)
        if run := self.runs.find(trace_id):
            await self._stop_own(run, report)
        elif await self._status(project, trace_id) == RUNNING:
            await self._stop_foreign(project, trace_id, report)
        else:
            ended = await self.report(project, trace_id)
            ended.notes.append("the run had already ended: nothing to stop")
            return ended
        return await self.report(project, trace_id)

    async def delete_traces(self, project: str, choice: Choice) -> TracesDeleted:
        """Delete recorded runs. It takes seconds at most and cannot be cancelled once begun."""
        config = await self.config(project)
        await self._ingest(config)
        database, spools = Database(config.database_file(self.home)), self.home.spool_folder(project)
        return await anyio.to_thread.run_sync(delete_traces, database, spools, project, choice)

    async def delete_project(self, project: str) -> TracesDeleted:
        """Delete a project with its recorded runs and settings. It cannot be cancelled once begun."""
        with suppress(BreadcrumbError):  # settings that cannot be read are no reason to keep the project
            await self._ingest(await self.config(project))  # finishes the runs of servers that died
        return await anyio.to_thread.run_sync(delete_project, self.home, project)

    async def _stop_own(self, run: Run, report: ReportProgress) -> None:
        run.request_stop(BY_STOP_RUN)
        while not await self.runs.wait(run, FOREIGN_FINISH_SECONDS, report):
            continue

    async def _stop_foreign(self, project: str, trace_id: str, report: ReportProgress) -> None:
        """End the processes of another server's run, whose server then finishes the trace."""
        spool = self.home.spool_folder(project) / trace_id
        state = await anyio.to_thread.run_sync(load_state, spool)
        if state is None:  # it has just ended
            return
        (spool / STOP_MARK).touch(0o600)
        await _end_processes(state, spool)
        await self._wait_for_foreign(project, trace_id, FOREIGN_FINISH_SECONDS, report)

    async def _wait_for_foreign(self, project: str, trace_id: str, seconds: float, report: ReportProgress) -> None:
        started = anyio.current_time()
        with anyio.move_on_after(seconds):
            while await self._status(project, trace_id) == RUNNING:
                await anyio.sleep(FOREIGN_POLL_SECONDS)
                elapsed = anyio.current_time() - started
                await report(elapsed, f"waiting for {trace_id}, which belongs to another server")

    async def _resolve(self, project: str, trace_id: str) -> str:
        return await self.ask(project, lambda con: resolve_trace_id(con, trace_id, project))

    async def _status(self, project: str, trace_id: str) -> str:
        return await self.ask(project, lambda con: get_trace(con, trace_id).status)

    async def _ingest(self, config: ProjectConfig) -> None:
        """Ingest what this server's runs have recorded, and finish the runs of servers that died."""
        spools = self.home.spool_folder(config.project)
        own = self.runs.of_project(config.project)
        for run in own:
            await anyio.to_thread.run_sync(run.ingest)
        own_ids = {run.state.trace_id for run in own}
        if await anyio.to_thread.run_sync(_has_other_spools, spools, own_ids):
            database = Database(config.database_file(self.home))
            await anyio.to_thread.run_sync(recover_runs, spools, database, self.runs)


async def _read(database: Database, build: "Callable[[DuckDBPyConnection], A]") -> A:
    """Call ``build`` in a worker thread; cancelling interrupts its query."""
    connections: list[DuckDBPyConnection] = []
    cancelled = False

    def work() -> A:
        with database.read() as con:
            connections.append(con)
            if cancelled:
                raise BreadcrumbError("The question was cancelled.")
            return build(con)

    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        cancelled = True
        for con in connections:
            con.interrupt()
        raise


async def _end_processes(state: RunState, spool: Path) -> None:
    try:
        await anyio.to_thread.run_sync(request_stacks, state, spool, ANSWER_SECONDS)
        if state.child_is_alive() and state.child_pid is not None:
            process_group.send_to_group(state.child_pid, signal.SIGTERM)
    finally:
        release(spool)
    with anyio.move_on_after(STOP_GRACE_SECONDS):
        # The kernel sends no event at the end of a process that is not our child.
        while state.child_is_alive():  # noqa: ASYNC110
            await anyio.sleep(POLL_SECONDS)
    await kill_all(state, spool)


def _has_other_spools(spools: Path, own_ids: set[str]) -> bool:
    try:
        return any(entry.name not in own_ids for entry in spools.iterdir())
    except FileNotFoundError:
        return False
