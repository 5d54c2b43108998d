"""Serve MCP."""

from __future__ import annotations

from typing import Any

import click

from breadcrumb_server.command_line.http_options import HttpOptions, http_click_options, serve_http
from breadcrumb_server.command_line.serving import serve_stdio


@click.command("serve-mcp")
@click.option("--transport", type=click.Choice(["stdio", "http"]), default="stdio", show_default=True)
@http_click_options
def serve_mcp(transport: str, **values: Any) -> int:
    """Serve MCP to an agent: the same as breadcrumb-mcp."""
    http = HttpOptions.of(values)
    if transport == "http":
        return serve_http(http)
    if http.given():
        raise click.UsageError(f"{', '.join(http.given())}: only with --transport http")
    return serve_stdio()
