"""Tell the history of a name, of a value or of an exception."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from breadcrumb_server.command_line.commands.questions import secret_names
from breadcrumb_server.command_line.options import limit_option, output_options, source_options, trace_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from breadcrumb_server.answers.find.answer import Found


@click.command()
@source_options
@click.argument("name", required=False)
@click.option("--value", metavar="TEXT", help="Every call and line that had this value.")
@click.option("--exception", metavar="TEXT", help="Type, or a part or glob of the type or message.")
@click.option("--of", metavar="OWNER", help="Only of a class, an object (Cart#2), a function, a module or a file.")
@trace_option
@limit_option(40)
@output_options
def find(
    project: str | None,
    db_path: Path | None,
    name: str | None,
    value: str | None,
    exception: str | None,
    of: str | None,
    trace_id: str | None,
    limit: int,
    cursor: str | None,
    output_format: str,
) -> None:
    """Tell the history of a NAME, --value or --exception, in order.

    Lines that were not recorded are recorded by the next run.

    \b
    breadcrumb find -c shop self._cached --of Rates
    breadcrumb find -c shop --value 114
    breadcrumb find -c shop --exception KeyError --format table
    """
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.command_line.services import ask, with_services

    chosen = [each for each, given in (("NAME", name), ("--value", value), ("--exception", exception)) if given]
    if len(chosen) != 1:
        raise click.UsageError(
            "Give exactly one of NAME, --value and --exception" + (f", not {' and '.join(chosen)}." if chosen else ".")
        )

    def build(con: DuckDBPyConnection, project_name: str) -> tuple[Found, Sequence[str]]:
        from breadcrumb_server.answers.find.answer import find as build_found

        return build_found(
            con,
            project_name,
            name=name or None,
            value=value or None,
            exception=exception or None,
            of=of,
            trace_id=trace_id,
            limit=limit,
            cursor=cursor,
            redact=secret_names(project_name, db_path),
        )

    if db_path is None and project is not None:
        found = with_services(lambda service: service.ask_for_lines(project, lambda con: build(con, project)))
    else:
        found, _ = ask(project, db_path, build)
    print_answer(found, output_format)
