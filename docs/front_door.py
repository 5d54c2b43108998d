"""Write the answers of the front door, as the MCP server gives them: ``python docs/front_door.py [--check]``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from breadcrumb_server.front_door.answers import (
    ANSWERS_FILE,
    ENVELOPE,
    HANDSHAKE,
    INITIALIZE,
    LIST_RESOURCES,
    LIST_TOOLS,
    PROJECT,
)
from breadcrumb_server.front_door.shapes import CLIENT_CAPABILITIES, PROTOCOL_VERSION
from breadcrumb_server.mcp_server.resources import MAX_LISTED_PROJECTS
from breadcrumb_server.projects.home import ENV_HOME, Home
from breadcrumb_server.tool_sets import ALL, ENV_TOOLS

LISTS = (LIST_TOOLS, "prompts/list", LIST_RESOURCES, "resources/templates/list")
METHODS = {HANDSHAKE: (INITIALIZE, "ping", *LISTS), ENVELOPE: ("server/discover", *LISTS)}
PARAMS: dict[str, dict[str, Any]] = {
    HANDSHAKE: {
        "protocolVersion": HANDSHAKE_PROTOCOL_VERSIONS[-1],
        "capabilities": {},
        "clientInfo": {"name": "front door", "version": "1"},
    },
    ENVELOPE: {"_meta": {PROTOCOL_VERSION: MODERN_PROTOCOL_VERSIONS[-1], CLIENT_CAPABILITIES: {}}},
}
# A name that stands nowhere else in the answers.
SAMPLE = "name-of-a-project"
# The front door leaves a session to the server with the first line that it does not understand.
NO_MESSAGE = "no message\n"

Result = dict[str, Any]


def answers_file() -> str:
    """Return the text of the file: what the server of this checkout answers, each answer in a line."""
    results: dict[str, dict[str, Result]] = {}
    project_resources: dict[str, list[Result]] = {}
    for era in METHODS:
        results[era], project_resources[era] = _answers(era)
    versions = {HANDSHAKE: HANDSHAKE_PROTOCOL_VERSIONS, ENVELOPE: MODERN_PROTOCOL_VERSIONS}
    content = {
        "versions": _lines({era: _line(each) for era, each in versions.items()}),
        "results": _lines({era: _lines({m: _line(r) for m, r in of.items()}) for era, of in results.items()}),
        "project_resources": _lines({era: _line(each) for era, each in project_resources.items()}),
        "max_projects": _line(MAX_LISTED_PROJECTS),
    }
    return _lines(content) + "\n"


def _lines(values: dict[str, str]) -> str:
    """Return an object of values that are JSON already, one in a line."""
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {value}" for key, value in values.items()) + "\n}"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _answers(era: str) -> tuple[dict[str, Result], list[Result]]:
    """Ask a server process; return the results by method, and the resources that it lists for each project."""
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with subprocess.Popen(
            [sys.executable, "-m", "breadcrumb_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, ENV_HOME: folder, ENV_TOOLS: ALL},
            text=True,
        ) as server:
            assert server.stdin is not None and server.stdout is not None

            def ask(method: str) -> Result:
                params = PARAMS[era] if era == ENVELOPE or method == INITIALIZE else {}
                request = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
                server.stdin.write(json.dumps(request) + "\n")
                server.stdin.flush()
                return json.loads(server.stdout.readline())["result"]

            server.stdin.write(NO_MESSAGE)
            server.stdin.flush()
            server.stdout.readline()  # the server refuses it
            results = {method: ask(method) for method in METHODS[era]}
            home.config_file(SAMPLE).touch()
            listed = ask(LIST_RESOURCES)["resources"]
    of_project = [
        {key: text.replace(SAMPLE, PROJECT) for key, text in resource.items()}
        for resource in listed
        if resource not in results[LIST_RESOURCES]["resources"]
    ]
    return results, of_project


if __name__ == "__main__":
    file = Path(ANSWERS_FILE)
    if sys.argv[1:] == ["--check"]:
        if not file.exists() or file.read_text() != answers_file():
            sys.exit(f"{file.name} of the front door is out of date: run `python docs/front_door.py` and commit it")
    else:
        file.write_text(answers_file())
