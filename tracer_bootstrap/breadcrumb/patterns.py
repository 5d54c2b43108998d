"""Include and exclude patterns: which code is traced."""

from __future__ import annotations

import os
import sys

from .globs import is_path_pattern, matches_module, matches_path

TYPE_CHECKING = False  # typing itself is not imported: every import delays the start of the user's program
if TYPE_CHECKING:
    from typing import Dict, Optional, Sequence, Tuple

# Never traced, whatever the patterns say: the tracer itself, and what Python runs to import it.
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def current_folder() -> str:
    """The working folder, or an empty text where it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def is_own(filename: str) -> bool:
    """Whether a code object's file is the tracer's."""
    return filename.startswith(_OWN_FOLDER)


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
        self._root = os.path.realpath(workspace or self._cwd) + os.sep
        self._decisions: Dict[Tuple[str, str], bool] = {}

    def absolute(self, filename: str) -> str:
        """The absolute path of a code object's file; names like ``<string>`` stay as they are."""
        if filename.startswith("<"):
            return filename
        return os.path.normpath(os.path.join(self._cwd, filename))

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
        if module == "__mp_main__":  # the main module, in a child that multiprocessing spawned
            module = "__main__"
        relative: Optional[str] = None
        if absolute.startswith(self._root):
            relative = absolute[len(self._root) :]
        elif not filename.startswith("<"):
            real = os.path.realpath(absolute)
            if real.startswith(self._root):
                relative = real[len(self._root) :]
        if sys.platform == "win32" and relative is not None:
            relative = relative.replace("\\", "/")
        return self._include.matches(module, relative, absolute) and not self._exclude.matches(
            module, relative, absolute
        )
