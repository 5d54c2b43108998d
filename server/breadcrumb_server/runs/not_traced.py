"""Say why no process of a run was traced, as far as the command shows it; ``untraced.py`` tells what was seen."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from breadcrumb_server.runs.python_command import is_python, read_python_command

# Programs that start others on another machine, in a container or as another user.
_ELSEWHERE = frozenset({"sudo", "su", "doas", "ssh", "docker", "podman", "kubectl", "vagrant", "bwrap", "firejail"})
# PYTHONPATH=... in the code of a shell or before the command of env, up to the next space, and not with its old value.
_SETS_PATH = re.compile(r"""(?:^|[\s;&|(])PYTHONPATH=(?P<value>"[^"]*"|'[^']*'|[^\s;&|)]*)""")
# Words of the code of a shell, without its syntax.
_CODE_WORD = re.compile(r"""[^\s;&|()"'`$]+""")
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "busybox"})
MAX_NAMED = 5


def not_traced_reason(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    *,
    switched_off: str = "",
    seen: Sequence[str] = (),
) -> str:
    """Return one or two sentences for the report of a run of which no Python was seen that did not load the tracer.

    Args:
        command: The words of the command.
        cwd: The folder to start it in.
        environment: The environment of the command.
        switched_off: Name of the project if it is switched off: then the command is started without the tracer.
        seen: The names of the programs that ran, as far as they were seen.
    """
    if switched_off:
        call = f'edit_config(project="{switched_off}", set={{"enabled": True}})'
        return f"The project is switched off. Switch it on: {call}."
    line = interpreter_line(_find_program(command[0], cwd, environment))
    words = list(command)
    # The first line of a script names its interpreter. "python" may itself be a shell script (pyenv).
    if line and not is_python(command[0]):
        words = [*line, *command[1:]]
    first = Path(command[0]).name
    value = replaced_python_path(words)
    if value is not None:
        return (
            f"The command sets PYTHONPATH={value}, which takes the tracer's folder off it. "
            f'Give run env={{"PYTHONPATH": "{value}"}} instead, or keep the old value: {value}:$PYTHONPATH.'
        )
    if words[:2] == ["env", "-i"] and not seen:
        return "env -i empties the environment: BREADCRUMB_TRACE and PYTHONPATH are missing. Let both through."
    for position, word in enumerate(words):
        if is_python(word):
            return _about_python(words[position:])
    if names_python(words):
        return (
            f"The code of {first} names a Python, but none was seen, and none loaded the tracer: why is not known. "
            "Run the Python program itself."
        )
    if first in _ELSEWHERE:
        return (
            f"{first} starts its programs elsewhere (as another user, in a container, on another machine), where the "
            "tracer's variables do not reach. Start the Python program directly."
        )
    others = [name for name in seen if name != first]
    if others:
        named = ", ".join(others[:MAX_NAMED]) + (", …" if len(others) > MAX_NAMED else "")
        started = f"it started no Python that was seen (but {named})"
    else:
        started = "it started no Python that was seen"
    return (
        f"{first} is not a Python program, and {started}. "
        f'Run the Python program itself, for example ["python", "app.py"].'
    )


def replaced_python_path(words: Sequence[str]) -> str | None:
    """Return the PYTHONPATH that a command sets for a program, without its old value; None if it sets none.

    Args:
        words: A command with the code of a shell, or with ``env``.
    """
    sets = _SETS_PATH.search(" ".join(words))
    value = sets["value"].strip("\"'") if sets else None
    return None if value is None or "PYTHONPATH" in value else value


def names_python(words: Sequence[str]) -> bool:
    """Return whether a command is the code of a shell that names a Python.

    Args:
        words: The command.
    """
    is_shell = PurePath(words[0]).name in SHELLS
    return is_shell and any(is_python(name) for word in words[1:] for name in _CODE_WORD.findall(word))


def interpreter_line(program: Path | None) -> list[str]:
    """Return the words of a ``#!`` line; empty for a binary, and for None.

    Args:
        program: The path of a program.
    """
    if program is None:
        return []
    try:
        with program.open("rb") as stream:
            line = stream.readline(1000)
    except OSError:
        return []
    return line[2:].decode("utf-8", errors="replace").split() if line.startswith(b"#!") else []


def _about_python(words: Sequence[str]) -> str:
    command = read_python_command(words)
    if command.runs_nothing:
        return "This command of Python runs no program."
    if command.isolating:
        return (
            f"Python was started with {command.options}, which keeps it from loading the tracer "
            f"(it ignores PYTHONPATH or skips site). Run the command without {command.options}."
        )
    if command.is_too_old:
        return f"{Path(words[0]).name} is too old: the tracer needs Python 3.8 or newer."
    return (
        "Python did not load the tracer, and why is not known: neither its options nor what was seen of it shows a "
        "cause. It may have ended before it had started up: see stderr."
    )


def _find_program(name: str, cwd: Path, environment: Mapping[str, str]) -> Path | None:
    found = str(cwd / name) if "/" in name else shutil.which(name, path=environment.get("PATH", os.defpath))
    return Path(found) if found else None
