"""Measure how long a client waits for the list of tools after it has started the server."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version

from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.clients.entries import launch_for
from breadcrumb_server.doctor.findings import Finding, ok, problem, warning

# Claude Code without a terminal (claude -p) sends its first request to the model one to two seconds after its start:
# the tools of a server that answers later are not in it.
GOOD_SECONDS, LATEST_SECONDS = 1.0, 2.0
MAX_SECONDS = 30.0
MAX_SHOWN_BYTES = 100
PROTOCOL_VERSION = "2025-06-18"


def check_first_turn() -> Finding:
    """Start the server as a client does, and time its answer; twice, because the first start may have to compile."""
    launch = launch_for("user")
    command = [launch.command, *launch.args]
    try:
        seconds = answer_seconds(command)
        if seconds >= GOOD_SECONDS:
            seconds = min(seconds, answer_seconds(command))
    except (OSError, ValueError) as error:
        return problem(
            "first turn", f"{launch.command} did not answer: {error}", "Start it yourself and read what it says."
        )
    found = f"the tools are there {seconds:.2f} s after the start"
    todo = (
        f"claude -p asks its model after {GOOD_SECONDS:g} to {LATEST_SECONDS:g} s, without tools that are not there. "
        "Try again when the machine is less busy, install on a local disk, and let the client start the program "
        "itself, not through uvx or a script. Sessions in a terminal wait longer."
    )
    if seconds < GOOD_SECONDS:
        return ok("first turn", found)
    return (warning if seconds < LATEST_SECONDS else problem)("first turn", found, todo)


def answer_seconds(command: Sequence[str]) -> float:
    """Start a server and return the seconds until its answer to ``tools/list``.

    Args:
        command: The words that start it.

    Raises:
        OSError: It cannot be started.
        ValueError: It ended, or answered with something else than the list.
    """
    hello = {
        "protocolVersion": PROTOCOL_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "breadcrumb-doctor", "version": version("breadcrumb-mcp")},
    }
    messages: list[dict[str, object]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
    ]
    started = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        watchdog = threading.Timer(MAX_SECONDS, process.kill)
        watchdog.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            for message in messages:
                process.stdin.write(json.dumps(message).encode() + b"\n")
                process.stdin.flush()
                if "id" not in message:
                    continue
                line = process.stdout.readline()
                answer: object = json.loads(line) if line else None
                if not is_object(answer) or "result" not in answer:
                    raise ValueError(f"its answer was {line[:MAX_SHOWN_BYTES]!r}" if line else "it has ended")
            return time.monotonic() - started
        finally:
            watchdog.cancel()
            process.kill()
