"""Real servers that start within milliseconds: forked from a process that has imported all that a server needs.

The imports take a second of computing, more than most of the tests need that start a server. The client starts a small
process, as it would start a server. That one hands its pipes, variables and working directory over to the forked server,
and ends when the server does.
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
from contextlib import contextmanager
from pathlib import Path

SERVER = "breadcrumb_server"
LONGEST_REQUEST = 200_000  # bytes: all environment variables

# Imports nothing but modules in C, so that a start costs next to nothing.
_HAND_OVER = """
import _socket, os, sys
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
connection.connect(sys.argv[1])
streams = b"".join(stream.to_bytes(4, sys.byteorder) for stream in (0, 1, 2))
request = repr((dict(os.environ), os.getcwd(), sys.argv[2:])).encode()
connection.sendmsg([request], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
nowhere = os.open(os.devnull, os.O_RDWR)
for stream in (0, 1, 2):  # only the server has the pipes now: the client sees them close when it ends
    os.dup2(nowhere, stream)
os._exit(int(connection.recv(16) or 1))
"""


def preloaded_command(path: Path) -> list[str]:
    """Return the command of a server that is forked by the process listening on *path*."""
    return [sys.executable, "-I", "-S", "-c", _HAND_OVER, str(path)]


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
    gc.freeze()  # keeps the pages shared
    print("ready", flush=True)

    servers: dict[int, tuple[int, socket.socket]] = {}  # by file descriptor of the process: pid, connection
    clients: dict[int, int] = {}  # by file descriptor of the connection: pid
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLIN)
    poll.register(listener, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == sys.stdin.fileno():
                return
            if descriptor == listener.fileno():
                connection, _ = listener.accept()
                request, streams, _, _ = socket.recv_fds(connection, LONGEST_REQUEST, 3)
                pid = os.fork()
                if pid == 0:
                    listener.close()
                    connection.close()
                    for process, (_, other) in servers.items():
                        os.close(process)
                        other.close()
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
                code = os.waitstatus_to_exitcode(status)
                if clients.pop(connection.fileno(), None) is not None:
                    poll.unregister(connection)
                    connection.send(str(code if code >= 0 else 128 - code).encode())
                connection.close()
            elif descriptor in clients:  # the client killed what it started
                poll.unregister(descriptor)
                os.kill(clients.pop(descriptor), signal.SIGTERM)


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
