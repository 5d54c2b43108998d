"""The MCP tools: each validates, calls one service, and returns its model."""

from mcp.server.mcpserver.tools import Tool

from breadcrumb_server.tools import projects, questions, running
from breadcrumb_server.tools.registration import make_tool


def all_tools() -> list[Tool]:
    """Every tool of the server, in the order in which a session needs them."""
    return [make_tool(each) for each in (*projects.TOOLS, *running.TOOLS, *questions.TOOLS)]
