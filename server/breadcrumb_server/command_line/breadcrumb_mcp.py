"""Run ``breadcrumb-mcp``: serve MCP on stdio or HTTP, or show a debugging session with ``demo``.

Without arguments, as clients start it, nothing is imported to read them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from breadcrumb_server.command_line.serving import exit_without_stdout, serve_stdio


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; None means those of this process.

    Returns:
        The exit code: 0 success, 1 failure, 130 interrupted. Wrong usage exits with 2 from within argparse.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if not words:
            return serve_stdio()
        from breadcrumb_server.command_line.breadcrumb_mcp_arguments import run_command

        return run_command(words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return exit_without_stdout()
    except BaseExceptionGroup as group:
        # The client closed our stdout in the middle of an answer, so no error can reach it.
        if group.split(BrokenPipeError)[1] is None:
            return exit_without_stdout()
        raise
