"""Run ``breadcrumb``, also as ``python -m breadcrumb_server.command_line``."""

import sys


def main() -> int:
    """Run the command line, and return its exit code; a client that starts a server does not wait for the imports."""
    if sys.argv[1:] == ["serve-mcp"]:
        from breadcrumb_server.command_line.breadcrumb_mcp import main as serve

        return serve([])
    from breadcrumb_server.command_line.breadcrumb import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
