"""Expand what a shell would expand in a word: variables, ``~`` and file name patterns."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from glob import escape, iglob  # Path.glob refuses absolute patterns and hides no hidden files
from itertools import islice
from pathlib import Path

from breadcrumb_server.runs.shell.words import COMMAND, DOUBLE, PLAIN, SINGLE, Piece, Word

# Files of one pattern. More make a call that is too long to read, for which a shell is better.
MAX_FILES = 20
# Folders in a pattern that are patterns themselves: each reads all folders that match the ones before it.
_MAX_PATTERN_PARTS = 4

_VARIABLE = re.compile(r"\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})")
_OTHER_EXPANSION = re.compile(r"\$\(|\$\{[A-Za-z_#!]\w*(?:\[|[-:#%/^,+=?@])")
_BRACES = re.compile(r"\{[\w./*-]*(?:,[\w./*-]*)+\}|\{\w+\.\.\w+\}")
_HOME = re.compile(r"~[\w.-]*(?=/|$)")
# An argument of a list that is a variable, or has one where a path, an option or a list of paths has it.
_ARGUMENT_VARIABLE = re.compile(r"(?:^|.*[=:/])\$(?:\w+|\{\w+\})(?:[/:.].*)?")
_ARGUMENT_PATTERN = re.compile(r"(?=.*[*?[])(?!\.?\*$)[\w./*?@+\[\]-]*(?:/[\w*?\[\].-]*|\.[A-Za-z]\w*)")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What expansion depends on."""

    folder: Path
    variables: Mapping[str, str]
    is_secret: Callable[[str, str], bool]  # of the name and the value of a variable: it must not be shown


@dataclass(slots=True)
class Expansion:
    """The words that a word stands for."""

    words: list[str]
    found: list[str] = field(default_factory=list[str])  # what of it a shell would expand, as it is written
    needs_shell: bool = False  # what stands there cannot be expanded here, or must not be shown


def expand(word: Word, around: Surroundings, *, as_value: bool = False, keep_unset: bool = False) -> Expansion:
    """Expand a word; without anything to expand, it stands for its text.

    Args:
        word: The word.
        around: What it depends on.
        as_value: It is assigned, or a document: one text, in which blanks and file name patterns have no meaning.
        keep_unset: Take a variable in quotes that is not set for text, such as a template's.
    """
    expansion = Expansion([word.text])
    pieces = [_expand_piece(piece, around, expansion, as_value, keep_unset) for piece in word.pieces]
    if pieces and pieces[0].quote == PLAIN and (home := _HOME.match(word.pieces[0].text)) and len(home[0]) < 256:
        only_tilde = word.pieces[0].text == home[0] and len(word.pieces) > 1  # ~"x"
        path = "" if only_tilde else _home_of(home[0], around)
        if path:
            expansion.found.append(home[0] + "/" if word.text != home[0] else home[0])
            pieces[0] = Piece(path + pieces[0].text[len(home[0]) :], PLAIN)
    expansion.words = ["".join(piece.text for piece in pieces)]
    if as_value:
        return expansion
    if any(piece.quote == PLAIN and _BRACES.search(piece.text) for piece in word.pieces):
        expansion.found.append(word.raw)
        expansion.needs_shell = True
    elif files := _matching_files(pieces, around.folder):
        expansion.found.append(word.raw)
        expansion.words = files
        expansion.needs_shell |= len(files) > MAX_FILES
    return expansion


def expandable_argument(argument: str, variables: Mapping[str, str], folder: Path) -> bool:
    """Return whether an argument of a list was meant for a shell to expand.

    A list has no quotes: what may just as well be text is text. Left are variables that are set, ``~/``, and file name
    patterns that match.
    """
    if re.fullmatch(r"\$\(.+\)|`.+`", argument, re.DOTALL):
        return True
    if _ARGUMENT_VARIABLE.fullmatch(argument):
        names = [found["name"] or found["braced"] for found in _VARIABLE.finditer(argument)]
        return bool(names) and all(name in variables for name in names)
    if argument.startswith("~/"):
        return True
    is_pattern = _ARGUMENT_PATTERN.fullmatch(argument) is not None
    return is_pattern and not (folder / argument).exists() and bool(_matching_files([Piece(argument)], folder))


def _expand_piece(piece: Piece, around: Surroundings, expansion: Expansion, as_value: bool, keep_unset: bool) -> Piece:
    if piece.quote == SINGLE:
        return piece
    if piece.quote == COMMAND or _OTHER_EXPANSION.search(piece.text):
        expansion.found.append(piece.text if len(piece.text) <= 60 else piece.text[:57] + "...")
        expansion.needs_shell = True
        return piece

    def value_of(found: re.Match[str]) -> str:
        name = found["name"] or found["braced"]
        value = around.variables.get(name)
        if value is None:
            if piece.quote == DOUBLE and keep_unset:
                return found[0]
            expansion.found.append(f"{found[0]} (not set)")
            return ""
        expansion.found.append(found[0])
        # Without quotes, a shell splits the value and matches it with files.
        splits = piece.quote == PLAIN and not as_value and re.search(r"[\s*?[]", value) is not None
        expansion.needs_shell |= splits or around.is_secret(name, value)
        return value

    return Piece(_VARIABLE.sub(value_of, piece.text), piece.quote)


def _home_of(tilde: str, around: Surroundings) -> str:
    """Return the folder that ``~`` or ``~name`` stands for; "" if there is none."""
    if tilde == "~" and "HOME" in around.variables:
        return around.variables["HOME"]
    path = os.path.expanduser(tilde)  # noqa: PTH111 - Path raises for a user that does not exist
    return "" if path == tilde else path


def _matching_files(pieces: list[Piece], folder: Path) -> list[str]:
    """Return the files that a word matches, at most MAX_FILES + 1; none if it is no pattern."""
    if not any(piece.quote == PLAIN and re.search(r"[*?[]", piece.text) for piece in pieces):
        return []
    pattern = "".join(piece.text if piece.quote == PLAIN else escape(piece.text) for piece in pieces)
    if "\0" in pattern or sum(bool(re.search(r"[*?[]", part)) for part in pattern.split("/")) > _MAX_PATTERN_PARTS:
        return []
    try:
        return sorted(islice(iglob(pattern, root_dir=folder), MAX_FILES + 1))  # noqa: PTH207
    except (OSError, re.error):
        return []
