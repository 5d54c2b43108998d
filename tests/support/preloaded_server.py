"""Real servers that start within milliseconds: forked from a process that has imported all that a server needs.

The imports take a second of computing, more than most of the tests need that start a server. Tests start a small process
instead, which hands its pipes, variables and working directory over to the forked server. Only its pid is another one.
"""

from __future__ import annotations

import ast
import gc
import importlib
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SERVER = "breadcrumb_server"
LONGEST_REQUEST = 200_000  # bytes: all environment variables

# Stands for the server: hands on the signals that it gets, and ends as the server did. Imports nothing but modules in C, so
# that a start costs next to nothing.
_STAND_IN = """
import _signal, _socket, os, sys
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
connection.connect(sys.argv[1])
for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
    _signal.signal(number, lambda number, frame: connection.send(b"%d" % number))
streams = b"".join(stream.to_bytes(4, sys.byteorder) for stream in (0, 1, 2))
request = repr((dict(os.environ), os.getcwd(), sys.argv[2:])).encode()
connection.sendmsg([request], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
nowhere = os.open(os.devnull, os.O_RDWR)
for stream in (0, 1, 2):  # only the server has the pipes now: the client sees them close when it ends
    os.dup2(nowhere, stream)
code = int(connection.recv(16) or 1)
if code < 0:
    if code != -_signal.SIGKILL:
        _signal.signal(-code, _signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def preloaded_command(path: Path) -> list[str]:
    """Return the command of a server that is forked by the process listening on *path*."""
    return [sys.executable, "-I", "-S", "-c", _STAND_IN, str(path)]


@contextmanager
def preloaded_servers(path: Path) -> Iterator[None]:
    """Run the process that forks servers, with its socket at *path*."""
    with subprocess.Popen(
        [sys.executable, __file__, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "the process that forks servers did not start"
        yield
        process.communicate()  # ends it


def _serve(path: str) -> None:
    """Fork a server for each connection, until stdin ends. Returns in each forked server, too."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen()
    for module in pkgutil.walk_packages(importlib.import_module(SERVER).__path__, f"{SERVER}."):
        if not module.name.endswith("__main__") and ".demo." not in module.name:
            importlib.import_module(module.name)
    importlib.import_module("duckdb")
    importlib.import_module(f"{SERVER}.mcp_server.tools").all_tools()
    gc.freeze()  # keeps the pages shared
    print("ready", flush=True)

    servers: dict[int, tuple[int, socket.socket]] = {}  # by file descriptor of the process: pid, connection
    clients: dict[int, int] = {}  # by file descriptor of the connection: pid
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLIN)
    poll.register(listener, select.POLLIN)
    while True:
        descriptor = poll.poll()[0][0]  # one at a time: what is done for one may close the descriptor of the next
        if descriptor == sys.stdin.fileno():
            return
        if descriptor == listener.fileno():
            connection, _ = listener.accept()
            request, streams, _, _ = socket.recv_fds(connection, LONGEST_REQUEST, 3)
            pid = os.fork()
            if pid == 0:
                for other in (listener, connection, *(other for _, other in servers.values())):
                    other.close()
                for process in servers:
                    os.close(process)
                _become_server(streams, *ast.literal_eval(request.decode()))
                return
            for stream in streams:
                os.close(stream)
            process = os.pidfd_open(pid)
            servers[process] = pid, connection
            clients[connection.fileno()] = pid
            poll.register(process, select.POLLIN)
            poll.register(connection, select.POLLIN)
        elif descriptor in servers:
            poll.unregister(descriptor)
            os.close(descriptor)
            pid, connection = servers.pop(descriptor)
            _, status = os.waitpid(pid, 0)
            if clients.pop(connection.fileno(), None) is not None:
                poll.unregister(connection)
                with suppress(BrokenPipeError):  # it was killed
                    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
            connection.close()
        else:
            number = os.read(descriptor, 16)
            os.kill(clients[descriptor], int(number or signal.SIGKILL))  # nothing can hand on a SIGKILL
            if not number:
                poll.unregister(descriptor)
                del clients[descriptor]


def _become_server(streams: list[int], variables: dict[str, str], folder: str, arguments: list[str]) -> None:
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = [SERVER, *arguments]
    runpy.run_module(SERVER, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
