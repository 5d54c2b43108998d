"""Run ``breadcrumb-mcp``: serve MCP on stdio or HTTP, or show a debugging session with ``demo``."""

import argparse
from collections.abc import Sequence
from importlib.metadata import version

from breadcrumb_server.command_line.http_options import HttpOptions, add_http_arguments, serve_http
from breadcrumb_server.command_line.serving import exit_without_stdout, serve_stdio

_DESCRIPTION = """\
Lets an AI coding agent see what a Python program actually did.
Without a command it serves MCP on stdin and stdout: this is what a client's configuration starts.
"""
_EPILOG = "Data lives in ~/.breadcrumb, or where BREADCRUMB_HOME points to."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; None means those of this process.

    Returns:
        The exit code: 0 success, 1 failure, 130 interrupted. Wrong usage exits with 2 from within argparse.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "demo":
            return _demo(keep=options.keep)
        if options.command == "serve":
            http = HttpOptions.of(vars(options))
            if options.transport == "http":
                return serve_http(http)
            if http.given():
                parser.error(f"{', '.join(http.given())}: only with --transport http")
        return serve_stdio()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return exit_without_stdout()
    except BaseExceptionGroup as group:
        # The client closed our stdout in the middle of an answer, so no error can reach it.
        if group.split(BrokenPipeError)[1] is None:
            return exit_without_stdout()
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="breadcrumb-mcp",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"breadcrumb-mcp {version('breadcrumb-mcp')}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    serve = commands.add_parser("serve", help="serve MCP", allow_abbrev=False)
    serve.add_argument(
        "--transport", choices=["stdio", "http"], default="stdio", help="http is Streamable HTTP (default: %(default)s)"
    )
    add_http_arguments(serve)
    demo = commands.add_parser("demo", help="watch an MCP client find a bug with the tools", allow_abbrev=False)
    demo.add_argument("--keep", action="store_true", help="keep the demo's folder and say where it is")
    return parser


def _demo(*, keep: bool) -> int:
    from breadcrumb_server.demo.walk import run_demo

    return run_demo(keep=keep)
