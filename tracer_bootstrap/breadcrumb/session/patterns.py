"""Include and exclude patterns: which code is traced."""

from __future__ import annotations

import sys

# Bound now: programs replace these, to see who calls them or to make believe.
from os import getcwd, readlink, sep
from os.path import realpath

from ..globs import is_path_pattern, matches_module, matches_path
from ..runtime.interruptions import OWN_FOLDER, raised_by_program

TYPE_CHECKING = False  # typing itself is not imported: every import delays the start of the user's program
if TYPE_CHECKING:
    from typing import Dict, Optional, Sequence, Tuple

# Never traced, whatever the patterns say: the tracer itself, and what Python runs to import it.

# Symbolic links on the way to a file, as many as Linux follows: a chain of more is a circle.
_MAX_LINKS = 40


def current_folder() -> str:
    """The working folder, or an empty text where it has been deleted."""
    try:
        return getcwd()
    except OSError as error:
        if raised_by_program(error):
            raise
        return ""


def _normal(path: str, follows_links: bool = False) -> str:
    """What normpath, or else realpath, makes of an absolute path, without functions that a program can replace."""
    parts = path.split(sep)[:0:-1]
    resolved = ""
    links = 0
    while parts:
        part = parts.pop()
        try:
            target = readlink(resolved + sep + part) if follows_links and links < _MAX_LINKS else ""
        except OSError as error:  # no link
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
    """Whether a code object's file is the tracer's."""
    return filename.startswith(OWN_FOLDER)


# Decisions are remembered by module and file; programs that make modules without end do not fill the memory.
_MAX_DECISIONS = 10_000


class _PatternSet:
    def __init__(self, patterns: Sequence[str]) -> None:
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


class IncludeFilter:
    """Decides, once per code object, whether its calls are recorded.

    include, exclude: module globs (``shop.*``) or path globs (``tests/**/*.py``), the latter
        relative to *workspace*. Excluding wins.
    workspace: absolute path, or None: then path globs are relative to the current folder.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], workspace: Optional[str] = None) -> None:
        self._include = _PatternSet(include)
        self._exclude = _PatternSet(exclude)
        self._cwd = current_folder()
        self._root = realpath(workspace or self._cwd) + sep
        self._decisions: Dict[Tuple[str, str], bool] = {}

    def absolute(self, filename: str) -> str:
        """The absolute path of a code object's file; names like ``<string>`` stay as they are."""
        if filename.startswith("<"):
            return filename
        if filename.startswith("/") and "/." not in filename and "//" not in filename:
            return filename  # it is one already, as nearly all are
        return _normal(filename if filename.startswith("/") else "%s/%s" % (self._cwd, filename))

    def is_included(self, module: str, filename: str) -> bool:
        """module: ``__name__`` of the code's globals; filename: its ``co_filename``."""
        decision = self._decisions.get((module, filename))
        if decision is None:
            if len(self._decisions) >= _MAX_DECISIONS:
                self._decisions.clear()
            decision = self._decisions[module, filename] = self._decide(module, filename)
        return decision

    def _decide(self, module: str, filename: str) -> bool:
        if filename.startswith("<frozen ") or is_own(filename):
            return False
        absolute = self.absolute(filename)
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
