"""Match include and exclude patterns against recorded modules and files.

The rules are the tracer's (``breadcrumb.globs``), applied to absolute paths as the database holds them.
"""

from collections.abc import Iterable
from pathlib import Path

from breadcrumb.globs import is_path_pattern, matches_module, matches_path


def matches(pattern: str, module: str, file: str, workspace: Path | None) -> bool:
    """Return whether a pattern matches a module or its file.

    Args:
        pattern: A module glob or a path glob.
        module: Dotted name, or empty if unknown.
        file: Absolute path, or empty if unknown.
        workspace: The folder that a path glob is relative to. If None, the glob may begin at any folder, because the
            folder in which the program was started is unknown here.
    """
    if not is_path_pattern(pattern):
        return bool(module) and matches_module(module, pattern)
    pattern = pattern.removeprefix("./")
    if not file:
        return False
    if pattern.startswith("/"):
        return matches_path(file, pattern)
    if workspace is None:
        return matches_path(file, "**/" + pattern)
    prefix = f"{str(workspace).rstrip('/')}/"
    return file.startswith(prefix) and matches_path(file.removeprefix(prefix), pattern)


def matches_any(pattern: str, seen: Iterable[tuple[str, str]], workspace: Path | None) -> bool:
    """Return whether the pattern matches one of the ``(module, absolute file)`` pairs, of which either may be empty."""
    return any(matches(pattern, module, file, workspace) for module, file in seen)
