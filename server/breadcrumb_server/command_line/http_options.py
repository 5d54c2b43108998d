"""Read the options of an HTTP server, which two commands offer, and serve."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from breadcrumb_server.command_line.serving import check_restrictions
from breadcrumb_server.tool_sets import chosen_set
from breadcrumb_storage.errors import BreadcrumbError

HOST, PORT = "127.0.0.1", 8765
IDLE_MINUTES, MAX_SESSIONS = 30.0, 100

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class HttpOptions:
    """The options of an HTTP server; None where the user gave none.

    Attributes:
        host: Address to listen on.
        port: 1 to 65535.
        token_file: File with the bearer token.
        allow_host: Further names by which clients may call the server.
        idle_minutes: Time without a request after which a session is closed.
        max_sessions: Number of sessions that may be open at once.
    """

    host: str | None = None
    port: int | None = None
    token_file: Path | None = None
    allow_host: tuple[str, ...] | None = None
    idle_minutes: float | None = None
    max_sessions: int | None = None

    @classmethod
    def of(cls, values: dict[str, Any]) -> "HttpOptions":
        """Take the options out of the values of a whole command line."""
        given = {each.name: values[each.name] for each in fields(cls)}
        return cls(**{**given, "allow_host": tuple(given["allow_host"] or ()) or None})

    def given(self) -> list[str]:
        """Return the options that the user gave, as they are typed."""
        return [f"--{each.name.replace('_', '-')}" for each in fields(self) if getattr(self, each.name) is not None]


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise ValueError(f"{text!r} is not a port (1 to 65535)")


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if 0 < minutes < float("inf"):
        return minutes
    raise ValueError(f"{text!r} is not a number of minutes above 0")


def _count(text: str) -> int:
    if text.isdecimal() and int(text):
        return int(text)
    raise ValueError(f"{text!r} is not a number from 1 on")


def _host_name(text: str) -> str:
    from breadcrumb_server.mcp_server.http.addresses import check_host_name

    return check_host_name(text)


# name: how it is read, its placeholder, its help
_OPTIONS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "host": (
        str,
        "ADDRESS",
        f"address to listen on (default: {HOST}); where others reach it, give a token",
    ),
    "port": (_port, "PORT", f"port to listen on (default: {PORT})"),
    "token_file": (Path, "FILE", "file with the bearer token (default: BREADCRUMB_HTTP_TOKEN, else one is made)"),
    "allow_host": (_host_name, "NAME", "a further name by which clients may call the server; may be repeated"),
    "idle_minutes": (_minutes, "MINUTES", f"close a session without a request for so long (default: {IDLE_MINUTES:g})"),
    "max_sessions": (_count, "NUMBER", f"sessions that may be open at once (default: {MAX_SESSIONS})"),
}


def add_http_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command of argparse."""
    group = parser.add_argument_group("for http")
    for name, (read, metavar, text) in _OPTIONS.items():

        def convert(value: str, read: Callable[[str], Any] = read) -> object:
            try:
                return read(value)
            except ValueError as error:
                raise argparse.ArgumentTypeError(str(error)) from None

        action = "append" if name == "allow_host" else "store"
        group.add_argument(f"--{name.replace('_', '-')}", type=convert, metavar=metavar, help=text, action=action)


def http_click_options(command: Command) -> Command:
    """Add the options to a command of click."""
    import click

    def reader(read: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
        def convert(ctx: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None) -> Any:
            try:
                return tuple(map(read, value)) if isinstance(value, tuple) else value if value is None else read(value)
            except ValueError as error:
                raise click.BadParameter(str(error), ctx, parameter) from None

        return convert

    for name, (read, metavar, text) in reversed(_OPTIONS.items()):
        command = click.option(
            f"--{name.replace('_', '-')}",
            metavar=metavar,
            help=f"For http: {text}.",
            multiple=name == "allow_host",
            callback=reader(read),
        )(command)
    return command


def serve_http(options: HttpOptions, tools: str | None = None) -> int:
    """Serve Streamable HTTP until a signal comes, and return the exit code.

    Args:
        options: The options of the HTTP server.
        tools: The value of ``--tools``; None if it was not given.
    """
    try:
        tool_set = chosen_set(tools, os.environ)
        check_restrictions()
    except ValueError as error:
        print(f"breadcrumb-mcp: {error}", file=sys.stderr)
        return 2
    try:
        return _serve(options, tool_set)
    except BreadcrumbError as error:
        print(f"breadcrumb-mcp: {error}", file=sys.stderr)
        return 1


def _serve(options: HttpOptions, tool_set: str) -> int:
    import anyio

    from breadcrumb_server.mcp_server.http.addresses import listen, resolve, security_settings, url_of
    from breadcrumb_server.mcp_server.http.bearer_token import ENV_TOKEN, find_token
    from breadcrumb_server.mcp_server.http.serving import HttpSettings, serve_http
    from breadcrumb_server.mcp_server.server import build_server
    from breadcrumb_server.mcp_server.transports import log_to_stderr
    from breadcrumb_server.projects.home import Home

    host, allowed = HOST if options.host is None else options.host, options.allow_host or ()
    address = resolve(host, options.port or PORT)
    if not address.ip.is_loopback and options.token_file is None and ENV_TOKEN not in os.environ:
        raise BreadcrumbError(
            f"--host {host} lets other machines connect, and needs a token that you give.",
            why="Whoever has the token can run commands as you.",
            hint=f"Name a file with --token-file, or set {ENV_TOKEN}.",
        )
    with listen(address) as listener:
        home = Home.from_environment()
        token = find_token(home, options.token_file, os.environ)
        settings = HttpSettings(
            token,
            security_settings(address, allowed),
            idle_seconds=(options.idle_minutes or IDLE_MINUTES) * 60,
            max_sessions=options.max_sessions or MAX_SESSIONS,
        )
        url = url_of(address, allowed)
        print(f"Serving MCP at {url}, for clients with the token in {token.source}. For Claude Code:", file=sys.stderr)
        header = f'--header "Authorization: Bearer {token.in_shell}"'
        print(f"  claude mcp add --transport http breadcrumb {url} {header}", file=sys.stderr, flush=True)
        log_to_stderr()
        anyio.run(serve_http, build_server(home, tool_set), listener, settings)
    return 0
