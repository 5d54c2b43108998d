"""Start the MCP server on stdin and stdout for the two commands that offer it. The SDK is imported only then."""

import os
import sys


def serve_stdio(tools: str | None = None) -> int:
    """Serve one client on stdin and stdout until it leaves, and return the exit code.

    Args:
        tools: The value of ``--tools``; None if it was not given.
    """
    import signal

    from breadcrumb_server.front_door.answers import load_answers
    from breadcrumb_server.front_door.door import FrontDoor
    from breadcrumb_server.front_door.session import Session
    from breadcrumb_server.tool_sets import chosen_set

    try:
        tool_set = chosen_set(tools, os.environ)
        check_restrictions()
    except ValueError as error:
        _tell(f"breadcrumb-mcp: {error}")
        return 2
    if sys.stdin is None or sys.stdout is None:
        _tell("breadcrumb-mcp: stdin or stdout is closed; an MCP client speaks through them.")
        return 1
    if sys.stdin.isatty():
        _tell("Serving MCP on stdin and stdout, for a client. To see it work: breadcrumb-mcp demo")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ends the process as it does later, when the server finishes its runs first.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    door = FrontDoor(Session(load_answers(tool_set)), _load_server, _explain_failure)
    try:
        handover = door.open()
    except BrokenPipeError:
        return _leave(door.is_loading, exit_without_stdout())
    if handover is None:
        return _leave(door.is_loading, 1 if door.has_failed else 0)

    import anyio

    from breadcrumb_server.mcp_server.server import build_server
    from breadcrumb_server.mcp_server.transports import serve_stdio

    anyio.run(serve_stdio, build_server(tool_set=tool_set), handover.ahead, handover.ended, handover.replayed)
    return 0


def check_restrictions() -> None:
    """Refuse to serve with restrictions that cannot be read, since nothing would hold them.

    Raises:
        RestrictionsUnreadable: Says what cannot be read.
    """
    if any(name.startswith("BREADCRUMB_ALLOW_") for name in os.environ):  # the import takes a while
        from breadcrumb_server.restrictions import current

        current()


def _load_server() -> None:
    """Import all that a session needs, so that its first call does not wait for it."""
    import importlib

    from breadcrumb_server.mcp_server.server import build_server
    from breadcrumb_server.mcp_server.transports import log_to_stderr

    log_to_stderr()
    build_server()
    try:
        importlib.import_module("duckdb")
    except Exception as error:  # only calls that use a database need it
        _tell(f"DuckDB cannot be loaded, and calls that need it will fail: {type(error).__name__}: {error}")


def _explain_failure(error: BaseException) -> str:
    """Tell of an error of `_load_server` on stderr, and return what clients are told."""
    import traceback

    text = (
        f"Breadcrumb cannot start: {type(error).__name__}: {error}. "
        "Install it again (pipx reinstall breadcrumb-mcp), and restart this server."
    )
    _tell("".join(traceback.format_exception(error)) + text)
    return text


def _leave(is_loading: bool, code: int) -> int:
    """Return an exit code, or exit with it if the interpreter could not be torn down without crashing."""
    if not is_loading:
        return code
    # The thread that imports would be ended in the middle of an extension module's code.
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)


def _tell(text: str) -> None:
    if sys.stderr is not None:  # print() would take stdout then
        print(text, file=sys.stderr, flush=True)


def exit_without_stdout() -> int:
    """Return the exit code after the reader of stdout has gone."""
    # The interpreter flushes stdout when it exits, and would print an error.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1
