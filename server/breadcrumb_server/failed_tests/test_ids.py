"""Find the file of a test that a JUnit file names, and write its id as pytest and unittest take it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from breadcrumb_server.failed_tests.junit import FailedCase
from breadcrumb_server.workspace.discover import workspace_code

PYTEST, UNITTEST = "pytest", "unittest"

# Of several files that a test may be in, the number that is named.
_MAX_NAMED = 3

# What unittest writes instead of a test when a module cannot be imported, or a fixture of a class or module failed.
_NOT_IMPORTED = "unittest.loader._FailedTest"
_FIXTURE = re.compile(r"(?:setUp|tearDown)(?:Class|Module) \((.+)\)")


@dataclass(frozen=True, slots=True)
class TestId:
    """A test that can be run again.

    Attributes:
        case: The test as its runner named it.
        file: The absolute path of its file.
        base: The folder from which its module is imported.
        module: The name of the module in the JUnit file.
        names: Its classes and its function; empty for a whole file, which could not be imported.
        is_group: Whether it stands for all tests of a file or class.
    """

    __test__ = False  # pytest takes the name for that of a test class

    case: FailedCase
    file: Path
    base: Path
    module: str
    names: tuple[str, ...]
    is_group: bool = False

    def argument(self, runner: str, cwd: Path) -> str:
        """Return what to pass to a test runner.

        Args:
            runner: ``pytest``, or ``unittest`` for those that take dotted names.
            cwd: The folder that the runner is started in.
        """
        if runner == PYTEST:
            return "::".join([os.path.relpath(self.file, cwd), *self.names])
        # Sub-tests have their parameters behind the name of the method.
        names = [name.partition(" ")[0].partition("[")[0] for name in self.names]
        return ".".join([self.module, *names])

    def is_recorded_as(self, node_id: str) -> bool:
        """Return whether a recorded test is this one, or one of this file.

        Args:
            node_id: Of pytest, relative to a folder above the file, or of unittest.
        """
        path, separator, names = node_id.partition("::")
        if separator or path.endswith(".py"):
            wanted = "::".join(self.names)
            in_group = self.is_group and (not wanted or names.startswith(f"{wanted}::"))
            return f"/{self.file.as_posix()}".endswith(f"/{path}") and (names == wanted or in_group)
        wanted = self.argument(UNITTEST, self.base)
        if self.is_group and node_id.startswith((f"{wanted}.", f"{_NOT_IMPORTED}.{wanted}")):
            return True
        return node_id == wanted or node_id.endswith(f".{wanted}") or wanted.endswith(f".{node_id}")


class TestFinder:
    """The code of a workspace, in which tests are found by their names.

    Args:
        workspace: The folder with the code.
        cwd: The folder that the tests are run in.
    """

    __test__ = False

    def __init__(self, workspace: Path, cwd: Path) -> None:
        self._workspace = workspace
        above = [folder for folder in cwd.parents if folder.is_relative_to(workspace)]
        self._bases = [cwd, *above]

    def find(self, case: FailedCase) -> TestId | str:
        """Return the id of a test, or why it has none."""
        dotted, name = _dotted_name(case)
        parts = dotted.split(".")
        if not all(parts) or any("/" in part or "\0" in part for part in parts):
            return "it does not name a module of Python"
        found = self._below_bases(parts) or self._anywhere(parts) or self._by_file(case.file, parts)
        if isinstance(found, list):
            shown = ", ".join(os.path.relpath(file, self._workspace) for file in found[:_MAX_NAMED])
            return f"several files may hold it: {shown}{', …' if len(found) > _MAX_NAMED else ''}"
        if found is None:
            return f"no file of {self._workspace} holds it"
        file, base, count = found
        names = (*parts[count:], *([name] if name else ()))
        return TestId(case, file, base, ".".join(parts[:count]), names, is_group=not name)

    def _below_bases(self, parts: Sequence[str]) -> tuple[Path, Path, int] | None:
        """Look where the names say, from the folder of the run upwards."""
        for base in self._bases:
            for count in range(len(parts), 0, -1):
                file = base.joinpath(*parts[: count - 1], f"{parts[count - 1]}.py")
                if file.is_file():
                    return file, base, count
            text = base.joinpath(*parts[:-2], ".".join(parts[-2:]))  # a text with doctests
            if len(parts) > 1 and text.is_file():
                return text, base, len(parts)
        return None

    def _anywhere(self, parts: Sequence[str]) -> tuple[Path, Path, int] | list[Path] | None:
        """Look in the whole workspace: tests may be imported from any folder, whose name may have dots."""
        for count in range(len(parts), 0, -1):
            module = ".".join(parts[:count])
            rest = parts[count : count + 1]
            matching = [file for dotted, file in self._modules if f".{dotted}".endswith(f".{module}")]
            found = [file for file in matching if all(_mentions(file, name) for name in rest)]
            if len(found) > 1:
                exact = [file for file in found if _dotted_path(file, self._workspace) == module]
                found = exact or found
            if len(found) == 1:
                (file,) = found
                base = next(each for each in file.parents if _dotted_path(file, each) == module)
                return file, base, count
            if found:
                return found
        return None

    def _by_file(self, written: str, parts: Sequence[str]) -> tuple[Path, Path, int] | None:
        """Take the file that the runner wrote. It comes last: of an inherited test it is the file of the base class."""
        stem = Path(written).stem
        if not written or stem not in parts:
            return None
        for base in self._bases:
            file = base / written
            if file.is_file() and file.resolve().is_relative_to(self._workspace.resolve()):
                return file, base, len(parts) - list(reversed(parts)).index(stem)
        return None

    @cached_property
    def _modules(self) -> list[tuple[str, Path]]:
        files = sorted(Path(file) for _, file in workspace_code(self._workspace))
        return [(_dotted_path(file, self._workspace), file) for file in files]


def _dotted_name(case: FailedCase) -> tuple[str, str]:
    """Return the dotted name of the module and the classes, and the name of the test; that is empty for all of them."""
    fixture = _FIXTURE.fullmatch(case.name)
    if fixture:
        return fixture[1], ""
    if not case.classname or case.classname == _NOT_IMPORTED:
        return case.name, ""
    return case.classname, case.name


def _dotted_path(file: Path, base: Path) -> str:
    return file.relative_to(base).with_suffix("").as_posix().replace("/", ".")


def _mentions(file: Path, name: str) -> bool:
    try:
        return re.search(rf"\b{re.escape(name)}\b", file.read_text(encoding="utf-8", errors="replace")) is not None
    except OSError:
        return False
