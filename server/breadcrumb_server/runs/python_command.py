"""Read the command line of a Python: its version, and the options that keep it from loading the tracer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

OLDEST = (3, 8)

_NAME = re.compile(r"(?:python|pypy)(?P<version>\d(?:\.\d+)?)?[dt]*(?:-intel64)?(?:\.exe)?", re.IGNORECASE)
# Options that print something and end, before the site module is imported.
_INFORMING = frozenset({"-V", "-VV", "--version", "-h", "-?", "--help", "--help-all", "--help-env", "--help-xoptions"})
_RESOURCE_TRACKER = ".resource_tracker import main"


@dataclass(frozen=True)
class PythonCommand:
    """What the command line of a Python says.

    Args:
        version: As its name has it, such as ``3.6`` or ``3``; empty if it has none.
        isolating: Those of the options E, I and S that it was given.
        script: The file or folder that it runs; empty for ``-c``, ``-m`` and standard input.
        module: What ``-m`` names; empty without it.
        runs_nothing: Whether it only prints its version or help, or is multiprocessing's resource tracker, which is
            not traced on purpose.
    """

    version: str
    isolating: tuple[str, ...]
    script: str
    module: str
    runs_nothing: bool

    @property
    def is_too_old(self) -> bool:
        """Return whether its name says that it is older than the oldest Python that the tracer runs in."""
        if "." not in self.version:
            return self.version == "2"
        return tuple(int(part) for part in self.version.split(".")) < OLDEST

    @property
    def options(self) -> str:
        """Return the isolating options as a text: ``-E and -S``."""
        return " and ".join(f"-{letter}" for letter in self.isolating)


def is_python(program: str) -> bool:
    """Return whether a program, given by its name or path, is a Python by its name."""
    return _NAME.fullmatch(PurePath(program).name) is not None


def read_python_command(words: Sequence[str], program: str = "") -> PythonCommand:
    """Read the words of a command whose first one starts Python.

    Args:
        words: The command.
        program: The file that really runs, whose name may say more of the version than the first word.
    """
    names = (_NAME.fullmatch(PurePath(name).name) for name in (program, words[0]))
    versions = [match["version"] for match in names if match and match["version"]]
    found: list[str] = []
    script = module = ""
    runs_nothing = _RESOURCE_TRACKER in " ".join(words)  # where ps lists them, the code is several words
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-") or word == "-":
            script = "" if word == "-" else word
            break
        if word in _INFORMING:
            runs_nothing = True
            break
        if word.startswith("--"):
            if word == "--check-hash-based-pycs":
                next(rest, None)
            continue
        last = _add_letters(word, found, rest)
        if last == "m":
            module = next(rest, "") if word.endswith("m") else word.partition("m")[2]
        if last:
            break
    return PythonCommand(max(versions, key=len, default=""), tuple(found), script, module, runs_nothing)


def _add_letters(word: str, found: list[str], rest: Iterator[str]) -> str:
    """Add the isolating options of a word such as ``-sSu``; return ``c`` or ``m`` if the program's own words follow."""
    for position, letter in enumerate(word[1:], 1):
        if letter in "cm":
            return letter
        if letter in "WX":
            if position == len(word) - 1:
                next(rest, None)
            return ""
        if letter in "SEI" and letter not in found:
            found.append(letter)
    return ""
