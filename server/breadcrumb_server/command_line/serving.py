"""Start the MCP server for the two commands that offer it. The SDK is imported only then."""

import os
import sys

HTTP_PORT = 8765


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


def serve_http(port: int) -> int:
    """Serve Streamable HTTP on loopback until a signal comes, and return the exit code.

    Args:
        port: 1 to 65535.
    """
    import anyio

    from breadcrumb_server.mcp_server.server import build_server
    from breadcrumb_server.mcp_server.transports import HTTP_HOST, listen, log_to_stderr, serve_http

    log_to_stderr()
    try:
        listener = listen(port)
    except OSError as error:
        print(f"breadcrumb-mcp: cannot listen on port {port}: {error.strerror}. Try --port.", file=sys.stderr)
        return 1
    print(f"Serving MCP at http://{HTTP_HOST}:{port}/mcp", file=sys.stderr)
    anyio.run(serve_http, build_server(), listener)
    return 0


def exit_without_stdout() -> int:
    """Return the exit code after the reader of stdout has gone."""
    # The interpreter flushes stdout when it exits, and would print an error.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1
