"""Have a process of the server store the traces beside a database: the traced program imports no DuckDB.

The process is not traced, and in a process group of its own, so that Ctrl-C in the terminal does not end it. The values
that the program knows as secrets go to it through its stdin, what went wrong comes back from its stdout.
"""

from __future__ import annotations

import sys

from ..record_format import STORED
from .children import without_tracer
from .host import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

ENV_SERVER_PYTHON = "BREADCRUMB_SERVER_PYTHON"

_SERVER = "breadcrumb_server"
_SERVER_COMMAND = "breadcrumb-mcp"
_NEEDS_PYTHON = (3, 11)
# -P: the current folder is not searched for modules, which the program may have by any name.
_AS_MODULE = ["-P", "-m", _SERVER]
_STORE = "store"

_NO_FILE = "/dev/null"
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_O_WRONLY = 1
_READ_BYTES = 4096

_importlib: Any = sys.modules["_frozen_importlib"]


class ServerCommand:
    """How the server is run.

    Args:
        words: The words of the command.
        environment: Its variables.
    """

    def __init__(self, words: List[str], environment: Dict[str, str]) -> None:
        self.words = words
        self.environment = environment


def find_server() -> Optional[ServerCommand]:
    """Find the server: of the Python that is named, of this one, or on the PATH; return None if it is nowhere.

    Asks the import system whether this Python has it, without importing it.
    """
    own_environment = without_tracer(host.environ)
    # What PYTHONPATH has for this Python need not fit another one.
    environment = {name: value for name, value in own_environment.items() if not name.startswith("PYTHON")}
    named = host.environ.get(ENV_SERVER_PYTHON)
    if named:
        return ServerCommand([host.expanduser(named), *_AS_MODULE], environment)
    if sys.version_info[:2] >= _NEEDS_PYTHON and _importlib._find_spec(_SERVER, None) is not None:
        python = _python()
        if python:
            return ServerCommand([python, *_AS_MODULE], own_environment)
    for folder in (sys.prefix + "/bin", *host.environ.get("PATH", "").split(":")):
        script = "%s/%s" % (folder, _SERVER_COMMAND)
        if folder and host.isfile(script) and host.access(script, host.X_OK):
            return ServerCommand([script], environment)
    return None


def _python() -> str:
    """Return the path of this Python; in a program that embeds it, such as uWSGI, sys.executable is that program."""
    beside = sys.prefix + "/bin/python3"
    if "python" in host.basename(sys.executable or ""):
        return sys.executable
    return beside if host.isfile(beside) else ""


# Processes that nobody waits for: they are reaped when the next one starts.
_left_behind: List[int] = []


def _reap_left_behind() -> None:
    for pid in list(_left_behind):
        try:
            if host.waitpid(pid, host.WNOHANG)[0] == 0:
                continue
        except ChildProcessError:  # the program has reaped it, or this is a forked child
            pass
        _left_behind.remove(pid)


class Storing:
    """A process that stores the traces beside a database.

    Args:
        server: What ``find_server`` has returned.
        database: The absolute path of the database.
        trace_id: The trace to report about, if something goes wrong; empty for none.
        secrets: The values known as secrets, each ended by a NUL byte.

    Raises:
        OSError: The process cannot be started.
    """

    def __init__(self, server: ServerCommand, database: str, trace_id: str = "", secrets: bytes = b"") -> None:
        _reap_left_behind()
        arguments = [*server.words, _STORE, database, *([trace_id] if trace_id else [])]
        if host.posix_spawn is None:
            raise OSError("this system cannot start processes")
        stdin, to_process = host.pipe()
        from_process, stdout = host.pipe()
        try:
            self._pid: int = host.posix_spawn(
                server.words[0],
                arguments,
                server.environment,
                file_actions=[
                    (host.POSIX_SPAWN_DUP2, stdin, _STDIN),
                    (host.POSIX_SPAWN_DUP2, stdout, _STDOUT),
                    (host.POSIX_SPAWN_OPEN, _STDERR, _NO_FILE, _O_WRONLY, 0),
                ],
                setpgroup=0,
                setsigmask=[],
            )
        except BaseException:
            host.close(to_process)
            host.close(from_process)
            raise
        finally:
            host.close(stdin)
            host.close(stdout)
        self._from_process = from_process
        try:
            while secrets:
                secrets = secrets[host.write(to_process, secrets) :]
        except BrokenPipeError:  # it has ended already; its report says why
            pass
        finally:
            host.close(to_process)

    def wait(self, seconds: float) -> Optional[str]:
        """Wait until the process has ended, or the time is over; afterwards it goes on by itself.

        Returns:
            What went wrong; empty if nothing did, None if the process has not ended yet.
        """
        deadline = host.monotonic() + seconds
        readable = host.poll()
        readable.register(self._from_process)
        report = b""
        try:
            while True:
                left = deadline - host.monotonic()
                if left <= 0 or not readable.poll(left * 1000):
                    return None
                data = host.read(self._from_process, _READ_BYTES)
                if not data:
                    text = report.decode("utf-8", "replace").strip()
                    return "" if text == STORED else text or "the process that stores it has failed"
                report += data
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let the process go on by itself."""
        _left_behind.append(self._pid)
        host.close(self._from_process)
