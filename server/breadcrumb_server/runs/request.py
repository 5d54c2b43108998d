"""Check the arguments of a run before anything is started."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from breadcrumb import record_format
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.projects.config import CaptureConfig, ProjectConfig
from breadcrumb_server.projects.paths import expanded
from breadcrumb_server.projects.validation_text import explain_validation
from breadcrumb_server.runs.probe_places import Probe, parse_probes
from breadcrumb_server.runs.shell.expansion import Surroundings
from breadcrumb_server.runs.shell.refusal import shell_refused
from breadcrumb_server.runs.shell.rewrite import Instead, without_shell
from breadcrumb_server.timeouts import MAX_TIMEOUT_SECONDS
from breadcrumb_storage.errors import BreadcrumbError

# Clients let one tool call take from one minute (Claude Desktop) to 30; a longer wait ends in an error of theirs.
MAX_WAIT_SECONDS = 1800.0
_ASSIGNMENT = re.compile(r"[^\W\d]\w*=")
# Labels are shown in tables, beside other columns.
MAX_LABEL_CHARS = 200


@dataclass(frozen=True)
class RunRequest:
    """A checked command to run, with its folder, limits and capture settings resolved."""

    command: list[str]
    cwd: Path
    timeout_seconds: float
    env: dict[str, str]
    stdin: str | None
    label: str | None
    capture: CaptureConfig
    further_lines: tuple[str, ...] = ()  # functions whose lines are recorded, besides those of ``capture``
    probes: tuple[Probe, ...] = ()
    suspects: Literal["auto", "off"] = record_format.DEFAULT_SUSPECTS


def make_request(
    config: ProjectConfig,
    command: str | Sequence[str],
    timeout_seconds: float,
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    label: str | None = None,
    capture: Mapping[str, object] | None = None,
    probes: Mapping[str, Sequence[str]] | None = None,
    suspects: Literal["auto", "off"] = "auto",
) -> RunRequest:
    """Check the arguments of a run.

    Args:
        config: The settings of the project.
        command: Words, or one string to be split as a shell would.
        timeout_seconds: More than 0 and at most a week.
        cwd: Absolute or relative to the workspace; None means the workspace, else the server's own folder.
        env: Variables to add to the server's environment.
        stdin: Text for the command to read; None means an empty input.
        label: A text by which a user finds the run.
        capture: Capture settings that differ from the project's for this run.
        probes: Expressions to evaluate, by place.
        suspects: Whether lines of tests are compared; "auto" means as the project says.

    Raises:
        BreadcrumbError: An argument cannot be used; says which, why, and what to do.
    """
    timeout_seconds = check_timeout(timeout_seconds)
    folder = _check_cwd(cwd, config)
    env = _check_env(env or {})
    redactor = Redactor(config.redact)
    variables = {**os.environ, **env}

    def is_secret(name: str, value: str) -> bool:
        return redactor.redact_command([f"{name}={value}"]) != [f"{name}={value}"]

    words = split_command(command, Surroundings(folder, variables, is_secret))
    if isinstance(words, Instead):
        given = {"stdin": stdin, "label": label, "capture": capture, "probes": probes}
        others = [name for name, value in given.items() if value is not None]
        raise shell_refused(
            config.project, words, redactor, timeout_seconds=timeout_seconds, cwd=cwd, env=env, others=others
        )
    words, set_before = without_env(words)
    env = {**env, **set_before}
    return RunRequest(
        command=words,
        cwd=folder,
        timeout_seconds=timeout_seconds,
        env=env,
        stdin=stdin,
        label=_check_label(label),
        capture=_merge_capture(config.capture, capture),
        probes=parse_probes(probes),
        suspects="off" if "off" in (suspects, config.suspects) else "auto",
    )


def without_env(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Take the variables that a command sets by ``env NAME=value ...``: PYTHONPATH then keeps the tracer's folder.

    Args:
        words: The command.

    Returns:
        The command that ``env`` would start, and the variables; the words as they are if ``env`` does more than that.
    """
    if Path(words[0]).name != "env":
        return words, {}
    first = next((number for number, word in enumerate(words[1:], 1) if not _ASSIGNMENT.match(word)), len(words))
    if first == len(words) or words[first].startswith("-"):
        return words, {}
    return words[first:], dict((word.partition("=")[0], word.partition("=")[2]) for word in words[1:first])


