"""Show and change settings."""

from __future__ import annotations

import click

from breadcrumb_server.command_line.commands.init import init
from breadcrumb_server.command_line.options import output_options, project_argument


@click.group()
def config() -> None:
    """Show and change the settings of projects."""


config.add_command(init, "create")


@config.command("list")
@output_options
def list_projects(output_format: str) -> None:
    """List all projects."""
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.projects.home import Home
    from breadcrumb_server.projects.manage import list_projects

    print_answer(list_projects(Home.from_environment()), output_format)


@config.command()
@project_argument
@output_options
def show(project: str, output_format: str) -> None:
    """Show the settings of PROJECT and their file."""
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.projects.home import Home
    from breadcrumb_server.projects.manage import get_config

    print_answer(get_config(Home.from_environment(), project), output_format)


@config.command()
@project_argument
@click.option("--add-include", multiple=True, metavar="PATTERN", help="Trace this, too. Repeatable.")
@click.option("--remove-include", multiple=True, metavar="PATTERN", help="Take it out of include. Repeatable.")
@click.option("--add-exclude", multiple=True, metavar="PATTERN", help="Never trace this. Repeatable.")
@click.option("--remove-exclude", multiple=True, metavar="PATTERN", help="Take it out of exclude. Repeatable.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting: capture.mode=full. Repeatable."
)
@output_options
def edit(
    project: str,
    add_include: tuple[str, ...],
    remove_include: tuple[str, ...],
    add_exclude: tuple[str, ...],
    remove_exclude: tuple[str, ...],
    settings: tuple[str, ...],
    output_format: str,
) -> None:
    """Change the settings of PROJECT. They apply to new runs; comments in the file are kept."""
    from breadcrumb_server.command_line.output import print_answer
    from breadcrumb_server.projects.config_changes import ConfigChanges
    from breadcrumb_server.projects.home import Home
    from breadcrumb_server.projects.manage import edit_config

    changes = ConfigChanges(
        add_include=add_include,
        remove_include=remove_include,
        add_exclude=add_exclude,
        remove_exclude=remove_exclude,
        set=dict(_setting(each) for each in settings),
    )
    print_answer(edit_config(Home.from_environment(), project, changes), output_format)


def _setting(text: str) -> tuple[str, object]:
    """Read ``KEY=VALUE``, the value in YAML as in the file."""
    import yaml

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE, such as capture.mode=full.", param_hint="--set")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise click.BadParameter(f"the value of {key} is no YAML: {error}", param_hint="--set") from None
