"""Remember the lines of passing tests, as long as the files that they executed stay as they are. Blocking."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from breadcrumb_server.projects.atomic_file import write_file
from breadcrumb_server.projects.home import Home, make_private_folder
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.executed_lines import ExecutedFunction
from breadcrumb_storage.ingest.neighbours import PassedTest

# First passes that are remembered for a project, the last ones used: each takes some 100 kB.
MAX_REMEMBERED = 40

# (modification time in ns, size) of a file; None if it is not there.
_State = tuple[int, int] | None
# The state of each file; each function as file, name, line; each test as node id, suite, whether it was the first one
# of its process, [function, lines] ...
_Content = tuple[
    dict[str, _State], list[tuple[str, str, int]], list[tuple[str, str, bool, list[tuple[int, list[int]]]]]
]  # fmt: skip


class Memory:
    """The first passes of a project.

    Args:
        home: The home folder.
        project: Name of the project.
    """

    def __init__(self, home: Home, project: str) -> None:
        self._folder = home.neighbours_folder(project)

    def is_empty(self) -> bool:
        """Return whether no first pass was ever remembered."""
        return not any(self._folder.glob("*.json"))

    def load(self, key: Sequence[str]) -> list[PassedTest] | None:
        """Return the tests of a first pass.

        Args:
            key: What the first pass depends on, besides files.

        Returns:
            None if there was none, a file has changed since, or what was kept is damaged.
        """
        file = self._file(key)
        try:
            files, functions, tests = TypeAdapter(_Content).validate_json(file.read_bytes())
            if any(_state(Path(path)) != known for path, known in files.items()):
                return None
            file.touch()
            return [
                PassedTest(
                    node_id, suite, {ExecutedFunction(*functions[at]): lines for at, lines in executed}, is_first
                )
                for node_id, suite, is_first, executed in tests
            ]
        except (OSError, ValueError, IndexError):
            return None

    def states(self, files: Iterable[Path]) -> dict[str, _State]:
        """Return the states of files before a first pass."""
        return {str(file): _state(file) for file in files}

    def store(self, key: Sequence[str], before: dict[str, _State], tests: Sequence[PassedTest]) -> None:
        """Remember a first pass in place of the earliest one that was used.

        Args:
            key: What it depends on, besides files.
            before: The states of the test files before it.
            tests: The tests that passed in it.
        """
        numbers: dict[ExecutedFunction, int] = {}
        encoded = [
            (
                test.node_id,
                test.suite,
                test.is_first,
                [
                    (numbers.setdefault(function, len(numbers)), list(lines))
                    for function, lines in test.executed.items()
                ],
            )
            for test in tests
        ]
        files = {function.file: _state(Path(function.file)) for function in numbers} | before
        functions = [(each.file, each.name, each.line) for each in numbers]
        try:
            make_private_folder(self._folder)
            write_file(self._file(key), json.dumps([files, functions, encoded], separators=(",", ":")))
            used_last = sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
            for file in used_last[MAX_REMEMBERED:]:
                file.unlink(missing_ok=True)
        except (OSError, BreadcrumbError):  # the next run has a first pass again
            return

    def _file(self, key: Sequence[str]) -> Path:
        return self._folder / f"{hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:24]}.json"


def _state(file: Path) -> _State:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size
