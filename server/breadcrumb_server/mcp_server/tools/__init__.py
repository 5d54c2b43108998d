"""The MCP tools: each validates, calls one service, and returns its model."""

from mcp.server.mcpserver.tools import Tool

from breadcrumb_server.mcp_server.tools import projects, questions, runs
from breadcrumb_server.mcp_server.tools.registration import make_tool


def all_tools() -> list[Tool]:
    """Every tool of the server, in the order in which a session needs them."""
    return [make_tool(each) for each in (*projects.TOOLS, *runs.TOOLS, *questions.TOOLS)]
