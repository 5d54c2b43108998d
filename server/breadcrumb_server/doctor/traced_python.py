"""Check the Python that a run would use: can the tracer be loaded into it, and does nothing hide it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breadcrumb.record_format import (
    CALLS_SUFFIX,
    ENV_CORE,
    EVENT_KEY,
    EVENT_NOTICE,
    EVENT_PROCESS,
    EVENTS_SUFFIX,
    KIND_CALL,
    NOTICE_CORE,
    NOTICE_NOT_OBSERVING,
)
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.common.parsed_json import is_object
from breadcrumb_server.doctor.findings import Finding, ok, problem, warning
from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.runs.launcher import child_environment, make_spool, write_tracer_config
from breadcrumb_server.runs.not_traced import not_traced_reason
from breadcrumb_server.runs.request import RunRequest, make_request
from breadcrumb_server.runs.untraced import UntracedPythons
from breadcrumb_server.workspace.interpreter import Interpreter, interpreter_for
from breadcrumb_storage.errors import BreadcrumbError

MAX_SECONDS = 30.0
MAX_OUTPUT_CHARS = 300
OTHER_PYTHON = "Name another one with --python, and in the command of a run."

# Runs in any Python, also in one that is too old: what it is, and which `breadcrumb` it would import.
_FACTS = """
import json, sys
try:
    from importlib.util import find_spec
    spec = find_spec("breadcrumb")
    origin = spec and (spec.origin or list(spec.submodule_search_locations or [""])[0])
except ImportError:
    origin = None
