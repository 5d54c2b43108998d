"""Read the arguments of ``breadcrumb-mcp``, and run the command that they name."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from breadcrumb_server.command_line.serving import HTTP_PORT, serve_http, serve_stdio
from breadcrumb_server.command_line.storing import STORE, store_from_stdin

_DESCRIPTION = """\
Lets an AI coding agent see what a Python program actually did.
Without a command it serves MCP on stdin and stdout: this is what a client's configuration starts.
"""
_EPILOG = "Data lives in ~/.breadcrumb, or where BREADCRUMB_HOME points to."


def run_command(words: Sequence[str]) -> int:
    """Run the command that the arguments name.

    Args:
        words: The words after the program's name.

    Returns:
        The exit code: 0 success, 1 failure. Wrong usage exits with 2 from within argparse.
    """
    options = _parser().parse_args(words)
    if options.command == "demo":
        return _demo(keep=options.keep)
    if options.command == STORE:
        return store_from_stdin(options.database, options.trace_id)
    if options.command == "serve" and options.transport == "http":
        return serve_http(options.port)
    return serve_stdio()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="breadcrumb-mcp",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show program's version number and exit")
    commands = parser.add_subparsers(dest="command", metavar="command")
    serve = commands.add_parser("serve", help="serve MCP", allow_abbrev=False)
    serve.add_argument(
        "--transport", choices=["stdio", "http"], default="stdio", help="http is Streamable HTTP on 127.0.0.1"
    )
    serve.add_argument("--port", type=_port, default=HTTP_PORT, help="for http (default: %(default)s)")
    demo = commands.add_parser("demo", help="watch an MCP client find a bug with the tools", allow_abbrev=False)
    demo.add_argument("--keep", action="store_true", help="keep the demo's folder and say where it is")
    # Without a help text it is not listed: the tracer starts it, for programs that call breadcrumb.init().
    store = commands.add_parser(STORE, allow_abbrev=False)
    store.add_argument("database", type=Path)
    store.add_argument("trace_id", nargs="?", default="")
    return parser


class _ShowVersion(argparse.Action):
    """Print the version, which takes longer to find than all other options together."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(message=f"breadcrumb-mcp {version('breadcrumb-mcp')}\n")


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")


def _demo(*, keep: bool) -> int:
    from breadcrumb_server.demo.walk import run_demo

    return run_demo(keep=keep)
