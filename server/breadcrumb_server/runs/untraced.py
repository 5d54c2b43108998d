"""Tell which Pythons of a run did not load the tracer, why, and what to do.

Three sources are joined by pid: the processes that the server has seen (:mod:`process_watch`), what a traced parent
noted of a child's environment, and what the tracer wrote where it was found and could not start. A cause is named where
one of them shows it. Where none does, only that is said.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, cast

from breadcrumb.record_format import CHILDREN_SUFFIX, UNSTARTED_SUFFIX
from breadcrumb.redaction.redactor import Redactor
from breadcrumb_server.answers.common.text import clean, command_text, one_line
from breadcrumb_server.runs.not_traced import SHELLS, interpreter_line, names_python, replaced_python_path
from breadcrumb_server.runs.process_watch import SeenPython
from breadcrumb_server.runs.python_command import is_python, read_python_command
from breadcrumb_storage.queries.traces import TracedImage
from breadcrumb_storage.regular_file import read_regular

# A Python loads the tracer within a fraction of a second. For one that has not after this time, the cause is unknown.
STARTING_SECONDS = 5.0
# Kinds of Pythons that are told, and characters of the command and of the value of PYTHONPATH in each.
MAX_KINDS = 4
MAX_COMMAND_CHARS = 80
MAX_VALUE_CHARS = 40
# Characters of a folder with another sitecustomize; longer ones are no part of the proposed call.
MAX_FOLDER_CHARS = 110
# Of all files about children: some thousands of them. It is read while the database is held.
MAX_CHILDREN_BYTES = 4 << 20
# What the tracer writes when it cannot start; the program can write anything there.
_FAILURE = re.compile(r"version \d+\.\d+|format \d+ \d+|error \w+ at [\w.]+:\d+")


@dataclass(frozen=True)
class _Untraced:
    """A Python that did not load the tracer, with the cause as a sentence about it, and what to do."""

    pid: int
    words: tuple[str, ...]
    why: str
    advice: str = ""
    is_of_a_tool: bool = False


class UntracedPythons:
    """The Pythons of a run that did not load the tracer, as of the moment at which this is made.

    Args:
        spool: The spool folder of the run.
        redactor: Redacts commands and values.
        seen: The Pythons that were seen among its processes.
        has_ended: Whether the command has ended: no Python is still starting then.
    """

    def __init__(self, spool: Path, redactor: Redactor, seen: Sequence[SeenPython], *, has_ended: bool) -> None:
        self._spool = spool
        self._redactor = redactor
        # Copies: one that ends later may have records that the ingest of this moment does not read.
        self._seen = [replace(each) for each in seen]
        self._has_ended = has_ended
        self._now = time.monotonic()

    def lines(self, traced: Sequence[TracedImage]) -> list[str]:
        """Return one line for each kind of Python that did not load the tracer.

        Args:
            traced: The traced processes, read after this was made.
        """
        found = list(self._untraced(traced))
        if traced:  # what tools ask of a Python before they start the program
            found = [each for each in found if not each.is_of_a_tool]
        kinds: dict[tuple[str, str], list[_Untraced]] = {}
        for each in found:
            kinds.setdefault((each.why, each.advice), []).append(each)
        lines = [self._line(why, advice, pythons) for (why, advice), pythons in kinds.items()]
        left = len(lines) - MAX_KINDS
        return [
            *lines[:MAX_KINDS],
            *([f"… {left} more kinds of Pythons that did not load the tracer"] if left > 0 else []),
        ]

    def _line(self, why: str, advice: str, pythons: Sequence[_Untraced]) -> str:
        last = pythons[-1]  # a tool that prepares something does so before it starts the program
        command = command_text(self._redactor.redact_command(list(last.words)), MAX_COMMAND_CHARS)
        more = len(pythons) - 1
        others = f" and {more:,} more" if more else ""
        text = self._redactor.redact_text(f"{why}. {advice}." if advice else f"{why}.")
        return clean(f"{command} (pid {last.pid}){others}: {text}")

    def _untraced(self, traced: Sequence[TracedImage]) -> Iterator[_Untraced]:
        """Yield the Pythons that did not load the tracer, in the order in which they were seen."""
        traced_images = {each.image for each in traced if each.image}
        traced_pids = {each.pid for each in traced}
        failures = self._failures()
        seen_pids: set[int] = set()
        parents = {each.parent for each in self._seen} | {each.parent for each in traced}
        noted = {child.pid: child for child in self._children()}
        for seen in self._seen:
            if seen.image in traced_images if seen.image else seen.pid in traced_pids:
                seen_pids.add(seen.pid)
                continue
            if not seen.environment_is_known and seen.pid in noted and seen.pid not in failures:
                continue  # it ended before it could be looked at: its parent knows more
            if found := self._about_seen(seen, failures.pop(seen.pid, ""), traced_pids):
                seen_pids.add(seen.pid)
                yield found
        # Also of a traced process: it may have replaced itself by one that was too short-lived to be seen.
        for pid, failure in failures.items():
            yield _Untraced(pid, ("python",), *_about_failure(failure))
        for child in noted.values():
            # The children of a shell are known better than its code.
            if child.pid not in seen_pids and child.pid not in traced_pids and child.pid not in parents:
                yield child

    def _about_seen(self, seen: SeenPython, failure: str, traced_pids: set[int | None]) -> _Untraced | None:
        command = read_python_command(seen.words, seen.program)
        if command.runs_nothing:
            return None

        def untraced(why: str, advice: str = "", *, is_of_a_tool: bool = False) -> _Untraced:
            return _Untraced(seen.pid, tuple(seen.words), why, advice, is_of_a_tool)

        if failure:
            return untraced(*_about_failure(failure))
        if command.is_too_old:
            return untraced(*_too_old(command.version))
        if command.isolating:
            is_of_a_tool = not self._is_started_by_user(seen, traced_pids) and not _is_in(command.script, seen.folder)
            return untraced(*_isolated(command.options), is_of_a_tool=is_of_a_tool)
        if seen.trace is not None and seen.trace != os.fsdecode(self._spool):
            return None  # a part of another trace: the program runs a server of its own
        if seen.user != os.geteuid():
            return untraced(
                f"it runs as another user ({_user_name(seen.user)}), whom the tracer does not reach",
                "Run it as yourself",
            )
        if not seen.environment_is_known:
            return self._unknown(seen, "its environment cannot be read", untraced)
        if seen.trace is None:
            return untraced(*_replaced_environment(seen.starter))
        if not seen.has_folder:
            path = self._redactor.redact_text(seen.python_path or "")
            return untraced(*_replaced_path(path, from_shell=seen.is_root or seen.starter in SHELLS))
        if seen.shadow:
            return untraced(*_shadowed(str(PurePath(seen.shadow).parent)))
        return self._unknown(seen, "its options and environment allow it", untraced)

    def _unknown(self, seen: SeenPython, known: str, untraced: Callable[[str], _Untraced]) -> _Untraced | None:
        """Return a Python without a known cause, unless it may be just starting."""
        if not (self._has_ended or seen.has_ended or self._now - seen.seen_at > STARTING_SECONDS):
            return None
        if any(self._spool.glob(f"{seen.pid}-*")):  # the tracer started, and could not write its first record
            return None
        ended = "; it may have ended before it could" if seen.has_ended or self._has_ended else ""
        return untraced(f"it did not load the tracer, and why is not known ({known}{ended})")

    def _is_started_by_user(self, seen: SeenPython, traced_pids: set[int | None]) -> bool:
        """Return whether the program, the command itself or a shell has started a Python, and not another tool."""
        return seen.is_root or seen.parent in traced_pids or seen.starter in SHELLS

    def _failures(self) -> dict[int, str]:
        """Return why the tracer could not start in a process, by pid."""
        found: dict[int, str] = {}
        for file in sorted(self._spool.glob(f"*{UNSTARTED_SUFFIX}")):
            try:
                failure = read_regular(file).decode("ascii", errors="replace")
                if _FAILURE.fullmatch(failure):
                    found[int(file.stem)] = failure
            except (OSError, ValueError):
                continue
        return found

    def _children(self) -> Iterator[_Untraced]:
        """Yield the Pythons among the children that traced processes have noted."""
        bytes_left = MAX_CHILDREN_BYTES
        for file in sorted(self._spool.glob(f"*{CHILDREN_SUFFIX}")):
            try:
                content = read_regular(file, bytes_left)
            except OSError:
                continue
            bytes_left -= len(content)
            lines = content.decode("utf-8", errors="replace").splitlines()
            for line in lines:
                if found := _child(line):
                    yield found


def _child(line: str) -> _Untraced | None:
    """Return a noted child if it is a Python that did not load the tracer."""
    try:
        record = cast("dict[str, Any]", json.loads(line))
        pid, words = int(record["pid"]), [str(word) for word in record["command"]]
        program, path = str(record["program"]), record["python_path"]
        has_trace, has_folder = bool(record["has_trace"]), bool(record["has_folder"])
    except (ValueError, KeyError, TypeError):  # cut off at a full disk
        return None
    python = _python_words(words, program)
    if python is None:
        return _child_of_shell(pid, words, path, has_trace=has_trace, has_folder=has_folder)
    command = read_python_command(python, program if is_python(program) else "")
    if command.runs_nothing:
        return None
    if command.is_too_old:
        why = _too_old(command.version)
    elif command.isolating:
        why = _isolated(command.options)
    elif not has_trace:
        why = _replaced_environment("")
    elif not has_folder:
        why = _replaced_path(path, from_shell=False)
    else:
        return None
    return _Untraced(pid, tuple(words), *why)


def _child_of_shell(
    pid: int, words: list[str], path: str | None, *, has_trace: bool, has_folder: bool
) -> _Untraced | None:
    """Return the Python that a shell or ``env`` starts, by what its command says."""
    is_env = bool(words) and PurePath(words[0]).name == "env" and any(map(is_python, words[1:]))
    if not words or not (is_env or names_python(words)):
        return None
    own_path = replaced_python_path(words)
    if not has_trace:
        return _Untraced(pid, tuple(words), *_replaced_environment(""))
    if own_path is not None or not has_folder:
        return _Untraced(pid, tuple(words), *_replaced_path(own_path or path, from_shell=False))
    return None


def _python_words(words: list[str], program: str) -> list[str] | None:
    """Return the command of the Python that a command starts: itself, or by the first line of its script."""
    if not words:
        return None
    if is_python(program) or is_python(words[0]):
        return words
    line = interpreter_line(Path(program)) if "/" in program else []
    position = next((at for at, word in enumerate(line) if is_python(word)), None)
    return None if position is None else [*line[position:], program, *words[1:]]


def _about_failure(failure: str) -> tuple[str, str]:
    kind, _, text = failure.partition(" ")
    if kind == "version":
        return _too_old(text)
    if kind == "format":
        why = "its tracer is of another version of Breadcrumb than the server, which was replaced while it ran"
        return why, "Restart the server"
    return f"the tracer could not start in it ({one_line(text, 100)})", "This is a bug of Breadcrumb: please report it"


def _too_old(version: str) -> tuple[str, str]:
    return f"Python {version} is too old", "The tracer needs Python 3.8 or newer"


def _isolated(options: str) -> tuple[str, str]:
    return f"it was started with {options}, which keeps Python from loading the tracer", f"Run it without {options}"


def _replaced_environment(starter: str) -> tuple[str, str]:
    advice = "Let both through"
    if starter == "tox":
        advice = "Add pass_env = BREADCRUMB_TRACE, PYTHONPATH to tox's settings"
    return "its environment was replaced, without BREADCRUMB_TRACE and the tracer's PYTHONPATH", advice


def _replaced_path(path: str | None, *, from_shell: bool) -> tuple[str, str]:
    if not path:
        return "PYTHONPATH, with the tracer's folder, was removed from its environment", "Let it through"
    is_short = len(path) <= MAX_VALUE_CHARS
    advice = "Keep the old value behind it" + (f": {path}:$PYTHONPATH" if is_short else "")
    if from_shell:
        advice += ", or give run " + (f'env={{"PYTHONPATH": "{path}"}}' if is_short else "that PYTHONPATH as env")
    return f"its PYTHONPATH was replaced by {one_line(path, MAX_VALUE_CHARS)}, without the tracer's folder", advice


def _shadowed(folder: str) -> tuple[str, str]:
    why = "another sitecustomize comes before the tracer's and does not load it"
    if len(folder) > MAX_FOLDER_CHARS:
        return (
            f"{why}: that of {one_line(folder, MAX_FOLDER_CHARS)}",
            "Run the program without the tool that put it there",
        )
    # Behind the tracer's folder, where the variables of run go, it is loaded by the tracer.
    return why, f'Run the program itself with env={{"PYTHONPATH": "{folder}"}}: both load then'


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _is_in(script: str, folder: str) -> bool:
    """Return whether a script is in a folder; False without one."""
    return bool(script) and (PurePath(folder) / script).is_relative_to(folder)
