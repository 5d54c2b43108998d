"""Delete what was recorded."""

from __future__ import annotations

import sys

import click

from breadcrumb_server.command_line.options import output_options, project_option


@click.command()
@project_option
@click.option("--force", is_flag=True, help="Do not ask.")
@output_options
def clear(project: str, force: bool, output_format: str) -> None:
    """Delete all recorded runs of a project. Its settings stay."""
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.command_line.services import with_services
    from breadcrumb_server.runs.deletion import Choice

    if not force:
        if not sys.stdin.isatty():
            raise click.UsageError("Nobody can be asked here: give --force to delete all recorded runs.")
        click.confirm(f"Delete all recorded runs of {project}?", abort=True, err=True)
    choice = Choice.of(None, None, all=True)
    print_answer(with_services(lambda service: service.delete_traces(project, choice)), output_format)
