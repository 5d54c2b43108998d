"""Read the arguments of ``breadcrumb-mcp``, and run the command that they name."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from breadcrumb_server.command_line.http_options import HttpOptions, add_http_arguments, serve_http
from breadcrumb_server.command_line.serving import serve_stdio
from breadcrumb_server.command_line.storing import STORE, store_from_stdin
from breadcrumb_server.tool_sets import ENV_TOOLS, SMALL, TOOL_SETS

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
    parser = _parser()
    options = parser.parse_args(words)
    if options.allow_command or options.allow_workspace:
        from breadcrumb_server.restrictions import restrict

        try:
            restrict(options.allow_command, options.allow_workspace)
        except ValueError as error:
            parser.error(str(error))
    if options.command == "demo":
        return _demo(keep=options.keep)
    if options.command == STORE:
        return store_from_stdin(options.database, options.trace_id)
    if options.command == "serve":
        http = HttpOptions.of(vars(options))
        if options.transport == "http":
            return serve_http(http, options.tools)
        if http.given():
            parser.error(f"{', '.join(http.given())}: only with --transport http")
    return serve_stdio(options.tools)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="breadcrumb-mcp",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show program's version number and exit")
    _add_tools(parser, None)
    _add_restrictions(parser, None)
    commands = parser.add_subparsers(dest="command", metavar="command")
    serve = commands.add_parser("serve", help="serve MCP", allow_abbrev=False)
    serve.add_argument(
        "--transport", choices=["stdio", "http"], default="stdio", help="http is Streamable HTTP (default: %(default)s)"
    )
    _add_tools(serve, argparse.SUPPRESS)  # else its default would replace what stands before the command
    _add_restrictions(serve, argparse.SUPPRESS)
    add_http_arguments(serve)
    demo = commands.add_parser("demo", help="watch an MCP client find a bug with the tools", allow_abbrev=False)
    demo.add_argument("--keep", action="store_true", help="keep the demo's folder and say where it is")
    # Without a help text it is not listed: the tracer starts it, for programs that call breadcrumb.init().
    store = commands.add_parser(STORE, allow_abbrev=False)
    store.add_argument("database", type=Path)
    store.add_argument("trace_id", nargs="?", default="")
    return parser


def _add_tools(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = f"tools that a session loads; the others can be called too (default: {ENV_TOOLS}, else {SMALL})"
    parser.add_argument("--tools", choices=TOOL_SETS, default=default, help=text)


def _add_restrictions(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--allow-command",
        action="append",
        metavar="PATTERN",
        default=default,
        help="the only commands that clients may run, such as 'pytest *'; may be given again "
        "(default: BREADCRUMB_ALLOW_COMMANDS, else all)",
    )
    parser.add_argument(
        "--allow-workspace",
        action="append",
        metavar="FOLDER",
        default=default,
        help="the only folders that projects and commands may be in, with all below them; may be given again "
        "(default: BREADCRUMB_ALLOW_WORKSPACES, else all)",
    )


class _ShowVersion(argparse.Action):
    """Print the version, which takes longer to find than all other options together."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print("breadcrumb-mcp", version("breadcrumb-mcp"))  # parser.exit would print to stderr
        parser.exit()


def _demo(*, keep: bool) -> int:
    from breadcrumb_server.demo.walk import run_demo

    return run_demo(keep=keep)
