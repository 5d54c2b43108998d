"""Define the options that several commands share, and what they complete to in a shell."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from breadcrumb_server.projects.home import Home

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])

JSON, TABLE, MARKDOWN = "json", "table", "markdown"


def complete_project(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the projects whose names begin so."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in Home.from_environment().project_names() if name.startswith(incomplete)]


def project_argument(command: Command) -> Command:
    """Add the project as a word: for commands that are about the project itself."""
    return click.argument("project", shell_complete=complete_project)(command)


def project_option(command: Command) -> Command:
    """Add ``-c PROJECT``, which is required."""
    return click.option(
        "-c", "--project", metavar="PROJECT", required=True, help="The project.", shell_complete=complete_project
    )(command)


def source_options(command: Command) -> Command:
    """Add ``-c PROJECT`` and ``--db-path FILE``; one of them says which database is asked."""
    command = click.option(
        "--db-path",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_check_database,
        help="Ask this database, such as .breadcrumb/traces.duckdb, instead of a project's.",
    )(command)
    return click.option("-c", "--project", metavar="PROJECT", help="The project.", shell_complete=complete_project)(
        command
    )


def _check_database(ctx: click.Context, parameter: click.Parameter, database: Path | None) -> Path | None:
    """Return the database if it exists, or programs that trace themselves into it have begun to."""
    from breadcrumb_storage.ingest.spool_files import spools_of

    if database is not None and not database.exists() and not spools_of(database).is_dir():
        raise click.BadParameter(f"File {str(database)!r} does not exist.")
    return database


def trace_option(command: Command) -> Command:
    """Add ``--trace TRACE_ID``."""
    return click.option("--trace", "trace_id", metavar="TRACE_ID", help="The run to ask about. [default: the newest]")(
        command
    )


def limit_option(default: int) -> Callable[[Command], Command]:
    """Add ``--limit`` and ``--cursor``.

    Args:
        default: Rows of a page if none is given.
    """

    def add(command: Command) -> Command:
        command = click.option("--cursor", help="The next_cursor of the page before.")(command)
        return click.option("--limit", type=int, default=default, show_default=True, help="Rows of a page.")(command)

    return add


def output_options(command: Command) -> Command:
    """Add ``--format`` and ``--verbose``."""
    command = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_set_verbose,
        help="Log to stderr, show tracebacks.",
    )(command)
    return click.option(
        "--format",
        "output_format",
        type=click.Choice([JSON, TABLE, MARKDOWN]),
        default=JSON,
        show_default=True,
        help="json for programs, table for people, markdown for pages.",
    )(command)


def general_options(command: Command) -> Command:
    """Add ``--format``, ``--db-path`` and ``--verbose`` to the program itself, before the name of a command."""
    command = click.option("--db-path", type=click.Path(path_type=Path), help="As of a command.")(command)
    return output_options(command)


def hand_down(ctx: click.Context, **values: object) -> None:
    """Make options that stand before the name of a command the defaults of the same options of the command.

    Args:
        ctx: The context of the program.
        values: By the names of the parameters of commands; None was not given.
    """
    given = {
        name: value
        for name, value in values.items()
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }
    ctx.default_map = _defaults(ctx.command, given)


def _defaults(command: click.Command, given: Mapping[str, object]) -> dict[str, Any]:
    if isinstance(command, click.Group):
        return {name: _defaults(each, given) for name, each in command.commands.items()}
    return {parameter.name: given[parameter.name] for parameter in command.params if parameter.name in given}


def _set_verbose(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def is_verbose() -> bool:
    """Return whether ``--verbose`` was given."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)
