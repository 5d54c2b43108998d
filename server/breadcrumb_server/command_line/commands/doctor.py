"""Examine the installation."""

from __future__ import annotations

from pathlib import Path

import click

from breadcrumb_server.command_line.options import complete_project, output_options


@click.command()
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    help="The Python to try the tracer in. [default: the one that a run would use]",
)
@click.option("-c", "--project", metavar="PROJECT", help="Examine this project too.", shell_complete=complete_project)
@output_options
def doctor(python: Path | None, project: str | None, output_format: str) -> int:
    """Find out why something does not work, and what to do about it.

    Looks at the installation, the home folder, the databases, the Python of runs, the clients' entries and the time
    that a client waits for the tools. Changes no setting and no entry. The exit code is 1 if there is a problem.

    \b
    breadcrumb doctor --format table
    breadcrumb doctor -c shop --python .venv/bin/python
    """
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.doctor.examination import examine
    from breadcrumb_server.projects.home import Home

    if python is not None and python.exists():
        python = python.absolute()
    answer = examine(Home.from_environment(), project=project, python=python, folder=Path.cwd())
    print_answer(answer, output_format)
    return 1 if answer.problems else 0
