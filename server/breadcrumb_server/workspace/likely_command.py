"""Propose a first command for a workspace, which runs as it is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast

from breadcrumb_server.workspace.discover import SOURCE_ROOTS
from breadcrumb_server.workspace.interpreter import interpreter_for
from breadcrumb_server.workspace.projects import TEST_FILE, Project, find_projects

# Scripts at the top of many workspaces that are not the program.
HELPER_SCRIPTS = frozenset({"setup.py", "conftest.py", "noxfile.py", "tasks.py", "fabfile.py", "__init__.py"})
# Names of a main script, most common first.
USUAL_NAMES = ("main.py", "app.py", "run.py", "cli.py", "manage.py", "demo.py")
# Scripts that are read, and characters of each: a workspace may hold any number of any size.
MAX_SCRIPTS = 200
MAX_SCRIPT_CHARS = 500_000
# Other projects of the workspace that are named.
MAX_NAMED = 5

_GUARD = re.compile(r"^if\s.*\b__name__\b", re.MULTILINE)
_CALL = re.compile(r"^(?!if\b|while\b|elif\b|with\b|assert\b|del\b|return\b)[A-Za-z_][\w.]*\(", re.MULTILINE)
_ENTRY_POINT = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)")


@dataclass(slots=True)
class LikelyCommand:
    """A command that starts existing code."""

    command: list[str]
    cwd: str | None = None  # relative to the workspace; None: the workspace
    env: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])


def likely_command(workspace: Path) -> LikelyCommand | None:
    """Choose a command for a workspace; None if it has no program and no tests.

    It starts a script that does something when run, else the tests, else a console script or a package with
    ``__main__``, in the workspace or in the first project of its subfolders that has one; else any script.
    """
    projects = [_Project(each, workspace) for each in find_projects(workspace)]
    found = [(each, command) for each in projects if (command := each.command()) is not None]
    if not found:
        guessed = _main_script(projects[0].scripts, guess=True)
        return LikelyCommand([*projects[0].python.words, guessed]) if guessed else None
    project, chosen = found[0]  # the others are as likely only if they are projects, too
    if project.folder != workspace:
        chosen.cwd = project.folder.relative_to(workspace).as_posix()
        others = [each.folder.relative_to(workspace).as_posix() for each, _ in found[1:]]
        if others:
            shown = ", ".join(others[:MAX_NAMED]) + (", ..." if len(others) > MAX_NAMED else "")
            chosen.notes.append(f"more projects to run, with their folder as cwd: {shown}")
    return chosen


class _Project:
    """A project with what its command depends on."""

    def __init__(self, project: Project, workspace: Path) -> None:
        self.folder = project.folder
        self._project = project
        self.python = interpreter_for(self.folder, workspace)
        names = sorted(file.name for file in islice(self.folder.glob("*.py"), MAX_SCRIPTS) if file.is_file())
        self.scripts = [name for name in names if name not in HELPER_SCRIPTS and not TEST_FILE.fullmatch(name)]

    def command(self) -> LikelyCommand | None:
        """Return the command that most likely shows what the project does; None if there is none."""
        texts = {name: _text(self.folder / name) for name in self.scripts}
        if "django" in texts.get("manage.py", ""):
            return self._django()
        has_tests = bool(self._project.pytest_files)
        for acts in (_GUARD, _CALL):
            main = _main_script([name for name in self.scripts if acts.search(texts[name])], guess=not has_tests)
            if main:
                return self._python(main)
        return self._tests() or self._console_script() or self._package()

    def _python(self, *arguments: str) -> LikelyCommand:
        return LikelyCommand([*self.python.words, *arguments])

    def _django(self) -> LikelyCommand:
        settings = ("pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini")
        if self._project.pytest_files and any(
            "DJANGO_SETTINGS_MODULE" in _text(self.folder / name) for name in settings
        ):
            return self._python("-m", "pytest")
        return self._python("manage.py", "test" if self._project.unittest_files else "check")

    def _tests(self) -> LikelyCommand | None:
        files = self._project.pytest_files
        if not files:
            return None
        found = self._with_sources(self._python("-m", "pytest"))
        if self.python.has("pytest") is False:
            unittest_files = self._project.unittest_files
            if unittest_files and all(_is_unittest(_text(file)) for file in unittest_files):
                found.command[len(self.python.words) :] = ["-m", "unittest", "discover", *self._start(unittest_files)]
            else:
                found.notes.append(f"the tests need pytest, which is not installed for {self.python.words[0]}")
        return found

    def _start(self, files: Sequence[Path]) -> list[str]:
        """Return where unittest has to look for tests that are in no package."""
        folders = sorted({file.parent for file in files})
        top = folders[0]
        if top == self.folder or (top / "__init__.py").is_file():
            return []
        return ["-s", top.relative_to(self.folder).as_posix()]

    def _console_script(self) -> LikelyCommand | None:
        """Return the command for an entry of ``[project.scripts]``, by its script, or by its function."""
        scripts = _entry_points(self.folder / "pyproject.toml")
        for name in scripts:
            words = self.python.script(name, self.folder)
            if words:
                return LikelyCommand(words)
        for target in scripts.values():
            entry = _ENTRY_POINT.fullmatch(target)
            if entry and self._has_module(entry[1]):
                found = self._python("-c", f"import {entry[1]}; {entry[1]}.{entry[2]}()")
                return self._with_sources(found)
        return None

    def _package(self) -> LikelyCommand | None:
        roots = [self.folder, *(self.folder / name for name in sorted(SOURCE_ROOTS))]
        for root in roots:
            for file in sorted(root.glob("*/__main__.py")):
                return self._with_sources(self._python("-m", file.parent.name))
        return None

    def _has_module(self, module: str) -> bool:
        path = module.replace(".", "/")
        roots = (self.folder, self.folder / "src")
        return any((root / f"{path}.py").is_file() or (root / path / "__init__.py").is_file() for root in roots)

    def _with_sources(self, found: LikelyCommand) -> LikelyCommand:
        """Let packages in ``src`` be imported if they are not installed."""
        source = self.folder / "src"
        if source.is_dir() and not self.python.is_managed and not self.python.has_project(source):
            found.env["PYTHONPATH"] = "src"
        return found


def _entry_points(pyproject: Path) -> dict[str, str]:
    """Return the console scripts of a project, the one with the project's name first."""
    try:
        data: Mapping[str, Any] = tomllib.loads(_text(pyproject))
    except tomllib.TOMLDecodeError:
        return {}
    found: dict[str, str] = {}
    for section in (_table(data, "project"), _table(_table(data, "tool"), "poetry")):
        scripts = _table(section, "scripts").items()
        named = [(name, target) for name, target in scripts if isinstance(target, str)]
        found.update(sorted(named, key=lambda entry: entry[0] != section.get("name")))
    return found


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a table of a TOML file; an empty one if something else stands there."""
    found = data.get(key)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _is_unittest(text: str) -> bool:
    return "unittest" in text and not re.search(r"^\s*(?:import|from) pytest\b", text, re.MULTILINE)


def _main_script(scripts: Sequence[str], *, guess: bool) -> str | None:
    """Return the script with a usual name, else the only one; with ``guess``, else the first."""
    usual = [name for name in USUAL_NAMES if name in scripts]
    candidates = usual or (scripts if guess or len(scripts) == 1 else [])
    return candidates[0] if candidates else None


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(MAX_SCRIPT_CHARS)
    except OSError:  # not readable, or gone
        return ""