def split_command(command: str | Sequence[str], around: Surroundings) -> list[str] | Instead:
    """Return the words of a command, splitting a string as a shell would, or what to run instead of shell syntax.

    Args:
        command: Words, or one string.
        around: The folder and the variables of the run.

    Raises:
        BreadcrumbError: The command is empty, has an open quote or holds a NUL byte.
    """
    hint = 'Give a list such as ["python", "app.py"], or one string such as "python app.py".'
    if "\0" in "".join(command):
        raise BreadcrumbError("The command holds a NUL byte.", why="Arguments cannot contain one.", hint=hint)
    try:
        words = without_shell(command, around)
    except ValueError as error:
        raise BreadcrumbError(
            f"The command {command[:200]!r} cannot be split into words.", why=f"{error}.", hint=hint
        ) from None
    if not isinstance(words, Instead) and (not words or not words[0].strip()):
        raise BreadcrumbError("The command is empty.", hint=hint)
    return words


def check_timeout(seconds: float) -> float:
    """Check ``timeout_seconds``.

    Raises:
        BreadcrumbError: The number is not above 0 and at most a week.
    """
    if math.isfinite(seconds) and 0 < seconds <= MAX_TIMEOUT_SECONDS:
        return float(seconds)
    raise BreadcrumbError(
        f"timeout_seconds = {seconds} cannot be used.",
        why=f"It must be more than 0 and at most {MAX_TIMEOUT_SECONDS:,.0f} (a week): the command is ended then.",
        hint="Try timeout_seconds=60.",
    )


def check_wait(seconds: float) -> float:
    """Check ``wait_seconds``; 0 answers at once.

    Raises:
        BreadcrumbError: The number is not from 0 to MAX_WAIT_SECONDS.
    """
    if math.isfinite(seconds) and 0 <= seconds <= MAX_WAIT_SECONDS:
        return float(seconds)
    raise BreadcrumbError(
        f"wait_seconds = {seconds} cannot be used.",
        why=f"It must be 0 to {MAX_WAIT_SECONDS:,.0f}: how long this call waits for the end of the command.",
        hint="Try wait_seconds=45, then wait_for_run for a longer command.",
    )


def _check_cwd(cwd: str | None, config: ProjectConfig) -> Path:
    """Return the folder to start in: the given one, else the workspace, else the server's own."""
    base = config.workspace_folder() or Path.cwd()
    folder = base / expanded(cwd, "cwd") if cwd else base
    if folder.is_dir():
        return folder
    which = "cwd" if cwd else f"The workspace of project {config.project!r}"
    state = "is not a folder" if folder.exists() else "does not exist"
    raise BreadcrumbError(
        f"{which} {state}: {folder}",
        why="A relative cwd is taken from the workspace." if cwd and not Path(cwd).is_absolute() else "",
        hint="Give cwd the absolute path of an existing folder"
        + (
            "."
            if cwd
            else f', or correct it with edit_config(project="{config.project}", set={{"workspace": "/abs/path"}}).'
        ),
    )


def _check_env(env: Mapping[str, str]) -> dict[str, str]:
    for name, value in env.items():
        # Errors never show a value, because it may be a secret.
        if not name or "=" in name or "\0" in name:
            raise BreadcrumbError(
                f"env has a variable named {name!r}.",
                why="A name must not be empty and must hold neither '=' nor a NUL byte.",
            )
        if "\0" in value:
            raise BreadcrumbError(f"The value of the environment variable {name} holds a NUL byte.")
    return dict(env)


def _check_label(label: str | None) -> str | None:
    if label is not None and len(label) > MAX_LABEL_CHARS:
        raise BreadcrumbError(f"label has {len(label)} characters; at most {MAX_LABEL_CHARS} are allowed.")
    return label or None


def _merge_capture(base: CaptureConfig, changes: Mapping[str, object] | None) -> CaptureConfig:
    from pydantic import ValidationError

    if not changes:
        return base
    try:
        return CaptureConfig.model_validate({**base.model_dump(), **changes})
    except ValidationError as error:
        raise BreadcrumbError(
            "capture was refused.",
            why="\n".join(explain_validation(error, CaptureConfig)),
            hint='For example capture={"mode": "full", "lines": ["shop.pricing.total"]}; it holds for this run only.',
        ) from None
