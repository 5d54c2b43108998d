"""Find interpreters, and make the virtual environments that a benchmark needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PYTHONS = Path(__file__).parents[2] / "tests" / "support" / "pythons.py"


class Unavailable(Exception):
    """A package or an interpreter is not available; the message says what is missing."""


def find_python(version: str) -> str:
    """Return the interpreter of a version, from where the tests look for it."""
    found = subprocess.run([sys.executable, PYTHONS, version], capture_output=True, text=True)
    if found.returncode:
        raise Unavailable(found.stderr.strip())
    return found.stdout.strip()


def prepare(what: str, command: Sequence[str], cwd: Path) -> None:
    """Run a preparing command; if it fails, raise Unavailable with the end of its output."""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{what} failed: {(done.stderr or done.stdout).strip()[-1500:]}")


def make_environment(python: str, folder: Path, requirements: Sequence[str]) -> str:
    """Make a virtual environment, unless an earlier run has made it, and return its interpreter.

    Args:
        python: The interpreter that it is made of.
        folder: Where it is made; the folder above it exists.
        requirements: What pip installs into it.

    Raises:
        Unavailable: It could not be made, or something could not be installed.
    """
    executable = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        prepare("making a virtual environment", [python, "-m", "venv", "--clear", str(folder)], folder.parent)
        if requirements:
            install = [str(executable), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            prepare("the installation", [*install, *requirements], folder.parent)
        ready.touch()
    return str(executable)
