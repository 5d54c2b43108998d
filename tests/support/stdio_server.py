"""A server process on stdio, and a minimal client that sees every line of it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import Any

from breadcrumb_server.projects.home import Home

HANG_SECONDS = 60


class ServerProcess:
    """A server process with a minimal client."""

    def __init__(self, home: Home, command: list[str], hang_seconds: float = HANG_SECONDS) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "BREADCRUMB_HOME": str(home.folder)},
        )
        self._watchdog = threading.Timer(hang_seconds, self.process.kill)
        self._watchdog.start()
        self._number = 0
        self.request(
            "initialize",
            {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
        )
        self.send({"method": "notifications/initialized"})

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def start_call(self, tool: str, **arguments: Any) -> int:
        """Send a call without waiting; return the number of its answer."""
        self._number += 1
        params = {"name": tool, "arguments": arguments}
        self.send({"id": self._number, "method": "tools/call", "params": params})
        return self._number

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        self.send({"id": self._number, "method": method, "params": params})
        return self.answer(self._number)

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self.answer(self.start_call(tool, **arguments))
        assert not result["isError"], result
        answer: dict[str, Any] = result["structuredContent"]
        return answer

    def answer(self, number: int) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)  # fails if stdout has anything but the protocol
            if message.get("id") == number:
                result: dict[str, Any] = message["result"]
                return result
        raise AssertionError(f"no answer {number}: {self.process.stderr and self.process.stderr.read()}")

    def send_line(self, line: str) -> None:
        """Send text as it is."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def next_message(self) -> dict[str, Any]:
        """Return the next message of the server."""
        assert self.process.stdout is not None
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        return message

    def end(self) -> tuple[str, str]:
        """Close stdin and wait for the end of the server; return its remaining stdout and its stderr."""
        output = self.process.communicate(timeout=HANG_SECONDS)
        self.close()
        return output

    def close(self) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                stream.close()
