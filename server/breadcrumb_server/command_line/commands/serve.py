"""Serve MCP."""

from __future__ import annotations

from typing import Any

import click

from breadcrumb_server.command_line.http_options import HttpOptions, http_click_options, serve_http
from breadcrumb_server.command_line.serving import serve_stdio
from breadcrumb_server.tool_sets import ENV_TOOLS, SMALL, TOOL_SETS


@click.command("serve-mcp")
@click.option("--transport", type=click.Choice(["stdio", "http"]), default="stdio", show_default=True)
@click.option(
    "--tools",
    type=click.Choice(TOOL_SETS),
    help=f"Tools that a session loads; the others can be called too.  [default: {ENV_TOOLS}, else {SMALL}]",
)
@click.option(
    "--allow-command",
    multiple=True,
    metavar="PATTERN",
    help="The only commands that clients may run, such as 'pytest *'.  [default: BREADCRUMB_ALLOW_COMMANDS, else all]",
)
@click.option(
    "--allow-workspace",
    multiple=True,
    metavar="FOLDER",
    help="The only folders for projects and commands.  [default: BREADCRUMB_ALLOW_WORKSPACES, else all]",
)
@http_click_options
def serve_mcp(
    transport: str, tools: str | None, allow_command: tuple[str, ...], allow_workspace: tuple[str, ...], **values: Any
) -> int:
    """Serve MCP to an agent: the same as breadcrumb-mcp."""
    if allow_command or allow_workspace:
        from breadcrumb_server.restrictions import restrict

        restrict(allow_command, allow_workspace)
    http = HttpOptions.of(values)
    if transport == "http":
        return serve_http(http, tools)
    if http.given():
        raise click.UsageError(f"{', '.join(http.given())}: only with --transport http")
    return serve_stdio(tools)
