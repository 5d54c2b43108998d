"""A first command to propose for a workspace: one that can be made as it stands."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from breadcrumb_server.workspace.discover import TEST_FOLDERS

# Where environments are made, the most usual first. Only there: another Python lacks what the program imports.
INTERPRETERS = (".venv/bin/python", "venv/bin/python", "env/bin/python")
# Scripts at the top of many workspaces that nobody means by "the program".
NOT_STARTED = frozenset({"setup.py", "conftest.py", "noxfile.py", "tasks.py", "fabfile.py", "__init__.py"})
# Of several scripts that could be started, the one that is meant.
USUAL_NAMES = ("main.py", "app.py", "run.py", "cli.py", "manage.py", "demo.py")
# A workspace may hold any number of scripts, of any size: these are looked into, and so far.
MAX_SCRIPTS = 200
MAX_SCRIPT_CHARS = 500_000
PLACEHOLDER = "app.py"

_GUARD = re.compile(r"^if\s.*\b__name__\b", re.MULTILINE)
_CALL = re.compile(r"^(?!if\b|while\b|elif\b|with\b|assert\b|del\b|return\b)[A-Za-z_][\w.]*\(", re.MULTILINE)
_TEST_FILE = re.compile(r"test_.*\.py|.*_tests?\.py|tests?\.py")


def likely_command(workspace: Path | None) -> tuple[list[str], bool]:
    """A command, its paths relative to the workspace, and whether there is what it starts.

    A script that does something when it is started, else the tests, else a package that can be started, else any
    script.
    """
    if workspace is None:
        return ["python", PLACEHOLDER], False
    python = next((path for path in INTERPRETERS if (workspace / path).is_file()), "python")
    names = sorted(file.name for file in islice(workspace.glob("*.py"), MAX_SCRIPTS) if file.is_file())
    has_tests = any(_TEST_FILE.fullmatch(name) for name in names)
    has_tests = has_tests or any((workspace / name).is_dir() for name in TEST_FOLDERS)
    scripts = [name for name in names if name not in NOT_STARTED and not _TEST_FILE.fullmatch(name)]
    texts = {name: _text(workspace / name) for name in scripts}
    started = _the_one_meant([name for name in scripts if _GUARD.search(texts[name])], alone=has_tests)
    started = started or _the_one_meant([name for name in scripts if _CALL.search(texts[name])], alone=has_tests)
    if started:
        return [python, started], True
    if has_tests:
        return [python, "-m", "pytest"], True
    package = next((file.parent.name for file in sorted(workspace.glob("*/__main__.py"))), None)
    if package:
        return [python, "-m", package], True
    script = _the_one_meant(scripts, alone=False)
    return [python, script or PLACEHOLDER], script is not None


def _the_one_meant(scripts: Sequence[str], *, alone: bool) -> str | None:
    """The only one, or the one of a usual name; any of them unless it has to be ``alone`` to be meant."""
    usual = [name for name in USUAL_NAMES if name in scripts]
    candidates = usual or ([] if alone and len(scripts) > 1 else scripts)
    return candidates[0] if candidates else None


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(MAX_SCRIPT_CHARS)
    except OSError:  # not readable, or gone
        return ""
