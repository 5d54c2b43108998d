"""Run ``breadcrumb``: parse the command line, and turn errors into messages and exit codes.

Nothing heavy is imported before a command runs: ``breadcrumb --help`` must answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from breadcrumb_server.command_line.commands import (
    clear,
    clients,
    completion,
    configuration,
    doctor,
    find,
    init,
    questions,
    rerun,
    run,
    serve,
    show,
)
from breadcrumb_server.command_line.options import general_options, hand_down, is_verbose
from breadcrumb_server.command_line.serving import exit_without_stdout
from breadcrumb_storage.errors import BreadcrumbError

PROGRAM = "breadcrumb"

_EPILOG = """\b
A session:
  breadcrumb init shop                          set up the code in this folder
  breadcrumb run -c shop pytest -x              run a command under the tracer
  breadcrumb exceptions -c shop                 what was raised, with values
  breadcrumb show -c shop Cart.total            its source, with what each line did
  breadcrumb find -c shop amount                the history of a variable
  breadcrumb query -c shop --call Cart.total    the calls of a function
  breadcrumb query -c shop --gaps               what was called but not traced
  breadcrumb config edit shop --add-include 'tax.*'

Answers are JSON; --format table is for reading. Data lives in ~/.breadcrumb, or where BREADCRUMB_HOME points to."""


class Sections(click.Group):
    """A group that lists its commands in the order in which they are used, not by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order in which they were added."""
        return list(self.commands)


@click.group(cls=Sections, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="breadcrumb-mcp", prog_name=PROGRAM)
@general_options
@click.pass_context
def breadcrumb(ctx: click.Context, output_format: str, db_path: Path | None) -> None:
    """Show what a Python program actually did: run it under a tracer, then ask."""
    hand_down(ctx, output_format=output_format, db_path=db_path)


for _command in (
    init.init,
    run.run,
    rerun.rerun,
    show.show,
    find.find,
    questions.query,
    questions.list_runs,
    questions.get,
    questions.exceptions,
    questions.performance,
    questions.report,
    questions.top,
    clear.clear,
    configuration.config,
    clients.install,
    clients.uninstall,
    doctor.doctor,
    serve.serve_mcp,
    completion.completion,
):
    breadcrumb.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; None means those of this process.

    Returns:
        The exit code: 0 success, 1 failure, 2 wrong usage, 130 interrupted; of ``run``, that of the command.
    """
    try:
        code = breadcrumb.main(arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BreadcrumbError as error:
        if is_verbose():
            raise
        from breadcrumb_server.command_line.proposals import in_shell_words

        click.echo(f"{PROGRAM}: {in_shell_words(str(error))}", err=True)
        return 1
    except BrokenPipeError:
        return exit_without_stdout()
