"""Define the MCP tools, one module a question: each validates, calls one service, and returns its model."""

from functools import cache

from mcp.server.mcpserver.tools import Tool

from breadcrumb_server.mcp_server.tools import (
    calls,
    compare,
    exceptions,
    find,
    flow,
    gaps,
    performance,
    projects,
    runs,
    search,
    show,
    sql,
    traces,
)
from breadcrumb_server.mcp_server.tools.registration import make_tool

# In the order in which a session needs them.
_MODULES = (projects, runs, traces, show, find, gaps, calls, exceptions, flow, performance, search, compare, sql)


@cache  # building them takes longer than answering most calls, and all servers of a process can share them
def all_tools() -> tuple[Tool, ...]:
    """Return every tool of the server, in the order in which a session needs them."""
    return tuple(make_tool(each) for module in _MODULES for each in module.TOOLS)
