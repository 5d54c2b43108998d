"""Connect the server to clients."""

from __future__ import annotations

from pathlib import Path

import click

from breadcrumb_server.clients.descriptions import CLIENTS, SCOPES
from breadcrumb_server.command_line.options import output_options

_NAMES = [client.name for client in CLIENTS]
_CLIENT = click.Choice(_NAMES)
_EPILOG = f"CLIENT is one of {', '.join(_NAMES)}."
_scope_option = click.option(
    "--scope",
    type=click.Choice(SCOPES),
    help="user: all your code. project: a file of the code base, for git. local: you, in this code base. "
    "[default: user]",
)
_workspace_option = click.option(
    "--workspace",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=".",
    show_default="this folder",
    help="The code base, for the scopes project and local.",
)


@click.command(epilog=_EPILOG)
@click.argument("client", type=_CLIENT, metavar="[CLIENT]", required=False)
@_scope_option
@_workspace_option
@click.option("--print", "print_only", is_flag=True, help="Write nothing: print the entry, and its file to stderr.")
@click.option("--force", is_flag=True, help="Replace an entry that says something else.")
@output_options
def install(
    client: str | None, scope: str | None, workspace: Path, print_only: bool, force: bool, output_format: str
) -> None:
    """Connect the server to CLIENT, an agent or an editor; without CLIENT, list them.

    The entry is added to the client's own file, with a backup beside it; everything else in the file stays as it is.

    \b
    breadcrumb install claude-code
    breadcrumb install vscode --scope project
    breadcrumb install codex --print
    """
    from breadcrumb_server.clients import installation
    from breadcrumb_server.clients.descriptions import BY_NAME
    from breadcrumb_server.command_line.output import print_answer

    if client is None:
        if scope or print_only or force:
            raise click.UsageError("Which client? --scope, --print and --force go with one.")
        print_answer(installation.list_clients(workspace), output_format)
        return
    place = installation.target(BY_NAME[client], scope, workspace)
    if print_only:
        text, file = installation.wanted(place)
        click.echo(text)
        click.echo(f"Belongs into {file}", err=True)
        return
    print_answer(installation.install(place, force=force), output_format)


@click.command(epilog=_EPILOG)
@click.argument("client", type=_CLIENT, metavar="CLIENT")
@_scope_option
@_workspace_option
@output_options
def uninstall(client: str, scope: str | None, workspace: Path, output_format: str) -> None:
    """Remove the server from CLIENT."""
    from breadcrumb_server.clients import installation
    from breadcrumb_server.clients.descriptions import BY_NAME
    from breadcrumb_server.command_line.output import print_answer

    print_answer(installation.uninstall(installation.target(BY_NAME[client], scope, workspace)), output_format)
