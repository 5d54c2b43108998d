"""Propose a first command for a workspace, which runs as it is."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from breadcrumb_server.workspace.discover import TEST_FOLDERS

# The usual virtual environments, most common first. Another Python may lack the packages of the program.
INTERPRETERS = (".venv/bin/python", "venv/bin/python", "env/bin/python")
# Scripts at the top of many workspaces that are not the program.
HELPER_SCRIPTS = frozenset({"setup.py", "conftest.py", "noxfile.py", "tasks.py", "fabfile.py", "__init__.py"})
# Names of a main script, most common first.
USUAL_NAMES = ("main.py", "app.py", "run.py", "cli.py", "manage.py", "demo.py")
# Scripts that are read, and characters of each: a workspace may hold any number of any size.
MAX_SCRIPTS = 200
MAX_SCRIPT_CHARS = 500_000
PLACEHOLDER = "app.py"

_GUARD = re.compile(r"^if\s.*\b__name__\b", re.MULTILINE)
_CALL = re.compile(r"^(?!if\b|while\b|elif\b|with\b|assert\b|del\b|return\b)[A-Za-z_][\w.]*\(", re.MULTILINE)
_TEST_FILE = re.compile(r"test_.*\.py|.*_tests?\.py|tests?\.py")


def likely_command(workspace: Path | None) -> tuple[list[str], bool]:
    """Choose a command for a workspace.

    It starts a script that does something when run, else the tests, else a package with ``__main__``, else any script.

    Args:
        workspace: The folder with the code; None if the project has none.

    Returns:
        The words of the command, with paths relative to the workspace, and whether it starts existing code. If not,
        PLACEHOLDER stands for the program.
    """
    if workspace is None:
        return ["python", PLACEHOLDER], False
    python = next((path for path in INTERPRETERS if (workspace / path).is_file()), "python")
    names = sorted(file.name for file in islice(workspace.glob("*.py"), MAX_SCRIPTS) if file.is_file())
    has_tests = any(_TEST_FILE.fullmatch(name) for name in names)
    has_tests = has_tests or any((workspace / name).is_dir() for name in TEST_FOLDERS)
    scripts = [name for name in names if name not in HELPER_SCRIPTS and not _TEST_FILE.fullmatch(name)]
    texts = {name: _text(workspace / name) for name in scripts}
    main = _main_script([name for name in scripts if _GUARD.search(texts[name])], guess=not has_tests)
    main = main or _main_script([name for name in scripts if _CALL.search(texts[name])], guess=not has_tests)
    if main:
        return [python, main], True
    if has_tests:
        return [python, "-m", "pytest"], True
    package = next((file.parent.name for file in sorted(workspace.glob("*/__main__.py"))), None)
    if package:
        return [python, "-m", package], True
    main = _main_script(scripts, guess=True)
    return [python, main or PLACEHOLDER], main is not None


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
