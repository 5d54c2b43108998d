"""Include and exclude patterns: which code is traced."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False  # typing itself is not imported: every import delays the start of the user's program
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Pattern, Sequence

# Never traced, whatever the patterns say: the tracer itself, and what Python runs to import it.
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def is_path_pattern(pattern: str) -> bool:
    """A pattern with a slash or a ``.py`` ending speaks of files, any other of modules."""
    return "/" in pattern or pattern.endswith(".py")


def module_regex(pattern: str) -> str:
    """A module glob as a regular expression.

    ``*`` stands for any text, dots too; ``shop.*`` takes the package ``shop`` itself as well.
    """
    if pattern.endswith(".*"):
        return _glob(pattern[:-2], ".*") + r"(?:\..*)?"
    return _glob(pattern, ".*")


def path_regex(pattern: str) -> str:
    """A path glob as a regular expression; ``**`` crosses folders, ``*`` and ``?`` do not."""
    out = []
    for piece in re.split(r"(\*\*/|/\*\*$|\*\*)", pattern):
        if piece == "**/":
            out.append(r"(?:.*/)?")
        elif piece == "/**":
            out.append(r"/.*")
        elif piece == "**":
            out.append(r".*")
        else:
            out.append(_glob(piece, "[^/]*"))
    return "".join(out)


def _glob(pattern: str, star: str) -> str:
    return "".join(star if c == "*" else "[^/]" if c == "?" else re.escape(c) for c in pattern)


def _compile(patterns: List[str], translate: Callable[[str], str]) -> Optional[Pattern[str]]:
    if not patterns:
        return None
    return re.compile("(?s:" + "|".join(translate(p) for p in patterns) + r")\Z")


class _PatternSet:
    def __init__(self, patterns: Sequence[str]) -> None:
        paths = [p[2:] if p.startswith("./") else p for p in patterns if is_path_pattern(p)]
        self._modules = _compile([p for p in patterns if not is_path_pattern(p)], module_regex)
        self._paths = _compile([p for p in paths if not p.startswith("/")], path_regex)
        self._absolute = _compile([p for p in paths if p.startswith("/")], path_regex)

    def matches(self, module: str, relative: Optional[str], absolute: str) -> bool:
        return bool(
            (self._modules is not None and self._modules.match(module))
            or (self._paths is not None and relative is not None and self._paths.match(relative))
            or (self._absolute is not None and self._absolute.match(absolute))
        )


class IncludeFilter:
    """Decides, once per code object, whether its calls are recorded.

    include, exclude: module globs (``shop.*``) or path globs (``tests/**/*.py``), the latter
        relative to *workspace*. Excluding wins.
    workspace: absolute path, or None: then path globs are relative to the current folder.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], workspace: Optional[str] = None) -> None:
        self._include = _PatternSet(include)
        self._exclude = _PatternSet(exclude)
        self._cwd = os.getcwd()
        self._root = os.path.realpath(workspace or self._cwd) + os.sep

    def absolute(self, filename: str) -> str:
        """The absolute path of a code object's file; names like ``<string>`` stay as they are."""
        if filename.startswith("<"):
            return filename
        return os.path.normpath(os.path.join(self._cwd, filename))

    def is_included(self, module: str, filename: str) -> bool:
        """module: ``__name__`` of the code's globals; filename: its ``co_filename``."""
        if filename.startswith("<frozen "):
            return False
        absolute = self.absolute(filename)
        if absolute.startswith(_OWN_FOLDER):
            return False
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
