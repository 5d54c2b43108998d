"""Find the syntax of a shell in a command, and say what to run instead."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from breadcrumb_server.runs.shell.arguments import (
    ASSIGNMENT,
    BUILTINS,
    code_positions,
    is_builtin,
    is_command,
    tokens_of,
)
from breadcrumb_server.runs.shell.expansion import Surroundings, expand
from breadcrumb_server.runs.shell.words import Operator, Piece, Token, Word, join_words, split_line

# Filters that only shorten the output, of which the answer has the end.
_SHORTENING = frozenset({"head", "tail", "cat", "less", "more"})

NOTE_OUTPUT = "The answer has the end of stdout and of stderr."
NOTE_EXIT = "The answer has the exit code."
NOTE_BACKGROUND = "The command goes on after wait_seconds, until timeout_seconds."


@dataclass(slots=True)
class Instead:
    """A command without shell syntax that does what one with it would do in a shell."""

    found: list[str] = field(default_factory=list[str])  # the syntax, as it is written
    command: list[str] = field(default_factory=list[str])  # empty: no program was to be run
    as_string: bool = False  # the command has to be given as one string, with quotes
    cwd: str | None = None  # relative to the folder of the run
    env: dict[str, str] = field(default_factory=dict[str, str])
    stdin: str | None = None
    notes: list[str] = field(default_factory=list[str])

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(slots=True)
class _Command:
    """A simple command: assignments, words and redirections, with the operator behind it."""

    assignments: list[Word] = field(default_factory=list[Word])
    words: list[Word] = field(default_factory=list[Word])
    redirections: list[Operator] = field(default_factory=list[Operator])
    connector: str = ""

    @property
    def name(self) -> str:
        """Return its first word, or ""."""
        return self.words[0].text if self.words else ""


class _NeedsShell(Exception):
    """What the command does cannot be said without a shell."""


def without_shell(command: str | Sequence[str], around: Surroundings) -> list[str] | Instead:
    """Return the words of a command, or what to run instead if it has the syntax of a shell.

    Args:
        command: One string, or words.
        around: The folder and the variables of the run.

    Raises:
        ValueError: The string has an open quote, or ends with a backslash.
    """
    path = around.variables.get("PATH", os.defpath)
    if isinstance(command, str):
        tokens = split_line(command, lambda word: is_command(word, path))
        line = command.strip()
    else:
        tokens = tokens_of(command, around, path)
        line = join_words(tokens)
    is_list = not isinstance(command, str)
    found = _found(tokens, around, path, is_list=is_list)
    if not found:
        return [token.text for token in tokens if isinstance(token, Word)]
    try:
        instead = _Rewriter(around).rewrite(_commands(tokens))
    except _NeedsShell:
        instead = Instead(command=_shell_command(line, tokens, path))
    instead.found = list(dict.fromkeys(found))
    # In a list, what was in quotes would be taken for shell syntax again.
    instead.as_string = isinstance(without_shell(instead.command, around), Instead)
    return instead


def _shell_command(line: str, tokens: Sequence[Token], path: str) -> list[str]:
    """Return the command that has a shell run the line."""
    if shutil.which("bash", path=path) is None:
        return ["sh", "-c", line]
    pipes = any(isinstance(token, Operator) and token.text in ("|", "|&") for token in tokens)
    # Without it, the exit code of the program is lost to that of the last filter.
    return ["bash", "-c", f"set -o pipefail; {line}" if pipes else line]


def _found(tokens: Sequence[Token], around: Surroundings, path: str, *, is_list: bool) -> list[str]:
    """Return the shell syntax in a command."""
    found: list[str] = []
    for command in _commands(tokens):
        codes = code_positions([word.text for word in command.words])
        for word in command.assignments:
            exists = is_list and (around.folder / word.text).exists()
            found += [] if exists else [word.text.partition("=")[0] + "="]
        for position, word in enumerate(command.words):
            if not position and is_builtin(word, path):
                found.append(word.text)
            elif not position and word.raw.startswith("("):
                found.append("(")
            if position not in codes:
                found += expand(word, around, keep_unset=True).found
        for redirection in command.redirections:
            found.append(redirection.shown)
        if command.connector:
            found.append(Operator(command.connector).shown)
    return found


def _commands(tokens: Sequence[Token]) -> list[_Command]:
    """Split tokens into simple commands."""
    commands = [_Command()]
    for token in tokens:
        current = commands[-1]
        if isinstance(token, Word):
            is_assignment = not current.words and ASSIGNMENT.match(token.raw) is not None
            (current.assignments if is_assignment else current.words).append(token)
        elif token.redirects:
            current.redirections.append(token)
        else:
            current.connector = token.text
            commands.append(_Command())
    if len(commands) > 1 and not (commands[-1].words or commands[-1].assignments or commands[-1].redirections):
        commands.pop()
    return commands


class _Rewriter:
    """Follows the commands as a shell would, up to the one that is to be run."""

    def __init__(self, around: Surroundings) -> None:
        self._variables = {**around.variables, "PWD": str(around.folder)}
        self._around = around
        self._folder = around.folder
        self._cwd: str | None = None
        self._environment: tuple[Path, str] | None = None  # a virtual environment's bin folder, and as it was written
        self._instead = Instead()

    def rewrite(self, commands: list[_Command]) -> Instead:
        """Say what to run instead of the commands.

        Raises:
            _NeedsShell: Only a shell can do what they do.
        """
        remaining = list(commands)
        while len(remaining) > 1 and self._prepares(remaining[0]):
            remaining.pop(0)
        if len(remaining) == 1 and self._prepares(remaining[0]):
            return self._finished([])
        self._drop_ends(remaining)
        if len(remaining) > 1:
            self._take_input(remaining)
        if len(remaining) != 1:
            raise _NeedsShell
        [command] = remaining
        if command.connector not in ("", "#", ";", "&", "\n"):
            raise _NeedsShell
        if command.connector == "&":
            self._instead.note(NOTE_BACKGROUND)
        words = self._words(command.words)  # without the variables of the command itself
        self._redirect(command.redirections)
        for word in command.assignments:
            self._assign(word)
        return self._finished(words)

    def _finished(self, words: list[str]) -> Instead:
        self._instead.command = self._with_environment(words)
        self._instead.cwd = self._cwd
        return self._instead

    def _prepares(self, command: _Command) -> bool:
        """Follow a command that only changes the folder, the variables or the shell; return False for others."""
        name, arguments = command.name, command.words[1:]
        if command.redirections or (command.assignments and command.words):
            return False
        if command.connector not in ("&&", ";", "\n", "", "#"):
            return False
        if name == "cd" and len(arguments) == 1:
            self._change_folder(self._words(arguments))
        elif name == "export" and arguments and all(ASSIGNMENT.match(word.raw) for word in arguments):
            for word in arguments:
                self._assign(word)
        elif name in ("source", ".") and len(arguments) == 1:
            self._activate(self._words(arguments))
        elif name != "set" or not all(re.fullmatch(r"[-+][a-z]+|pipefail", word.text) for word in arguments):
            return False
        return True

    def _change_folder(self, words: list[str]) -> None:
        if len(words) != 1 or words[0] == "-":
            raise _NeedsShell
        folder = os.path.normpath(self._folder / words[0])
        self._folder = Path(folder)
        self._variables["PWD"] = folder
        base = os.path.normpath(self._around.folder)
        if os.path.isabs(words[0]) and not (folder + "/").startswith(base + "/"):  # noqa: PTH117 - a text
            self._cwd = folder
        else:
            relative = os.path.relpath(folder, base)
            self._cwd = None if relative == "." else relative

    def _activate(self, words: list[str]) -> None:
        """Remember a virtual environment whose script of activation is read."""
        if len(words) != 1 or Path(words[0]).name != "activate" or not (self._folder / words[0]).is_file():
            raise _NeedsShell
        self._environment = (self._folder / words[0]).parent, str(Path(words[0]).parent)
        self._activated_in = self._folder

    def _with_environment(self, words: list[str]) -> list[str]:
        """Name the program in the virtual environment that was activated."""
        if self._environment is None or not words or "/" in words[0]:
            return words
        folder, written = self._environment
        if not (folder / words[0]).is_file():
            raise _NeedsShell
        shown = written if self._activated_in == self._folder else str(folder)
        return [f"{shown}/{words[0]}", *words[1:]]

    def _drop_ends(self, commands: list[_Command]) -> None:
        """Leave out what only shortens the output or shows the exit code, which the answer has."""
        while len(commands) > 1:
            last, before = commands[-1], commands[-2]
            plain = not last.redirections and not last.assignments and last.connector in ("", ";", "#", "\n")
            if not plain or not last.words:
                return
            if before.connector in ("|", "|&") and _only_shortens(last):
                self._instead.note(NOTE_OUTPUT)
            elif _handles_exit_code(last, before.connector):
                self._instead.note(NOTE_EXIT)
            else:
                return
            commands.pop()
            before.connector = ""

    def _take_input(self, commands: list[_Command]) -> None:
        """Give the text of ``echo text |`` as stdin."""
        first = commands[0]
        plain = not first.redirections and not first.assignments and first.connector == "|"
        if len(commands) == 2 and plain and first.name == "echo" and len(first.words) > 1:
            words = self._words(first.words[1:])
            if not any(word.startswith("-") or "\\" in word for word in words):
                self._instead.stdin = " ".join(words) + "\n"
                commands.pop(0)

    def _redirect(self, redirections: Sequence[Operator]) -> None:
        for redirection in redirections:
            operator, target = redirection.text, redirection.target
            text = target.text if target else ""
            if operator in ("<<", "<<-", "<<<") and target and self._instead.stdin is None:
                self._instead.stdin = self._document(operator, target)
            elif _only_hides(operator, text):
                self._instead.note(NOTE_OUTPUT)
            elif not (text == "/dev/null" and operator == "<"):
                raise _NeedsShell

    def _document(self, operator: str, target: Word) -> str:
        expansion = expand(target, self._now(), as_value=True)
        if expansion.needs_shell:
            raise _NeedsShell
        text = expansion.words[0]
        if operator == "<<<":
            return text + "\n"
        return re.sub(r"^\t+", "", text, flags=re.MULTILINE) if operator == "<<-" else text

    def _assign(self, word: Word) -> None:
        name, _, _ = word.text.partition("=")
        value = Word(_after(word.pieces, len(name) + 1), word.raw)
        expansion = expand(value, self._now(), as_value=True)
        if name.endswith("+") or expansion.needs_shell:
            raise _NeedsShell
        self._instead.env[name] = self._variables[name] = expansion.words[0]

    def _words(self, words: Sequence[Word]) -> list[str]:
        """Return what words stand for."""
        codes = code_positions([word.text for word in words])
        result: list[str] = []
        for position, word in enumerate(words):
            if position in codes:
                result.append(word.text)
                continue
            if not position and (word.raw.startswith("(") or (word.is_plain and word.text in BUILTINS)):
                if word.text in ("time", "exec"):  # the rest is the command
                    continue
                raise _NeedsShell
            expansion = expand(word, self._now())
            if expansion.needs_shell:
                raise _NeedsShell
            vanishes = expansion.found and word.is_plain
            result += [text for text in expansion.words if text or not vanishes]
        return result

    def _now(self) -> Surroundings:
        return Surroundings(self._folder, self._variables, self._around.is_secret)


def _only_shortens(command: _Command) -> bool:
    """Return whether a filter shows a part of the output: ``tail -n 20``."""
    counts = (word.text.startswith("-") or word.text.lstrip("+").isdigit() for word in command.words[1:])
    return command.name in _SHORTENING and all(counts)


def _handles_exit_code(command: _Command, connector: str) -> bool:
    """Return whether a command hides or shows the exit code of the one before it."""
    if connector == "||":
        return command.name in ("true", ":") and len(command.words) == 1
    return connector in (";", "\n") and command.name == "echo" and any("$?" in word.text for word in command.words)


def _only_hides(operator: str, target: str) -> bool:
    """Return whether a redirection joins stdout and stderr, or drops one of them."""
    joins = target in ("&1", "&2") and operator in (">", "1>", "2>")
    return joins or (target == "/dev/null" and operator.lstrip("12&") in (">", ">>"))


def _after(pieces: Sequence[Piece], characters: int) -> tuple[Piece, ...]:
    """Return the pieces of a word without its first characters."""
    rest: list[Piece] = []
    for piece in pieces:
        rest.append(Piece(piece.text[characters:], piece.quote))
        characters = max(0, characters - len(piece.text))
    return tuple(rest)
