"""Offer runs and queries of traces to any front end."""

import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import anyio
import anyio.to_thread

from breadcrumb_server.answers.common.budget import with_notes
from breadcrumb_server.answers.common.model import Answer
from breadcrumb_server.answers.common.text import first_of, one_line
from breadcrumb_server.answers.report.answer import RunReport, build_report
from breadcrumb_server.answers.report.known import known_report
from breadcrumb_server.answers.report.probed import report_after_run
from breadcrumb_server.answers.sql import SqlSource
from breadcrumb_server.failures import as_breadcrumb_error, is_defect, traceback_text
from breadcrumb_server.programs.storing import is_recorded_by_program, store_programs
from breadcrumb_server.projects.config import ProjectConfig, load_config
from breadcrumb_server.projects.home import Home
from breadcrumb_server.projects.wanted_lines import want_lines, wanted_lines
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.deletion import Choice, TracesDeleted, delete_traces
from breadcrumb_server.runs.ending import POLL_SECONDS, end_by_signals, kill_all
from breadcrumb_server.runs.launcher import check_allowed
from breadcrumb_server.runs.project_deletion import delete_project
from breadcrumb_server.runs.recovery import living_processes, lost_runs, recover_runs, stop_lost_runs
from breadcrumb_server.runs.registry import STOP_GRACE_SECONDS, ReportProgress, RunRegistry
from breadcrumb_server.runs.request import RunRequest, check_wait
from breadcrumb_server.runs.run import BY_CANCELLED_CALL, BY_STOP_RUN, Run
from breadcrumb_server.runs.stack_request import ANSWER_SECONDS, release, request_stacks
from breadcrumb_server.runs.state import RUNNING, RunState, load_state
from breadcrumb_server.runs.stop_mark import stopping
from breadcrumb_server.runs.waiting_client import WaitingClient
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError, DatabaseBusy, DatabaseUnusable
from breadcrumb_storage.queries.traces import find_trace_ids, get_trace
from breadcrumb_storage.sql_access.query_process import MAX_PROCESSES, QueryProcesses, Ticket
from breadcrumb_storage.sql_access.read_only_sql import SqlResult
from breadcrumb_storage.trace_rows import LATEST, RunningTrace, resolve_trace_id, running_traces

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

logger = logging.getLogger(__name__)

A = TypeVar("A")
N = TypeVar("N", bound=Answer)

# Pause between two looks at a run of another server.
FOREIGN_POLL_SECONDS = 1.0
# For another server to ingest the rest of its run after the processes have ended.
FOREIGN_FINISH_SECONDS = 30.0
# To wait for the database when ingest has just waited for it in vain.
LOCKED_SECONDS = 2.0
STILL_RUNNING = (
    "its processes have ended, but its server has not stored its end yet; if that server died and left no state that "
    "can be read, the next call after a minute ends it as stopped"
)
# Notes on runs that could not be read to their end, and characters of each.
MAX_NOTES = 3
# Functions without recorded lines that a note names.
_NAMED = 2
MAX_NOTE_CHARS = 400


