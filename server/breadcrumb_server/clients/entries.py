"""Make the entry of a client: the command that starts the server, and what else the client wants."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from breadcrumb_server.clients import json_text, toml_text
from breadcrumb_server.clients.descriptions import JSON, SERVER_NAME, Client, Scope
from breadcrumb_server.projects.home import ENV_HOME
from breadcrumb_server.tool_sets import ENV_TOOLS

PROGRAM = "breadcrumb-mcp"
# uvx makes its environments in a cache that may be emptied at any time.
_TEMPORARY = ("archive-v0", "builds-v0", "environments-v2")


@dataclass(frozen=True)
class Launch:
    """How to start the server.

    Args:
        command: The program.
        args: Its arguments.
        env: Variables that it needs.
        notes: What to know about it.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()


def launch_for(scope: Scope, environ: Mapping[str, str] = os.environ) -> Launch:
    """Return how the entry of a scope starts the server.

    A file of the project goes to other people and machines, so that the program is named without its folder. Anywhere
    else it is the path of the one beside the running interpreter: clients do not search the PATH of your shell.
    """
    if scope == "project":
        return Launch(
            PROGRAM,
            notes=(f"The file is for everyone who has the project: {PROGRAM} has to be on the PATH of their client.",),
        )
    home, tools = environ.get(ENV_HOME), environ.get(ENV_TOOLS)
    env = {ENV_HOME: str(Path(home).expanduser().absolute())} if home else {}
    env |= {ENV_TOOLS: tools} if tools else {}
    notes = [f"It has {' and '.join(env)} as set in this shell."] if env else []
    if any(part in _TEMPORARY for part in Path(sys.prefix).parts):
        notes.append(
            "This Python is in a cache of uvx, which may be emptied: install Breadcrumb for good (uv tool install, "
            "pipx install) and run that one's breadcrumb install."
        )
    program = Path(sys.executable).with_name(PROGRAM)
    if os.access(program, os.X_OK):
        return Launch(str(program), env=env, notes=tuple(notes))
    return Launch(sys.executable, ("-m", "breadcrumb_server"), env, tuple(notes))


def entry_for(client: Client, launch: Launch) -> dict[str, Any]:
    """Return the content of an entry."""
    entry: dict[str, Any] = {**client.before, "command": launch.command, "args": list(launch.args)}
    if launch.env:
        entry["env"] = dict(launch.env)
    return {**entry, **client.after}


def snippet(client: Client, keys: tuple[str, ...], entry: Mapping[str, Any]) -> str:
    """Return an entry as text to be pasted into the file of a client, with the keys that lead to it."""
    if client.file_format != JSON:
        return toml_text.render([*keys, SERVER_NAME], entry).rstrip("\n")
    document: dict[str, Any] = {SERVER_NAME: dict(entry)}
    for key in reversed(keys):
        document = {key: document}
    return json_text.render(document)


def missing_program(entry: Mapping[str, Any], folder: Path) -> str | None:
    """Return the program of an entry if it cannot be started, None if it can or the entry names none."""
    command: object = entry.get("command")
    if not isinstance(command, str):
        return None
    found = shutil.which(str(folder / command) if "/" in command else command)
    return None if found else command
