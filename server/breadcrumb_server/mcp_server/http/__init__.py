"""Serve MCP as Streamable HTTP: who may connect, how long sessions live, what a client can resume."""
