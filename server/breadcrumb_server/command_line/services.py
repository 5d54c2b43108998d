"""Call the services from the command line: each command opens them, asks once, and closes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from breadcrumb_server.command_line.proposals import as_project
from breadcrumb_server.projects.home import Home
from breadcrumb_storage.errors import BreadcrumbError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from breadcrumb_server.answers.common.model import Answer
    from breadcrumb_server.answers.sql import SqlSource
    from breadcrumb_server.service import Service

A = TypeVar("A")
N = TypeVar("N", bound="Answer")

_NO_SOURCE = "Which project? Give -c PROJECT, or --db-path FILE."


def with_services(work: Callable[[Service], Awaitable[A]]) -> A:
    """Run ``work`` with the services of the home folder, and end every run that it leaves.

    Raises:
        BreadcrumbError: ``work`` failed; says why.
    """
    import anyio

    from breadcrumb_server.runs.registry import RunRegistry
    from breadcrumb_server.service import Service
    from breadcrumb_storage.sql_access.query_process import QueryProcesses

    async def main() -> A | BreadcrumbError:
        home = Home.from_environment()
        async with RunRegistry(home) as runs:
            try:
                with QueryProcesses() as queries:
                    return await work(Service(home, runs, queries))
            except* BreadcrumbError as group:  # returned, since the registry's tasks would wrap it again
                error: BaseException = group
                while isinstance(error, BaseExceptionGroup):
                    error = error.exceptions[0]
                failed = error
        assert isinstance(failed, BreadcrumbError)
        return failed

    result = anyio.run(main)
    if isinstance(result, BreadcrumbError):
        raise result
    return result


def ask(project: str | None, database: Path | None, build: Callable[[DuckDBPyConnection, str], A]) -> A:
    """Query the database of a project, after it has taken up what its runs have recorded, or a database file.

    Args:
        project: Name of the project.
        database: A database file, which is asked instead.
        build: Makes the answer, with the name of the project.

    Raises:
        BreadcrumbError: The project is unknown, or the database cannot be read.
        click.UsageError: Neither is given.
    """
    if database is not None:
        return _ask_file(database.absolute(), lambda con: build(con, project or as_project(database)))
    if project is None:
        raise click.UsageError(_NO_SOURCE)
    return with_services(lambda service: service.ask(project, lambda con: build(con, project)))


def ask_sql(project: str | None, database: Path | None, build: Callable[[SqlSource, str], N]) -> N:
    """Run SQL on the database of a project, or on a database file, as `ask` asks other questions.

    Args:
        project: Name of the project.
        database: A database file, which is asked instead.
        build: Makes the answer, with the name of the project.

    Raises:
        BreadcrumbError: The project is unknown, the database cannot be read, or the statement is refused.
        click.UsageError: Neither is given.
    """
    if database is not None:
        return _ask_file_sql(database.absolute(), lambda run: build(run, project or as_project(database)))
    if project is None:
        raise click.UsageError(_NO_SOURCE)
    return with_services(lambda service: service.query(project, lambda run: build(run, project)))


def _ask_file_sql(path: Path, build: Callable[[SqlSource], N]) -> N:
    from breadcrumb_server.answers.common.budget import with_notes
    from breadcrumb_server.programs.storing import store_programs
    from breadcrumb_server.service import missing_notes
    from breadcrumb_storage.database import Database
    from breadcrumb_storage.sql_access.query_process import QueryProcesses

    database = Database(path)
    failures = store_programs(database, live=True)
    with QueryProcesses() as queries:
        answer = build(lambda sql, limit: queries.ask(database, sql, limit).result)
    return with_notes(answer, missing_notes(failures))


def _ask_file(path: Path, build: Callable[[DuckDBPyConnection], A]) -> A:
    """Query a database file, after it has taken up what programs have recorded that trace themselves into it."""
    from breadcrumb_server.answers.common.budget import with_notes
    from breadcrumb_server.answers.common.model import Answer
    from breadcrumb_server.programs.storing import store_programs
    from breadcrumb_server.service import missing_notes
    from breadcrumb_storage.database import Database

    database = Database(path)
    failures = store_programs(database, live=True)
    with database.read() as con:
        answer = build(con)
    return with_notes(answer, missing_notes(failures)) if isinstance(answer, Answer) else answer
