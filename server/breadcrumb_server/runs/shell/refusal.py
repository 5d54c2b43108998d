"""Say what to call instead of a run with shell syntax in its command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from breadcrumb.redaction.redactor import Redactor
from breadcrumb.value_format import REDACTED
from breadcrumb_server.answers.common.next_calls import call
from breadcrumb_server.runs.shell.rewrite import Instead
from breadcrumb_storage.errors import BreadcrumbError

# Parts of shell syntax that are named; one is enough to see what is meant.
MAX_FOUND = 8
QUOTE_HINT = "Or, if the program is to get it as it is: one string with that part in single quotes."


def shell_refused(
    project: str,
    instead: Instead,
    redactor: Redactor,
    *,
    timeout_seconds: float,
    cwd: str | None,
    env: Mapping[str, str],
    others: Sequence[str],
) -> BreadcrumbError:
    """Describe the shell syntax of a command, with the call that does the same.

    Args:
        project: The name of the project.
        instead: What to run instead.
        redactor: Knows what must not be shown.
        timeout_seconds: As given.
        cwd: As given.
        env: As given.
        others: The names of further arguments that were given.
    """
    redactor.learn_environment({**os.environ, **env})
    shown_env = {
        name: redactor.redact_command([f"{name}={value}"])[0].partition("=")[2]
        for name, value in {**env, **instead.env}.items()
    }
    folder = os.path.normpath(Path(cwd) / (instead.cwd or "")) if cwd else instead.cwd
    words = redactor.redact_command(instead.command)
    proposed = call(
        "run",
        project=project,
        command=shlex.join(words) if instead.as_string else words,
        timeout_seconds=int(timeout_seconds) if timeout_seconds == int(timeout_seconds) else timeout_seconds,
        cwd=folder,
        env=shown_env or None,
        stdin=redactor.redact_text(instead.stdin) if instead.stdin is not None else None,
    )
    notes = list(instead.notes)
    if REDACTED in proposed:
        notes.append(f"Put the values that you gave in the place of {REDACTED}.")
    if others := [name for name in others if not (name == "stdin" and instead.stdin is not None)]:
        notes.append(f"Keep {' and '.join(others)}.")
    found = ", ".join(redactor.redact_text(each) for each in instead.found[:MAX_FOUND])
    what = f"The command has shell syntax, but no shell runs it: {found}"
    if not words:
        return BreadcrumbError(
            what,
            why="It runs no program.",
            hint="Give the folder (cwd) and the variables (env) to the run of a program.",
        )
    return BreadcrumbError(
        what,
        why=f"Call instead: {proposed}",
        hint=" ".join([*notes, QUOTE_HINT]),
    )
