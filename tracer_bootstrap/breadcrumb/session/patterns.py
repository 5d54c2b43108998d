"""Decide by include and exclude patterns which code is traced."""

from __future__ import annotations

import sys
from os import sep

from ..globs import is_path_pattern, matches_module, matches_path
from ..runtime.interruptions import OWN_FOLDER, raised_by_program
from ..runtime.late_modules import load_late_module
from ..runtime.system import system

TYPE_CHECKING = False  # typing is not imported: every import delays the start of the user's program
if TYPE_CHECKING:
    from typing import Dict, Optional, Sequence, Tuple

# Symbolic links to follow on the way to a file, the limit of Linux: a longer chain is a circle.
_MAX_LINKS = 40


# How the program's Python decodes the names of files: as ASCII, for example, where the locale is C.
_ENCODING = sys.getfilesystemencoding()


def as_utf8(name: str) -> str:
    """Return the name of a file, or a word of a command, as the server knows it: decoded as UTF-8."""
    if _ENCODING == "utf-8" or name.isascii():
        return name
    try:
        return name.encode(_ENCODING, "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeError:  # not the name of a file: code compiled under another name
        return name


def _as_decoded_here(name: str) -> str:
    """Return a name that ``as_utf8`` has returned as the program's Python has it."""
    if _ENCODING == "utf-8":
        return name
    return name.encode("utf-8", "surrogateescape").decode(_ENCODING, "surrogateescape")


def current_folder() -> str:
    """Return the working folder, or an empty text if it has been deleted."""
    try:
        return as_utf8(system.getcwd())
    except OSError as error:
        if raised_by_program(error):
            raise
        return ""


def _normal(path: str, follows_links: bool = False) -> str:
    """Normalize an absolute path as normpath does, or as realpath if *follows_links*.

    Calls no function of os.path, which a program may have replaced.
    """
    parts = path.split(sep)[:0:-1]
    resolved = ""
    links = 0
    while parts:
        part = parts.pop()
        try:
            follows = follows_links and links < _MAX_LINKS
            target = as_utf8(system.readlink(_as_decoded_here(resolved + sep + part))) if follows else ""
        except (OSError, ValueError) as error:  # no link, or no name that a file can have
            if raised_by_program(error):
                raise
            target = ""
        if target:
            links += 1
            if target.startswith(sep):
                resolved = ""
            parts.extend(reversed(target.split(sep)))
        elif part == "..":
            resolved = resolved.rpartition(sep)[0]
        elif part not in ("", "."):
            resolved += sep + part
    return resolved or sep


def is_own(filename: str) -> bool:
    """Return whether a code object's file belongs to the tracer."""
    return filename.startswith(OWN_FOLDER)


# Limit of cached decisions, by module and file: programs may create modules without end.
_MAX_DECISIONS = 10_000

_INSTALLED = ("/site-packages/", "/dist-packages/")


class _PatternSet:
    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = list(patterns)
        self._modules = [p for p in patterns if not is_path_pattern(p)]
        self._paths = [p[2:] if p.startswith("./") else p for p in patterns if is_path_pattern(p)]

    def matches(self, module: str, relative: Optional[str], absolute: str) -> bool:
        for pattern in self._modules:
            if matches_module(module, pattern):
                return True
        for pattern in self._paths:
            path = absolute if pattern.startswith("/") else relative
            if path is not None and matches_path(path, pattern):
                return True
        return False


def _absolute_pattern(pattern: str) -> str:
    if not is_path_pattern(pattern) or pattern.startswith("/"):
        return pattern
    return "%s/%s" % (current_folder(), pattern[2:] if pattern.startswith("./") else pattern)


class IncludeFilter:
    """The include and exclude patterns of a project, which decide whether a code object is traced.

    Args:
        include: Module globs (``shop.*``) and path globs (``tests/**/*.py``).
        exclude: The same; they win over *include*.
        workspace: Absolute path that path globs are relative to; None for the current folder.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], workspace: Optional[str] = None) -> None:
        self._include = _PatternSet(include)
        self._exclude = _PatternSet(exclude)
        self._cwd = current_folder()
        self._root = as_utf8(system.realpath(_as_decoded_here(workspace or self._cwd))) + sep
        self._decisions: Dict[Tuple[str, str], bool] = {}

    def is_own_code(self, filename: str) -> bool:
        """Return whether the absolute path of a file is below the workspace, and not in an environment within it."""
        return filename.startswith(self._root) and not any(folder in filename for folder in _INSTALLED)

    def add(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        """Add patterns; path globs are relative to the current folder."""
        if include or exclude:
            self._include = _PatternSet([*self._include.patterns, *map(_absolute_pattern, include)])
            self._exclude = _PatternSet([*self._exclude.patterns, *map(_absolute_pattern, exclude)])
            self._decisions.clear()

    def absolute(self, filename: str) -> str:
        """Return the absolute path of a code object's file, or the name of its cell; ``<string>`` stays unchanged."""
        return self.cell(filename) or self._absolute_path(filename)

    @staticmethod
    def cell(filename: str) -> str:
        """Return the name of the notebook's cell that a code object's file stands for; empty for other files."""
        if not (filename.startswith("<ipython-input-") or "/ipykernel_" in filename):
            return ""
        load_late_module("session.notebook_cells")
        from .notebook_cells import cell_name

        return cell_name(filename)

    def _absolute_path(self, filename: str) -> str:
        if filename.startswith("<"):
            return filename
        filename = as_utf8(filename)
        if filename.startswith("/") and "/." not in filename and "//" not in filename:
            return filename  # normalized already, as nearly all are
        return _normal(filename if filename.startswith("/") else "%s/%s" % (self._cwd, filename))

    def is_included(self, module: str, filename: str) -> bool:
        """Return whether code is traced; never the tracer itself, nor frozen modules.

        Args:
            module: ``__name__`` of the code's globals.
            filename: Its ``co_filename``.
        """
        decision = self._decisions.get((module, filename))
        if decision is None:
            if len(self._decisions) >= _MAX_DECISIONS:
                self._decisions.clear()
            decision = self._decisions[module, filename] = self._decide(module, filename)
        return decision

    def _decide(self, module: str, filename: str) -> bool:
        if filename.startswith("<frozen ") or is_own(filename):
            return False
        absolute = self._absolute_path(filename)
        relative: Optional[str] = None
        if absolute.startswith(self._root):
            relative = absolute[len(self._root) :]
        elif not filename.startswith("<"):
            real = _normal(absolute, follows_links=True)
            if real.startswith(self._root):
                relative = real[len(self._root) :]
        if sys.platform == "win32" and relative is not None:
            relative = relative.replace("\\", "/")
        return self._include.matches(module, relative, absolute) and not self._exclude.matches(
            module, relative, absolute
        )
