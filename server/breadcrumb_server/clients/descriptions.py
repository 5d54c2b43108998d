"""Describe the clients: where each keeps its servers, in which format, and what an entry has beside the command.

Imports nothing heavy: the command line reads the names for its help.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# The name of the server in every client.
SERVER_NAME = "breadcrumb"

JSON, TOML = "json", "toml"
Scope = Literal["user", "project", "local"]
# user: all code of this user; project: a file of the code base, which git shares; local: this user in this code base.
SCOPES: tuple[Scope, ...] = ("user", "project", "local")

# Codex waits 10 s for a start and 60 s for an answer if nothing is said; other clients wait longer than `run` does.
CODEX_START_SECONDS = 30
CODEX_ANSWER_SECONDS = 600


@dataclass(frozen=True)
class Machine:
    """What decides where a client keeps its files.

    Args:
        home: The home folder of the user.
        platform: As in ``sys.platform``.
        environ: The environment variables.
    """

    home: Path
    platform: str
    environ: Mapping[str, str]

    @classmethod
    def this(cls) -> Machine:
        """Return the machine on which this process runs."""
        return cls(Path.home(), sys.platform, os.environ)

    @property
    def application_folder(self) -> Path:
        """Return the folder in which desktop programs keep their settings."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        return Path(self.environ.get("XDG_CONFIG_HOME") or self.home / ".config")


@dataclass(frozen=True)
class Location:
    """A place for entries.

    Args:
        base: What ``path`` is relative to: the ``home`` folder, the ``applications`` folder or the ``project``.
        path: The file.
        key: The keys that lead to the table of servers; ``{project}`` stands for the folder of the code base.
        moved_by: An environment variable that names another folder for the file.
    """

    base: Literal["home", "applications", "project"]
    path: str
    key: tuple[str, ...] = ("mcpServers",)
    moved_by: str = ""

    def file(self, machine: Machine, project: Path) -> Path:
        """Return the path of the file."""
        moved = machine.environ.get(self.moved_by) if self.moved_by else None
        if moved:
            return Path(moved).expanduser() / Path(self.path).name
        folders = {"home": machine.home, "applications": machine.application_folder, "project": project}
        return folders[self.base] / self.path

    def keys(self, project: Path) -> tuple[str, ...]:
        """Return the keys that lead to the table of servers."""
        return tuple(str(_root_of(project)) if key == "{project}" else key for key in self.key)


@dataclass(frozen=True)
class Client:
    """A client.

    Args:
        name: Its word on the command line.
        title: Its name.
        scopes: Where an entry goes, by scope; the first is the default.
        file_format: ``json`` or ``toml``.
        before: Fields of an entry that stand before the command.
        after: Fields that stand after it.
        programs: Names of its programs, to find out whether it is there.
        check: A command of the client that shows the entry; empty if it has none.
        then: What has to be done before the client uses the entry.
    """

    name: str
    title: str
    scopes: Mapping[Scope, Location]
    file_format: str = JSON
    before: Mapping[str, object] = field(default_factory=dict[str, object])
    after: Mapping[str, object] = field(default_factory=dict[str, object])
    programs: tuple[str, ...] = ()
    check: str = ""
    then: str = ""

    def is_found(self, machine: Machine) -> bool:
        """Return whether the client seems to be on this machine: one of its programs, or the folder of its settings."""
        file = self.scopes["user"].file(machine, machine.home)
        place = file if file.parent == machine.home else file.parent
        return place.exists() or any(_is_on_path(name, machine) for name in self.programs)


STDIO = {"type": "stdio"}

CLIENTS = (
    Client(
        "claude-code",
        "Claude Code",
        {
            "user": Location("home", ".claude.json", moved_by="CLAUDE_CONFIG_DIR"),
            "project": Location("project", ".mcp.json"),
            "local": Location(
                "home", ".claude.json", ("projects", "{project}", "mcpServers"), moved_by="CLAUDE_CONFIG_DIR"
            ),
        },
        before=STDIO,
        programs=("claude",),
        check=f"claude mcp get {SERVER_NAME}",
        then="Sessions that are open keep what they have: start a new one.",
    ),
    Client(
        "claude-desktop",
        "Claude Desktop",
        {"user": Location("applications", "Claude/claude_desktop_config.json")},
        programs=("claude-desktop",),
        then="Quit Claude Desktop and start it again.",
    ),
    Client(
        "codex",
        "Codex",
        {
            "user": Location("home", ".codex/config.toml", ("mcp_servers",), moved_by="CODEX_HOME"),
            "project": Location("project", ".codex/config.toml", ("mcp_servers",)),
        },
        file_format=TOML,
        after={"startup_timeout_sec": CODEX_START_SECONDS, "tool_timeout_sec": CODEX_ANSWER_SECONDS},
        programs=("codex",),
        check=f"codex mcp get {SERVER_NAME}",
    ),
    Client(
        "copilot",
        "GitHub Copilot CLI",
        {"user": Location("home", ".copilot/mcp-config.json", moved_by="COPILOT_HOME")},
        before={"type": "local"},
        after={"tools": ["*"]},
        programs=("copilot",),
        check=f"copilot mcp get {SERVER_NAME}",
    ),
    Client(
        "cursor",
        "Cursor",
        {"user": Location("home", ".cursor/mcp.json"), "project": Location("project", ".cursor/mcp.json")},
        before=STDIO,
        programs=("cursor", "cursor-agent"),
        then="Switch the server on in Cursor's settings, under MCP.",
    ),
    Client(
        "gemini",
        "Gemini CLI",
        {"user": Location("home", ".gemini/settings.json"), "project": Location("project", ".gemini/settings.json")},
        programs=("gemini",),
        check="gemini mcp list",
    ),
    Client(
        "vscode",
        "VS Code",
        {
            "user": Location("applications", "Code/User/mcp.json", ("servers",)),
            "project": Location("project", ".vscode/mcp.json", ("servers",)),
        },
        before=STDIO,
        programs=("code",),
        then="Run 'MCP: List Servers' in VS Code, start the server and trust it.",
    ),
    Client(
        "windsurf",
        "Windsurf",
        {"user": Location("home", ".codeium/windsurf/mcp_config.json")},
        programs=("windsurf",),
        then="Press the refresh button of the MCP servers in Cascade.",
    ),
)

BY_NAME = {client.name: client for client in CLIENTS}


def _root_of(folder: Path) -> Path:
    """Return the root of the git repository or work tree that a folder is in; the folder itself outside of one.

    Claude Code keeps what is local to a code base under this path.
    """
    folder = folder.resolve()
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def _is_on_path(name: str, machine: Machine) -> bool:
    folders = machine.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(Path(folder, name), os.X_OK) for folder in folders if folder)