kind = sys.implementation.name if hasattr(sys, "implementation") else "python"
print(json.dumps([kind, list(sys.version_info[:3]), sys.executable, origin]))
"""
_TRACED = "def called_by_doctor(): pass\ncalled_by_doctor()"


@dataclass(frozen=True)
class _Facts:
    """What a Python says about itself."""

    implementation: str
    version: tuple[int, ...]
    executable: str
    breadcrumb: str | None  # where the untraced program would find a module of this name


def check_python(python: Path | None, folder: Path) -> Iterator[Finding]:
    """Check a Python.

    Args:
        python: The program; None means the one that a run in the folder would use.
        folder: The folder that runs start in.
    """
    chosen = Interpreter((str(python),)) if python else interpreter_for(folder, folder)
    shown = shlex.join(chosen.words)
    if chosen.is_managed:
        yield ok("python", f"{shown}, which makes or updates the environment and was therefore not tried")
        yield warning(
            "injection",
            "not tried",
            f"breadcrumb doctor --python \"$({shlex.join(chosen.words)} -c 'import sys; print(sys.executable)')\"",
        )
        return
    words = _absolute(chosen.words, folder)
    facts = _ask(words, folder)
    if isinstance(facts, str):
        yield problem("python", f"{shown} cannot be used: {facts}", OTHER_PYTHON)
        return
    number = ".".join(map(str, facts.version))
    yield ok("python", f"{shown} is {facts.implementation} {number} ({facts.executable})")
    yield from _check_injection(words, folder)
    yield _check_namesake(facts, folder)


def _absolute(words: Sequence[str], folder: Path) -> list[str]:
    """Return a command with the path of its program, which may be relative to the folder."""
    return [str(folder / words[0]) if "/" in words[0] else shutil.which(words[0]) or words[0], *words[1:]]


def _ask(words: Sequence[str], folder: Path) -> _Facts | str:
    """Return what a Python says about itself, or why it does not."""
    done = _run([*words, "-c", _FACTS], folder, dict(os.environ))
    if isinstance(done, str):
        return done
    try:
        kind, version, executable, origin = json.loads(done.stdout.splitlines()[-1])
        return _Facts(str(kind), tuple(int(part) for part in version), str(executable), origin and str(origin))
    except (ValueError, IndexError, TypeError):
        said = (done.stderr or done.stdout).strip()[-MAX_OUTPUT_CHARS:]
        return f"it ended with code {done.returncode} and said {said!r}"


def _check_injection(words: Sequence[str], folder: Path) -> Iterator[Finding]:
    """Run a few lines in the Python under the tracer, with a spool of their own, and look what was recorded."""
    config = ProjectConfig(project="doctor", workspace=str(folder), include=["__main__"])
    request = make_request(config, [*words, "-c", _TRACED], MAX_SECONDS, cwd=str(folder))
    try:
        with tempfile.TemporaryDirectory(prefix="breadcrumb-doctor-") as scratch:
            trace_id, spool = make_spool(Path(scratch))
            write_tracer_config(spool, trace_id, config, request)
            done = _run(request.command, folder, child_environment(request, spool, os.environ))
            if isinstance(done, str):
                yield problem("injection", done, OTHER_PYTHON)
                return
            yield _judge(spool, request, done)
            yield from _tell_core(list(_events(spool)))
    except BreadcrumbError as error:
        yield problem("injection", f"{error.what} {error.why}", error.hint)


def _judge(spool: Path, request: RunRequest, done: subprocess.CompletedProcess[str]) -> Finding:
    events = list(_events(spool))
    for event in events:
        if event.get(EVENT_KEY) == EVENT_NOTICE and event.get("code") == NOTICE_NOT_OBSERVING:
            return problem("injection", f"the tracer refuses this Python: {event.get('message')}", OTHER_PYTHON)
    is_loaded = any(event.get(EVENT_KEY) == EVENT_PROCESS for event in events)
    mark = f"{KIND_CALL}\t".encode()
    calls = sum(file.read_bytes().count(mark) for file in spool.glob(f"*{CALLS_SUFFIX}"))
    if is_loaded and calls:
        return ok("injection", f"the tracer was loaded and recorded {calls} calls")
    if is_loaded:
        return problem(
            "injection", "the tracer was loaded, but recorded no calls", "Report this as a defect, with this answer."
        )
    lines = UntracedPythons(spool, Redactor(), [], has_ended=True).lines([])
    why = lines[0] if lines else not_traced_reason(request.command, request.cwd, os.environ)
    said = (
        f" It ended with code {done.returncode}: {done.stderr.strip()[-MAX_OUTPUT_CHARS:]}" if done.returncode else ""
    )
    return problem("injection", f"the tracer was not loaded. {why}{said}", OTHER_PYTHON)


def _tell_core(events: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """Say which core of the tracer encoded the values, and why."""
    for event in events:
        name, why = event.get("core"), event.get("core_reason")
        if event.get(EVENT_KEY) == EVENT_PROCESS and name:
            text = f"{name}: {why}" if why else str(name)
            if any(other.get("code") == NOTICE_CORE for other in events):
                yield warning("core", text, f"Install Breadcrumb again with a C compiler, or leave {ENV_CORE} out.")
            else:
                yield ok("core", text)
            return


def _events(spool: Path) -> Iterator[dict[str, Any]]:
    for file in spool.glob(f"*{EVENTS_SUFFIX}"):
        for line in file.read_bytes().replace(b"\0", b"").splitlines():
            try:
                event: object = json.loads(line)
            except ValueError:  # the last one may have been cut off
                continue
            if is_object(event):
                yield event


def _check_namesake(facts: _Facts, folder: Path) -> Finding:
    """Look for another module of the tracer's name where the program would find it."""
    if facts.breadcrumb is None or _is_tracer(Path(facts.breadcrumb)):
        return ok("module name", "the program has no other module named breadcrumb")
    return warning(
        "module name",
        f"the program finds a module breadcrumb in {facts.breadcrumb}; while it is traced, `import breadcrumb` gives "
        "the tracer instead",
        "If the program uses that module, rename it, or uninstall it if it is the older tracer of that name.",
    )


def _is_tracer(module: Path) -> bool:
    """Return whether a module is the tracer, this one or another copy."""
    return (module.parent / "_inject" / "sitecustomize.py").is_file()


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str] | str:
    """Run a command, or say why that is not possible."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {MAX_SECONDS:g} s"
    except OSError as error:
        return f"it cannot be started ({error.strerror})"
