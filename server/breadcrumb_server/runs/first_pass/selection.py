"""See whether a command runs single tests of pytest or unittest, and make the command of its first pass.

Only commands that are known to run tests are run a second time: everything in front of pytest or unittest must be a
program that starts another one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from breadcrumb_server.runs.python_command import is_python

_PYTESTS = ("pytest", "py.test")
_STARTERS = ("env", "nice", "uv", "poetry", "pipenv", "pdm", "hatch", "rye", "coverage", *_PYTESTS)
# Options that print something and end, that wait for changes, or that replace what tests are compared with.
_OTHER_PURPOSE = re.compile(
    r"-h|-V|--(?:help|version|collect-only|co|fixtures|fixtures-per-test|funcargs|markers|setup-plan|setup-only"
    r"|cache-show|looponfail|trace-config)|--.*(?:update|regen|record|rewrite|create-db|accept|bless|overwrite"
    r"|inline-snapshot|approve).*"
)


@dataclass(frozen=True, slots=True)
class Selection:
    """A command that runs single tests.

    Attributes:
        runner: pytest or unittest.
        before: Its words up to the runner.
        arguments: The words for the runner.
    """

    runner: str
    before: Sequence[str]
    arguments: Sequence[str]

    @property
    def scope(self) -> list[str]:
        """What decides which tests are the neighbours: the files, and what selects tests in all of them."""
        if any(word.startswith("-k") for word in self.arguments):
            return list(self.arguments)
        return [word.partition("::")[0] for word in self.arguments]

    def files(self) -> list[str]:
        """Return the words that may name files or modules of the selected tests."""
        words = [word.partition("::")[0] for word in self.arguments if not word.startswith("-")]
        return list(dict.fromkeys(words))

    def selects(self, node_id: str) -> bool:
        """Return whether a test is named by an argument."""
        return any(_names(word, node_id) for word in self.arguments)


def _names(word: str, node_id: str) -> bool:
    path, _, names = word.partition("::")
    if not names:
        return node_id == word or node_id.startswith(f"{word}.")
    file, _, own = node_id.partition("::")
    is_same_file = PurePath(file).name == PurePath(path).name
    return is_same_file and (own == names or own.startswith((f"{names}::", f"{names}[")))


def single_tests(command: Sequence[str]) -> Selection | None:
    """Return how a command selects single tests; None if it runs whole files, or no tests as far as is known."""
    for position, word in enumerate(command):
        is_module = position > 0 and command[position - 1] == "-m"
        runner = "pytest" if PurePath(word).name in _PYTESTS or (is_module and word == "pytest") else ""
        runner = "unittest" if is_module and word == "unittest" else runner
        if runner:
            selection = Selection(runner, command[: position + 1], command[position + 1 :])
            return selection if _starts_only(selection) and _selects(selection) else None
    return None


def _starts_only(selection: Selection) -> bool:
    first = PurePath(selection.before[0]).name
    if not (first in _STARTERS or is_python(first)):
        return False
    if selection.runner == "pytest" and "-f" in selection.arguments:  # waits for changes; for unittest, it is failfast
        return False
    return not any(_OTHER_PURPOSE.fullmatch(word) for word in selection.arguments)


def _selects(selection: Selection) -> bool:
    named = [word for word in selection.arguments if not word.startswith("-")]
    if selection.runner == "pytest":
        return any("::" in word for word in named) or any(word.startswith("-k") for word in selection.arguments)
    # A dotted name may be that of a module: its first pass then has no tests, and costs little.
    by_keyword = any(word.startswith("-k") for word in selection.arguments)
    dotted = any("." in word and not word.endswith(".py") for word in named)
    return bool(named) and named[0] != "discover" and (dotted or by_keyword)
