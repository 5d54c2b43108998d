"""Hold the answers that are alike in every session, as generated from the MCP server itself."""

from __future__ import annotations

import json
import os

from breadcrumb_server.tool_sets import is_loaded

TYPE_CHECKING = False  # typing is not imported at run time
if TYPE_CHECKING:
    from typing import Any

    Result = dict[str, Any]

HANDSHAKE = "handshake"
ENVELOPE = "envelope"

INITIALIZE = "initialize"
LIST_TOOLS = "tools/list"
LIST_RESOURCES = "resources/list"

# Stands for the name of a project in its resources.
PROJECT = "{project}"

# pathlib would take longer than everything else here.
ANSWERS_FILE = os.path.join(os.path.dirname(__file__), "answers.json")  # noqa: PTH118, PTH120


class Answers:
    """The answers of both eras of the protocol: the one of handshakes, and the one of envelopes around each request.

    Args:
        versions: Protocol versions by era, the newest last.
        results: Results by era and method.
        project_resources: By era, what ``resources/list`` has for each project.
        max_projects: Of how many projects it lists the resources.
        tool_set: Which tools are listed, see ``tool_sets``.
    """

    def __init__(
        self,
        versions: dict[str, list[str]],
        results: dict[str, dict[str, Result]],
        project_resources: dict[str, list[dict[str, str]]],
        max_projects: int,
        tool_set: str,
    ) -> None:
        self.versions = versions
        self._results = results
        for each in results.values():
            listed = each[LIST_TOOLS]
            listed["tools"] = [tool for tool in listed["tools"] if is_loaded(tool["name"], tool_set)]
        self._project_resources = project_resources
        self._max_projects = max_projects

    def negotiated(self, requested: str) -> str:
        """Return the version for a client that offers one in its handshake."""
        known = self.versions[HANDSHAKE]
        return requested if requested in known else known[-1]

    def initialized(self, version: str) -> Result:
        """Return the result of a handshake that ended with a version."""
        return self._results[HANDSHAKE][INITIALIZE] | {"protocolVersion": version}

    def result(self, era: str, method: str) -> Result | None:
        """Return the result of a method without parameters, or None if it is answered by the server only."""
        result = None if method == INITIALIZE else self._results[era].get(method)
        if result is None or method != LIST_RESOURCES:
            return result
        try:
            return result | {"resources": result["resources"] + self._resources_of_projects(era)}
        except (OSError, RuntimeError):  # the server tells why the projects cannot be listed
            return None

    def _resources_of_projects(self, era: str) -> list[dict[str, str]]:
        from breadcrumb_server.projects.home import Home  # imports much, and this is the only list that needs it

        return [
            {key: text.replace(PROJECT, name) for key, text in resource.items()}
            for name in Home.from_environment().project_names()[: self._max_projects]
            for resource in self._project_resources[era]
        ]


def load_answers(tool_set: str) -> Answers | None:
    """Return the generated answers, or None if they are missing or damaged: then the server answers everything.

    Args:
        tool_set: Which tools are listed, see ``tool_sets``.
    """
    try:
        with open(ANSWERS_FILE, "rb") as file:  # noqa: PTH123
            return Answers(**json.load(file), tool_set=tool_set)
    except (OSError, ValueError, TypeError, KeyError):
        return None