class Service:
    """The operations of one server, without MCP. Errors that a caller can act on are ``BreadcrumbError``."""

    def __init__(self, home: Home, runs: RunRegistry, queries: QueryProcesses) -> None:
        self.home = home
        self.runs = runs
        self._queries = queries
        # The others wait in the event loop: each would keep a thread from other questions.
        self._query_turns = anyio.CapacityLimiter(MAX_PROCESSES)

    async def config(self, project: str) -> ProjectConfig:
        """Load the settings of a project.

        Raises:
            BreadcrumbError: The project is unknown or its file is broken.
        """
        return (await anyio.to_thread.run_sync(load_config, self.home, project)).config

    async def config_for_run(self, project: str, folder: str | None) -> tuple[ProjectConfig, str]:
        """Load the settings of a project; make it, as its folder's first project, if there is none.

        Args:
            project: Name of the project.
            folder: The working folder of the run; None if it was not given.

        Returns:
            The settings, and a sentence about the new project, which is "" if it existed.

        Raises:
            BreadcrumbError: The project is unknown and cannot be made, or its file is broken.
        """
        from breadcrumb_server.projects.manage import config_for_run  # imports what only makes projects

        return await anyio.to_thread.run_sync(config_for_run, self.home, project, folder)

    async def ask(self, project: str, build: "Callable[[DuckDBPyConnection], A]") -> A:
        """Ingest what the project's runs have recorded so far, then query its database.

        Args:
            project: Name of the project.
            build: Makes the answer; called in a worker thread. Cancelling the call interrupts its query.

        Raises:
            BreadcrumbError: The project is unknown, the database is busy, or ``build`` refuses.
        """
        config = await self.config(project)
        return await self._answer(config, await self._ingest(config), build)

    async def _answer(
        self,
        config: ProjectConfig,
        missing: Sequence[str],
        build: "Callable[[DuckDBPyConnection], A]",
        *,
        is_heard: bool = True,
    ) -> A:
        """Query a project's database, with notes on what is missing in it and on runs that lost their clients."""
        database = self._database(config, missing)
        answer = await self._query(database, self.home.spool_folder(config.project), build)
        if not isinstance(answer, Answer):
            return answer
        return self._with_notes(config, answer, missing, is_heard=is_heard)

    def _database(self, config: ProjectConfig, missing: Sequence[str]) -> Database:
        """Return a project's database, with less patience for its lock if ingest has just waited in vain."""
        database = Database(config.database_file(self.home))
        if missing:  # a database that another program reads can still be read; one that it writes was waited for
            database.lock_timeout_seconds = LOCKED_SECONDS
        return database

    def _with_notes(self, config: ProjectConfig, answer: N, missing: Sequence[str], *, is_heard: bool = True) -> N:
        shown = answer.trace_id if isinstance(answer, RunReport) else None
        unheard = self.runs.tell_unheard(config.project, shown) if is_heard else []
        return with_notes(answer, [*missing, *unheard])

    async def query(self, project: str, build: Callable[[SqlSource], N]) -> N:
        """Ingest what the project's runs have recorded so far, then run SQL of the caller on its database.

        Args:
            project: Name of the project.
            build: Makes the answer from what it asks; called in a worker thread. Cancelling the call ends its query.

        Raises:
            BreadcrumbError: The project is unknown, the database is busy, or the statement is refused.
        """
        config = await self.config(project)
        missing = await self._ingest(config)
        database = self._database(config, missing)
        running: list[RunningTrace] = []

        def ask(sql: str, limit: int, ticket: Ticket) -> SqlResult:
            reply = self._queries.ask(database, sql, limit, ticket)
            running[:] = reply.running
            return reply.result

        answer = await self._in_turn(build, ask)
        spools = self.home.spool_folder(config.project)
        if running and (lost := await anyio.to_thread.run_sync(self._lost, database, spools, running)):
            await self._end_lost(database, lost)
            answer = await self._in_turn(build, ask)
        return self._with_notes(config, answer, missing)

    async def _in_turn(self, build: Callable[[SqlSource], N], ask: Callable[[str, int, Ticket], SqlResult]) -> N:
        """Call ``build`` in a worker thread when it is its turn; cancelling ends the query that it has asked for."""
        ticket = Ticket()

        def work() -> N:
            return build(lambda sql, limit: ask(sql, limit, ticket))

        try:
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._query_turns)
        except anyio.get_cancelled_exc_class():
            ticket.cancel()
            raise

    async def report(
        self,
        project: str,
        trace_id: str | None,
        client: WaitingClient | None = None,
        *,
        build: Callable[..., RunReport] = build_report,
    ) -> RunReport:
        """Return the report of a run; None means the newest. A client that is gone hears of nothing else."""
        config = await self.config(project)
        missing = await self._ingest(config)
        running = {run.state.trace_id: run.output() for run in self.runs.of_project(project)}
        return await self._answer(
            config,
            missing,
            lambda con: build(con, project, trace_id=trace_id, running=running, redact=config.redact),
            is_heard=client is None or not client.is_gone,
        )

    async def ask_for_lines(self, project: str, build: "Callable[[DuckDBPyConnection], tuple[N, Sequence[str]]]") -> N:
        """Answer from recorded lines, and let the next run record those of functions that have none.

        Args:
            project: Name of the project.
            build: Makes the answer, and names the functions whose lines were not recorded.

        Raises:
            BreadcrumbError: As for `ask`.
        """
        answer, without_lines = await self.ask(project, build)
        if not without_lines:
            return answer
        names = first_of([one_line(each.rpartition(":")[2], 60) for each in without_lines], _NAMED)
        note = f"lines of {names} were not recorded: the next run records them"
        try:
            await anyio.to_thread.run_sync(want_lines, self.home, project, without_lines)
        except BreadcrumbError as error:  # the question was about what is recorded, which can be read
            note = f"lines of {names} were not recorded, nor can the next run be told to: {error.what} {error.why}"
        return with_notes(answer, [note])

    async def run(
        self,
        config: ProjectConfig,
        request: RunRequest,
        wait_seconds: float,
        report: ReportProgress,
        client: WaitingClient | None = None,
    ) -> RunReport:
        """Start a command and return its report when it has ended or ``wait_seconds`` are over.

        Cancelling the call stops the command, because nobody would know its trace id. If it is cancelled since the
        connection of its client broke, the command goes on, and the next answer about the project says so.

        Args:
            config: The settings of the project.
            request: The checked command.
            wait_seconds: Maximum time to wait; 0 returns at once.
            report: Called with the elapsed seconds and a message while waiting.
            client: Who waits; None for a client that never leaves.

        Raises:
            BreadcrumbError: The command cannot be started.
        """
        check_wait(wait_seconds)
        check_allowed(request)  # before a first pass
        client = client or WaitingClient()
        remembered = await anyio.to_thread.run_sync(wanted_lines, self.home, config.project)
        called_at = anyio.current_time()
        neighbours = await self.runs.find_neighbours(config, request, report)
        left = max(wait_seconds - (anyio.current_time() - called_at), 0)
        run = await self.runs.start(config, replace(request, further_lines=tuple(remembered)), neighbours)
        client.when_gone(partial(self.runs.note_client_gone, run))
        try:
            return await self._report_after(run, self.runs.wait(run, left, report), client)
        except anyio.get_cancelled_exc_class():
            if client.wants_stop:
                run.request_stop(BY_CANCELLED_CALL)
            raise

    async def wait_for_run(self, project: str, trace_id: str, wait_seconds: float, report: ReportProgress) -> RunReport:
        """Wait up to ``wait_seconds`` for the end of a run, of this or another server, and return its report."""
        check_wait(wait_seconds)
        trace_id = await self.resolve(project, trace_id)
        if run := self.runs.find(trace_id):
            return await self._report_after(run, self.runs.wait(run, wait_seconds, report))
        await self._wait_for_foreign(project, trace_id, wait_seconds, report)
        return await self.report(project, trace_id, build=report_after_run)

    async def stop_run(self, project: str, trace_id: str, report: ReportProgress) -> RunReport:
        """End a run with all its processes, and return its report."""
        trace_id = await self.resolve(project, trace_id)
        if run := self.runs.find(trace_id):
            return await self._report_after(run, self._stop_own(run, report))
        was_running = await self._status(project, trace_id) == RUNNING
        if was_running:
            await self._stop_foreign(project, trace_id, report)
        ended = await self.report(project, trace_id)
        if not was_running:
            ended.notes.append("the run had already ended: nothing to stop")
        elif ended.status == RUNNING:
            ended.notes.append(STILL_RUNNING)
        return ended

    async def newest_projects(self) -> list[str]:
        """Return the names of all projects, those that ran or were changed last first."""
        return await anyio.to_thread.run_sync(self.home.newest_project_names)

    async def newest_traces(self, project: str, prefix: str, limit: int) -> tuple[list[str], int]:
        """Return the ids of a project's traces that begin with ``prefix``, the newest first, and their number.

        Unlike an answer it ingests nothing: a run is in the database from its start.
        """
        database = Database((await self.config(project)).database_file(self.home))
        database.lock_timeout_seconds = LOCKED_SECONDS
        return await _read(database, lambda con: find_trace_ids(con, prefix, limit))

    async def delete_traces(self, project: str, choice: Choice) -> TracesDeleted:
        """Delete recorded runs. It takes seconds at most and cannot be cancelled once begun."""
        config = await self.config(project)
        missing = await self._ingest(config)
        database, spools = Database(config.database_file(self.home)), self.home.spool_folder(project)
        await self._query(database, spools, running_traces)  # ends lost runs, which could not be deleted
        return with_notes(await anyio.to_thread.run_sync(delete_traces, database, spools, project, choice), missing)

    async def _query(self, database: Database, spools: Path, build: "Callable[[DuckDBPyConnection], A]") -> A:
        """Query a project's database; if it has lost runs, end them first."""

        def look_first(con: "DuckDBPyConnection") -> tuple[list[RunningTrace], A | None]:
            lost = self._lost(database, spools, running_traces(con))
            return lost, None if lost else build(con)

        lost, answer = await _read(database, look_first)
        if not lost:
            return cast("A", answer)
        await self._end_lost(database, lost)
        return await _read(database, build)

    def _lost(self, database: Database, spools: Path, running: Sequence[RunningTrace]) -> list[RunningTrace]:
        """Return those of the running traces that nothing can finish."""
        lost = lost_runs(running, spools, self.runs)
        return [run for run in lost if not is_recorded_by_program(database.path, run.trace_id)]

    async def _end_lost(self, database: Database, lost: Sequence[RunningTrace]) -> None:
        try:
            await anyio.to_thread.run_sync(stop_lost_runs, database, lost)
        except BreadcrumbError as error:  # they are shown as running; the next call tries again
            logger.warning("Lost runs were not ended: %s", error.what)

    async def _report_after(
        self, run: Run, awaited: Awaitable[object], client: WaitingClient | None = None
    ) -> RunReport:
        """Return the report of a run of this server: from the database, or else what the server itself knows of it."""
        try:
            await awaited
            answer = await self.report(run.state.project, run.state.trace_id, client, build=report_after_run)
            return with_notes(answer, [run.note] if run.note else [])
        except Exception as error:
            if is_defect(error):
                logger.error("The report of %s could not be made:\n%s", run.state.trace_id, traceback_text(error))
            return known_report(run.known(), as_breadcrumb_error(error, "The report"))

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
        if is_recorded_by_program((await self.config(project)).database_file(self.home), trace_id):
            raise BreadcrumbError(
                f"{trace_id} is not a run of Breadcrumb: the program traces itself, with breadcrumb.init().",
                hint="End the program where it was started. What it has recorded can be asked for now.",
            )
        state = await anyio.to_thread.run_sync(load_state, spool)
        if state is None:
            await self._end_without_state(project, trace_id, spool)
            if await anyio.to_thread.run_sync(spool.is_dir):  # it has just ended, or will in a minute
                return
        with stopping(spool):
            if state is not None:
                await _end_processes(state, spool)
            await self._wait_for_foreign(project, trace_id, FOREIGN_FINISH_SECONDS, report)

    async def _end_without_state(self, project: str, trace_id: str, spool: Path) -> None:
        """End the processes of a run whose spool folder or its state is gone, with what the database knows of them."""
        for run in await self.ask(project, running_traces):
            if run.trace_id == trace_id:
                await end_by_signals(partial(living_processes, run, spool), STOP_GRACE_SECONDS)

    async def _wait_for_foreign(self, project: str, trace_id: str, seconds: float, report: ReportProgress) -> None:
        started = anyio.current_time()
        with anyio.move_on_after(seconds):
            while await self._status(project, trace_id) == RUNNING:
                await anyio.sleep(FOREIGN_POLL_SECONDS)
                elapsed = anyio.current_time() - started
                await report(elapsed, f"waiting for {trace_id}, which belongs to another server")

    async def resolve(self, project: str, trace_id: str) -> str:
        """Return the whole id of the trace that a caller means.

        Raises:
            BreadcrumbError: The project is unknown, no trace matches, or several do.
        """
        if (run := self.runs.find(trace_id)) and run.state.project == project:  # whatever state its database is in
            return trace_id
        # A run whose row could not be written at its start, as on a full disk, is the newest all the same.
        unlisted = [run for run in self.runs.of_project(project) if not run.is_listed]
        if trace_id == LATEST and unlisted:
            return unlisted[-1].state.trace_id
        return await self.ask(project, lambda con: resolve_trace_id(con, trace_id, project))

    async def _status(self, project: str, trace_id: str) -> str:
        return await self.ask(project, lambda con: get_trace(con, trace_id).status)

    async def _ingest(self, config: ProjectConfig) -> list[str]:
        """Ingest what this server's runs have recorded, and finish the runs of servers that died.

        Returns:
            A note for each run of which something is missing in the database, since it could not be read or stored.
        """
        failures: dict[str, Exception] = {}
        usable = True
        for run in self.runs.of_project(config.project):
            try:
                await anyio.to_thread.run_sync(run.ingest)
            except Exception as error:
                failures[run.state.trace_id] = error
                usable = not isinstance(error, DatabaseBusy | DatabaseUnusable)
                if not usable:  # nor is it for the others
                    break
        database, spools = Database(config.database_file(self.home)), self.home.spool_folder(config.project)
        if usable:
            await anyio.to_thread.run_sync(self._finish_others, spools, database, failures, config.redact)
        for trace_id, failure in failures.items():
            if is_defect(failure):
                logger.error("%s was not ingested:\n%s", trace_id, traceback_text(failure))
        return missing_notes(failures)

    def _finish_others(
        self, spools: Path, database: Database, failures: dict[str, Exception], redact: Sequence[str]
    ) -> None:
        """Finish the runs of a project that no server follows any more. Blocking."""
        own_ids = {run.state.trace_id for run in self.runs.of_project(spools.name)}
        if _has_other_spools(spools, own_ids):
            recover_runs(spools, database, self.runs, failures, redact, self.runs.not_stored)
        failures.update(store_programs(database, live=True))


def missing_notes(failures: Mapping[str, Exception]) -> list[str]:
    """Return a note for each trace of which something could not be stored, by its error."""
    notes = [
        one_line(f"{trace_id}: what it recorded last is missing here: {_reason(error)}", MAX_NOTE_CHARS)
        for trace_id, error in list(failures.items())[:MAX_NOTES]
    ]
    left = len(failures) - len(notes)
    return notes + ([f"{left} more runs could not be read to their end"] if left else [])


def _reason(error: Exception) -> str:
    told = as_breadcrumb_error(error, "Reading it")
    return f"{told.what} {told.why}"


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
    await kill_all(partial(state.living_processes, spool))


def _has_other_spools(spools: Path, own_ids: set[str]) -> bool:
    try:
        # Beside each folder are files with its name and a suffix.
        return any(entry.name.partition(".")[0] not in own_ids for entry in spools.iterdir())
    except OSError:  # there is none, or it is no folder that can be read
        return False
