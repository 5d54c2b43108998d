"""Restrict a server to some commands and folders, as whoever starts it says; without it, a client may run anything.

It stands in the environment, so that what the server starts is restricted too. A variable that is set and empty allows
nothing: a mistake must not open what was to be closed.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from breadcrumb_storage.errors import BreadcrumbError

ENV_COMMANDS = "BREADCRUMB_ALLOW_COMMANDS"
ENV_WORKSPACES = "BREADCRUMB_ALLOW_WORKSPACES"
# Between the patterns of commands, which may hold spaces and colons.
SEPARATOR = ";"
_ANY_REST = "*"


class NotAllowed(BreadcrumbError):
    """The server is restricted, and does not allow this."""


class RestrictionsUnreadable(BreadcrumbError, ValueError):
    """What the environment or an option says cannot be read, so nothing could hold it."""


@dataclass(frozen=True)
class Restrictions:
    """What a server allows; None means everything.

    Args:
        commands: Patterns of commands, each a list of words.
        workspaces: Folders; what is below them is allowed too.
    """

    commands: tuple[tuple[str, ...], ...] | None = None
    workspaces: tuple[Path, ...] | None = None

    def check_command(
        self, command: Sequence[str], env: Mapping[str, str], cwd: Path, *, has_probes: bool = False
    ) -> None:
        """Refuse a command that is not allowed.

        Args:
            command: Its words.
            env: The variables that are added for it.
            cwd: Its folder.
            has_probes: Whether expressions of the caller are evaluated in it.

        Raises:
            NotAllowed: Says what is allowed instead.
        """
        self.check_folder(cwd, "cwd")
        if self.commands is None:
            return
        shown = (shlex.join(pattern).replace("'*'", "*") for pattern in self.commands)
        allowed = f"{SEPARATOR} ".join(shown) or "nothing"
        if not any(_matches(command, pattern) for pattern in self.commands):
            raise NotAllowed(
                f"This server does not allow the command: {shlex.join(command)[:200]}",
                why=f"It allows: {allowed}",
                hint=f"Run one of these. Whoever starts the server may allow more: --allow-command, or {ENV_COMMANDS}.",
            )
        if env:  # PATH, LD_PRELOAD, PYTHONSTARTUP, PYTEST_ADDOPTS, ...: any of them may make it another command
            raise NotAllowed(
                f"This server allows no variables for commands: {', '.join(sorted(env))[:200]}",
                why="It is restricted to some commands, and a variable could make another one of them.",
                hint="Leave env out.",
            )
        if has_probes:
            raise NotAllowed(
                "This server allows no probes.",
                why="It is restricted to some commands, and the expression of a probe is code.",
                hint="Leave probes out: show and get_calls have the values that were recorded.",
            )

    def check_folder(self, folder: Path, name: str) -> None:
        """Refuse a folder that is not below an allowed one, wherever links lead.

        Args:
            folder: The folder; it need not exist.
            name: The name of the argument or setting, for the error.

        Raises:
            NotAllowed: Says what is allowed instead.
        """
        if self.workspaces is None:
            return
        real = Path(os.path.realpath(folder))
        if any(real.is_relative_to(allowed) for allowed in self.workspaces):
            return
        raise NotAllowed(
            f"This server does not allow the folder of {name}: {str(folder)[:300]}",
            why=f"It allows what is below: {', '.join(map(str, self.workspaces)) or 'nothing'}",
            hint=f"Use one of these. Whoever starts the server may allow more: --allow-workspace, or {ENV_WORKSPACES}.",
        )


def current(variables: Mapping[str, str] = os.environ) -> Restrictions:
    """Return the restrictions that the environment says.

    Raises:
        RestrictionsUnreadable: A pattern cannot be read, or a folder is not absolute.
    """
    commands, workspaces = variables.get(ENV_COMMANDS), variables.get(ENV_WORKSPACES)
    return Restrictions(
        None if commands is None else tuple(_pattern(each) for each in commands.split(SEPARATOR) if each.strip()),
        None if workspaces is None else tuple(_folder(each) for each in workspaces.split(os.pathsep) if each),
    )


def restrict(commands: Sequence[str] | None, workspaces: Sequence[str] | None) -> None:
    """Put the values of the options into the environment, instead of what it says; None leaves it as it is.

    Raises:
        RestrictionsUnreadable: A value cannot be used; says which, and why.
    """
    for each in commands or ():
        if SEPARATOR in each:
            raise RestrictionsUnreadable(
                f"--allow-command {each!r} holds a {SEPARATOR!r}: give the option once for each command."
            )
    if commands:
        os.environ[ENV_COMMANDS] = SEPARATOR.join(commands)
    if workspaces:
        os.environ[ENV_WORKSPACES] = os.pathsep.join(workspaces)
    current()


def _pattern(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise RestrictionsUnreadable(f"{ENV_COMMANDS}: {text.strip()!r} cannot be split into words: {error}.") from None


def _folder(text: str) -> Path:
    folder = Path(text).expanduser()
    if not folder.is_absolute():
        raise RestrictionsUnreadable(f"{ENV_WORKSPACES}: {text!r} is not an absolute path.")
    return Path(os.path.realpath(folder))


def _matches(command: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the words of a command match those of a pattern; a last ``*`` stands for any further ones."""
    words = list(command)
    if pattern and pattern[-1] == _ANY_REST:
        pattern = pattern[:-1]
        words = words[: len(pattern)]
    if len(words) != len(pattern):
        return False
    # The program is compared as it is: "*" in it would stand for any program in any folder.
    return all(
        word == wanted if place == 0 else fnmatchcase(word, wanted)
        for place, (word, wanted) in enumerate(zip(words, pattern, strict=True))
    )
