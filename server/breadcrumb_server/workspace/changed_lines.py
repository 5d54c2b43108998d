"""Ask git which lines of files differ from the last commit."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

# An answer waits for it. A repository with a slow file system gets no marks.
GIT_SECONDS = 2.0
_MAX_OUTPUT_CHARS = 2_000_000

_FILE = re.compile(r"\+\+\+ b/(?P<path>.+)")
_HUNK = re.compile(r"@@ -\S+ \+(?P<first>\d+)(?:,(?P<count>\d+))? @@")
# What the repository's settings might run is switched off, and so are locks that another git would meet.
_GIT = (
    "git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "diff", "-U0", "--no-color", "--no-ext-diff",
    "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--no-renames", "HEAD", "--",
)  # fmt: skip


def changed_lines(folder: Path, files: Sequence[str]) -> dict[str, set[int]]:
    """Return the lines of files that differ from the last commit, by the path of the file as given.

    Args:
        folder: A folder in the repository.
        files: Absolute paths.

    Returns:
        Nothing for a file that is not changed, or not in the repository; nothing at all without git, without a
        repository, or if git takes too long.
    """
    inside = [file for file in files if Path(file).is_relative_to(folder)]
    if not inside:
        return {}
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        top = _output(("git", "rev-parse", "--show-toplevel"), folder, environment).strip()
        text = _output((*_GIT, *inside), folder, environment)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    by_real_path = {os.path.realpath(file): file for file in inside}
    found: dict[str, set[int]] = {}
    lines: set[int] = set()
    for line in text[:_MAX_OUTPUT_CHARS].splitlines():
        if match := _FILE.fullmatch(line):
            file = by_real_path.get(os.path.realpath(Path(top, match["path"])))
            lines = found.setdefault(file, set()) if file is not None else set()
        elif match := _HUNK.match(line):
            first, count = int(match["first"]), int(match["count"] or 1)
            lines.update(range(first, first + count))
    return found


def _output(command: Sequence[str], folder: Path, environment: dict[str, str]) -> str:
    return subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, timeout=GIT_SECONDS, check=True, encoding="utf-8", errors="surrogateescape",
    ).stdout  # fmt: skip
