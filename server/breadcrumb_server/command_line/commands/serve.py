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
@http_click_options
def serve_mcp(transport: str, tools: str | None, **values: Any) -> int:
    """Serve MCP to an agent: the same as breadcrumb-mcp."""
    http = HttpOptions.of(values)
    if transport == "http":
        return serve_http(http, tools)
    if http.given():
        raise click.UsageError(f"{', '.join(http.given())}: only with --transport http")
    return serve_stdio(tools)
