"""Set up a project."""

from __future__ import annotations

from pathlib import Path

import click

from breadcrumb_server.command_line.options import output_options, project_argument


@click.command()
@project_argument
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    show_default="this folder",
    help="The folder with the code.",
)
@click.option("--include", multiple=True, help="Pattern to trace, instead of those found. Repeatable.")
@click.option("--exclude", multiple=True, help="Pattern that is never traced. Repeatable.")
@output_options
def init(project: str, workspace: Path, include: tuple[str, ...], exclude: tuple[str, ...], output_format: str) -> None:
    """Set up PROJECT for the code in a folder. Nothing in the folder changes.

    Patterns are module globs ('shop.*' is shop and everything below it) or path globs relative to the workspace
    ('tests/**/*.py').
    """
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.projects.home import Home
    from breadcrumb_server.projects.manage import init_project

    answer = init_project(
        Home.from_environment(), project, str(workspace.absolute()), list(include) or None, list(exclude) or None
    )
    print_answer(answer, output_format)
