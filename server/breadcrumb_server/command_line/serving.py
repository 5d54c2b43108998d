"""Start the MCP server on stdin and stdout for the two commands that offer it. The SDK is imported only then."""

import os
import sys


def serve_stdio() -> int:
    """Serve one client on stdin and stdout until it leaves, and return the exit code."""
    import anyio

    from breadcrumb_server.mcp_server.server import build_server
    from breadcrumb_server.mcp_server.transports import log_to_stderr, serve_stdio

    log_to_stderr()
    if sys.stdin is not None and sys.stdin.isatty():
        print("Serving MCP on stdin and stdout, for a client. To see it work: breadcrumb-mcp demo", file=sys.stderr)
    anyio.run(serve_stdio, build_server())
    return 0


def exit_without_stdout() -> int:
    """Return the exit code after the reader of stdout has gone."""
    # The interpreter flushes stdout when it exits, and would print an error.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1
