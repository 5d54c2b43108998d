"""What an include or exclude pattern matches, for warning of one that matches nothing.

The tracer decides with its own ``breadcrumb.patterns`` (which has to run in old Pythons); a test
holds this module equal to it. Two kinds of pattern:

- a *module glob* (``shop.*``, ``__main__``): ``*`` stands for any text, dots too. A trailing ``.*``
  also takes the package itself, so that ``shop.*`` means "shop and everything below it".
- a *path glob* (it has a ``/`` or ends in ``.py``), relative to the workspace: ``*`` stays within
  one folder, ``**`` crosses folders.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path


def is_path_pattern(pattern: str) -> bool:
    return "/" in pattern or pattern.endswith(".py")


def matches_module(pattern: str, module: str) -> bool:
    return bool(_module_regex(pattern).fullmatch(module))


def matches_path(pattern: str, file: str, workspace: Path | None) -> bool:
    """Whether ``file`` (absolute) matches.

    Without a workspace a pattern is relative to the folder that the program was started in, which
    is not known here: then it matches wherever its folders begin.
    """
    pattern = pattern.removeprefix("./")
    if pattern.startswith("/"):
        return bool(_path_regex(pattern).fullmatch(file))
    if workspace is None:
        return bool(_path_regex("**/" + pattern).fullmatch(file))
    prefix = f"{str(workspace).rstrip('/')}/"
    return file.startswith(prefix) and bool(_path_regex(pattern).fullmatch(file[len(prefix) :]))


def matches_any(pattern: str, seen: Iterable[tuple[str, str]], workspace: Path | None) -> bool:
    """Whether the pattern matches one of the ``(module, absolute file)`` pairs; either may be empty."""
    if is_path_pattern(pattern):
        return any(matches_path(pattern, file, workspace) for _, file in seen if file)
    return any(matches_module(pattern, module) for module, _ in seen if module)


@lru_cache(maxsize=512)
def _module_regex(pattern: str) -> re.Pattern[str]:
    if pattern.endswith(".*"):
        return re.compile(f"(?s:{_glob(pattern[:-2], '.*')}" + r"(?:\..*)?)")
    return re.compile(f"(?s:{_glob(pattern, '.*')})")


@lru_cache(maxsize=512)
def _path_regex(pattern: str) -> re.Pattern[str]:
    special = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*"}
    pieces = re.split(r"(\*\*/|/\*\*$|\*\*)", pattern)
    return re.compile("(?s:" + "".join(special.get(piece) or _glob(piece, "[^/]*") for piece in pieces) + ")")


def _glob(pattern: str, star: str) -> str:
    return "".join(star if c == "*" else "[^/]" if c == "?" else re.escape(c) for c in pattern)
