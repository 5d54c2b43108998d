"""Find the projects in a workspace, which may be several, and the tests of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from breadcrumb_server.workspace.discover import MAX_DEPTH, workspace_code
from breadcrumb_server.workspace.interpreter import ENVIRONMENTS

# A folder with one of these is a project of its own: commands are started in it.
MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", "manage.py", "pytest.ini", "tox.ini", "requirements.txt")
# Files of tests that are looked at: they only show what kind of tests there are.
MAX_TEST_FILES = 500

TEST_FILE = re.compile(r"test_.*\.py|.*_tests?\.py|tests?\.py")
_PYTEST_FILE = re.compile(r"test_.*\.py|.*_test\.py")
_UNITTEST_FILE = re.compile(r"test.*\.py")


@dataclass(slots=True)
class Project:
    """A folder of a workspace in which commands are started."""

    folder: Path
    tests: list[Path] = field(default_factory=list[Path])

    @property
    def pytest_files(self) -> list[Path]:
        """Return the files in which pytest looks for tests."""
        return [file for file in self.tests if _PYTEST_FILE.fullmatch(file.name)]

    @property
    def unittest_files(self) -> list[Path]:
        """Return the files in which unittest and Django look for tests."""
        return [file for file in self.tests if _UNITTEST_FILE.fullmatch(file.name)]


def find_projects(workspace: Path) -> list[Project]:
    """Return the workspace as a project, and then those in its subfolders, the shallowest first.

    Folders of scripts that are in no project and no package follow last.
    """
    projects = {workspace: Project(workspace)}
    scripts: dict[Path, Project] = {}
    known: dict[Path, Path] = {}
    tests = 0
    for _, name in workspace_code(workspace):
        file = Path(name)
        owner = _owner(file.parent, workspace, known)
        project = projects.setdefault(owner, Project(owner))
        if owner == workspace != file.parent and not (file.parent / "__init__.py").is_file():
            scripts[file.parent] = Project(file.parent)
        if TEST_FILE.fullmatch(file.name) and tests < MAX_TEST_FILES:
            project.tests.append(file)
            tests += 1
    for project in projects.values():
        project.tests.sort()
    return [*sorted(projects.values(), key=_depth), *sorted(scripts.values(), key=_depth)]


def _depth(project: Project) -> tuple[int, Path]:
    return len(project.folder.parts), project.folder


def _owner(folder: Path, workspace: Path, known: dict[Path, Path]) -> Path:
    """Return the project that a folder belongs to: the nearest one above it."""
    owner = known.get(folder)
    if owner is None:
        depth = len(folder.relative_to(workspace).parts)
        is_project = folder == workspace or (depth <= MAX_DEPTH and any(_marked(folder)))
        owner = known[folder] = folder if is_project else _owner(folder.parent, workspace, known)
    return owner


def _marked(folder: Path) -> Iterator[bool]:
    yield from ((folder / marker).is_file() for marker in MARKERS)
    yield from ((folder / name / "pyvenv.cfg").is_file() for name in ENVIRONMENTS)
