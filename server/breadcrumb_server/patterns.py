"""What an include or exclude pattern matches, for warning of one that matches nothing.

The tracer decides with its own ``breadcrumb.patterns`` (which has to run in old Pythons); a test
holds this module equal to it. Two kinds of pattern:

- a *module glob* (``shop.*``, ``__main__``): ``*`` stands for any text, dots too. A trailing ``.*``
  also takes the package itself, so that ``shop.*`` means "shop and everything below it".
- a *path glob* (it has a ``/`` or ends in ``.py``), relative to the workspace: ``*`` stays within
  one folder, ``**`` stands for any number of folders.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path


def is_path_pattern(pattern: str) -> bool:
    return "/" in pattern or pattern.endswith(".py")


def matches_module(pattern: str, module: str) -> bool:
    return _matches_glob(module, pattern) or (pattern.endswith(".*") and _matches_glob(module, pattern[:-2]))


def matches_path(pattern: str, file: str, workspace: Path | None) -> bool:
    """Whether ``file`` (absolute) matches.

    Without a workspace a pattern is relative to the folder that the program was started in, which
    is not known here: then it matches wherever its folders begin.
    """
    pattern = pattern.removeprefix("./")
    if workspace is None and not pattern.startswith("/"):
        pattern = "**/" + pattern
    elif not pattern.startswith("/"):
        prefix = f"{str(workspace).rstrip('/')}/"
        if not file.startswith(prefix):
            return False
        file = file[len(prefix) :]
    return _matches_parts(file.split("/"), pattern.split("/"))


def matches_any(pattern: str, seen: Iterable[tuple[str, str]], workspace: Path | None) -> bool:
    """Whether the pattern matches one of the ``(module, absolute file)`` pairs; either may be empty."""
    if is_path_pattern(pattern):
        return any(matches_path(pattern, file, workspace) for _, file in seen if file)
    return any(matches_module(pattern, module) for module, _ in seen if module)


def _matches_parts(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches_parts(parts[skipped:], patterns[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and _matches_glob(parts[0], patterns[0]) and _matches_parts(parts[1:], patterns[1:])


def _matches_glob(text: str, pattern: str) -> bool:
    return bool(_regex(pattern).fullmatch(text))


@lru_cache(maxsize=512)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("(?s:" + "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern) + ")")
