"""Choose the Python that runs the code of a folder, and find what is installed for it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The usual virtual environments, most common first. Another Python may lack the packages of the program.
ENVIRONMENTS = (".venv", "venv", "env", "virtualenv")
# The lock file of a project manager, and the program that runs commands in the environment that it keeps.
MANAGERS = (("uv.lock", "uv"), ("poetry.lock", "poetry"), ("pdm.lock", "pdm"), ("Pipfile.lock", "pipenv"))


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python, as the words with which it is started from a folder."""

    words: tuple[str, ...]
    packages: tuple[Path, ...] = ()  # the folders of installed packages; empty if they are not known

    @property
    def is_managed(self) -> bool:
        """Return whether a project manager starts it, which installs the project first."""
        return len(self.words) > 1

    def script(self, name: str, folder: Path) -> list[str] | None:
        """Return the words that start an installed console script; None if it is not there."""
        if self.is_managed:
            return [*self.words[:-1], name]
        script = str(Path(self.words[0]).with_name(name))
        return [script] if "/" in script and os.access(folder / script, os.X_OK) else None

    def has(self, package: str) -> bool | None:
        """Return whether a package is installed; None if that is not known."""
        if not self.packages:
            return None
        return any((folder / package).is_dir() for folder in self.packages)

    def has_project(self, source: Path) -> bool:
        """Return whether the packages of a source folder are installed, or linked to."""
        names = [entry.name for entry in source.iterdir() if (entry / "__init__.py").is_file()]
        for folder in self.packages:
            if any((folder / name).is_dir() for name in names) or any(folder.glob("__editable__*")):
                return True
            if any(str(source) in _text(link) for link in folder.glob("*.pth")):
                return True
        return False


def interpreter_for(folder: Path, workspace: Path) -> Interpreter:
    """Choose the Python of a folder: of its own virtual environment, of its project manager, or the one on PATH.

    Args:
        folder: The workspace, or a folder in it.
        workspace: Up to here the folders above are searched as well.
    """
    folders = [folder, *(each for each in folder.parents if each.is_relative_to(workspace))]
    for each in folders:
        for name in ENVIRONMENTS:
            python = each / name / "bin" / "python"
            if python.is_file() and os.access(python, os.X_OK):
                return Interpreter((os.path.relpath(python, folder),), tuple(_packages(each / name)))
    for each in folders:
        for lock, manager in MANAGERS:
            if (each / lock).is_file() and shutil.which(manager):
                return Interpreter((manager, "run", "python"))
    for name in ("python", "python3"):
        found = shutil.which(name)
        if found:
            return Interpreter((name,), tuple(_packages(_prefix(Path(found)))))
    return Interpreter((sys.executable,), tuple(_packages(Path(sys.prefix))))


def _prefix(python: Path) -> Path:
    """Return the folder of an installation, or of a virtual environment, whose Python is a link."""
    folder = python.parent.parent
    return folder if (folder / "pyvenv.cfg").is_file() else python.resolve().parent.parent


def _packages(prefix: Path) -> Iterator[Path]:
    for pattern in ("lib/python3*/site-packages", "lib/python3*/dist-packages", "local/lib/python3*/dist-packages"):
        yield from sorted(prefix.glob(pattern))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
