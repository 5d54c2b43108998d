"""Define the MCP tools, one module a question: each validates, calls one service, and returns its model."""

from mcp.server.mcpserver.tools import Tool

from breadcrumb_server.mcp_server.tools import (
    calls,
    compare,
    exceptions,
    flow,
    gaps,
    performance,
    projects,
    runs,
    search,
    sql,
    traces,
)
from breadcrumb_server.mcp_server.tools.registration import make_tool

# In the order in which a session needs them.
_MODULES = (projects, runs, traces, gaps, calls, exceptions, flow, performance, search, compare, sql)


def all_tools() -> list[Tool]:
    """Return every tool of the server, in the order in which a session needs them."""
    return [make_tool(each) for module in _MODULES for each in module.TOOLS]
