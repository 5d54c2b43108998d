"""Serve MCP."""

from __future__ import annotations

import click

from breadcrumb_server.command_line.serving import HTTP_PORT, serve_http, serve_stdio


@click.command("serve-mcp")
@click.option("--transport", type=click.Choice(["stdio", "http"]), default="stdio", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=HTTP_PORT, show_default=True, help="For http.")
def serve_mcp(transport: str, port: int) -> int:
    """Serve MCP to an agent: the same as breadcrumb-mcp."""
    return serve_http(port) if transport == "http" else serve_stdio()
