"""Guess why no process of a run was traced, and what to do about it."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

_PYTHON = re.compile(r"(?:python|pypy)(?P<version>\d(?:\.\d+)?)?t?(?:\.exe)?")
# Programs that start others in a different environment or on another machine.
_ENVIRONMENT_CHANGERS = frozenset({"sudo", "su", "doas", "ssh", "docker", "podman", "tox", "nox", "bwrap", "firejail"})
_OLDEST = (3, 8)


def not_traced_reason(command: Sequence[str], cwd: Path, environment: Mapping[str, str], *, enabled: bool) -> str:
    """Return one or two sentences for the run report.

    Args:
        command: The words of the command.
        cwd: The folder to start it in.
        environment: The environment of the command.
        enabled: The project's switch; if off, the command is started without the tracer.
    """
    if not enabled:
        return 'The project is switched off. Switch it on: edit_config(set={"enabled": True}).'
    interpreter = _interpreter_line(_find_program(command[0], cwd, environment))
    words = list(command)
    # The first line of a script names its interpreter. "python" may itself be a shell script (pyenv).
    if interpreter and not _PYTHON.fullmatch(Path(command[0]).name):
        words = [*interpreter, *command[1:]]
    for position, word in enumerate(words):
        if python := _PYTHON.fullmatch(Path(word).name):
            return _about_python(word, python["version"], words[position + 1 :])
    first = Path(command[0]).name
    if first in _ENVIRONMENT_CHANGERS or words[:2] == ["env", "-i"]:
        return (
            f"{first} starts its programs with another environment, without the tracer's PYTHONPATH and "
            f"BREADCRUMB_TRACE are missing. Start the Python program directly, or let these two variables through."
        )
    if interpreter:
        return f"{first} is a script for {interpreter[0]}, and no Python that it started was traced."
    return (
        f"{first} is not a Python program, and it started no Python that the tracer could follow. "
        f'Run the Python program itself, for example ["python", "app.py"].'
    )


def _about_python(word: str, version: str | None, arguments: Sequence[str]) -> str:
    if flags := _blocking_flags(arguments):
        named = " and ".join(f"-{flag}" for flag in flags)
        return (
            f"Python was started with {named}, which keeps it from loading the tracer "
            f"(it ignores PYTHONPATH or skips site). Run the command without {named}."
        )
    if (version and "." in version and tuple(int(part) for part in version.split(".")) < _OLDEST) or version == "2":
        return f"{Path(word).name} is too old: the tracer needs Python 3.8 or newer."
    return (
        "Python started without loading the tracer. Likely: something on the way emptied the environment "
        "(env -i, sudo, tox), this Python is older than 3.8, or the process ended before it had started up. "
        "Start the interpreter directly and see stderr."
    )


def _blocking_flags(arguments: Sequence[str]) -> list[str]:
    """Return which of S, E and I are among the interpreter's options, not the program's."""
    found: list[str] = []
    words = iter(arguments)
    for word in words:
        if not word.startswith("-") or word == "-":
            break
        if word.startswith("--"):
            continue
        for position, letter in enumerate(word[1:], 1):
            if letter in "cm":
                return found
            if letter in "WX":
                if position == len(word) - 1:
                    next(words, None)
                break
            if letter in "SEI" and letter not in found:
                found.append(letter)
    return found


def _find_program(name: str, cwd: Path, environment: Mapping[str, str]) -> Path | None:
    found = str(cwd / name) if "/" in name else shutil.which(name, path=environment.get("PATH", os.defpath))
    return Path(found) if found else None


def _interpreter_line(program: Path | None) -> list[str]:
    """Return the words of a ``#!`` line; empty for a binary."""
    if program is None:
        return []
    try:
        with program.open("rb") as stream:
            line = stream.readline(1000)
    except OSError:
        return []
    return line[2:].decode("utf-8", errors="replace").split() if line.startswith(b"#!") else []
