"""What an include or exclude pattern matches: for warnings and for the ranking of gaps.

The rules are the tracer's own (``breadcrumb.globs``); here they meet absolute paths as the database holds them.
"""

from collections.abc import Iterable
from pathlib import Path

from breadcrumb.globs import is_path_pattern, matches_module, matches_path


def matches(pattern: str, module: str, file: str, workspace: Path | None) -> bool:
    """Whether the pattern takes code of ``module`` in ``file`` (absolute); what does not apply may be empty.

    Without a workspace a path pattern is relative to the folder that the program was started in, which is not known
    here: then it matches wherever its folders begin.
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
    """Whether the pattern matches one of the ``(module, absolute file)`` pairs; either may be empty."""
    return any(matches(pattern, module, file, workspace) for module, file in seen)
