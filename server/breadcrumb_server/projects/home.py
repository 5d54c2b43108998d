"""Locate the Breadcrumb home folder and the files of each project in it."""

import fcntl
import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from breadcrumb_server.system_errors import hint_for
from breadcrumb_storage.errors import BreadcrumbError

ENV_HOME = "BREADCRUMB_HOME"

FOLDER_MODE = 0o700
FILE_MODE = 0o600

_NAME = re.compile(r"[A-Za-z0-9._-]+")
# "<name>-traces.duckdb.wal" must fit into the 255 bytes that file systems allow.
MAX_NAME_CHARS = 100


@dataclass(frozen=True)
class Home:
    """The folder that holds every project's config, database and spool. Only :meth:`create` writes.

    The paths of a project are given for names that a project may have, so that no name leads out of the folder; for
    others a `BreadcrumbError` is raised.
    """

    folder: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Home":
        """Return the home in ``BREADCRUMB_HOME``, or ``~/.breadcrumb`` if that is unset or empty."""
        return cls(Path(environ.get(ENV_HOME) or "~/.breadcrumb").expanduser().absolute())

    def create(self) -> None:
        """Make the folder, readable by its owner only.

        Raises:
            BreadcrumbError: The folder cannot be made, or its path is a file.
        """
        make_private_folder(self.folder, hint=f"Set {ENV_HOME} to a folder that you can write to.")

    def config_file(self, project: str) -> Path:
        """Return the path of a project's config file."""
        return self.folder / f"{check_project_name(project)}.yaml"

    def database_file(self, project: str) -> Path:
        """Return the default path of a project's database; its ``db_path`` may name another."""
        return self.folder / f"{check_project_name(project)}-traces.duckdb"

    def wanted_lines_file(self, project: str) -> Path:
        """Return the path of the list of functions whose lines the next run records."""
        return self.folder / f"{check_project_name(project)}-lines.json"

    def neighbours_folder(self, project: str) -> Path:
        """Return the folder with what is remembered of a project's first passes."""
        return self.folder / "neighbours" / check_project_name(project)

    def spool_folder(self, project: str) -> Path:
        """Return the folder with the spool folders of a project's runs."""
        return self.folder / "spool" / check_project_name(project)

    @contextmanager
    def locked(self) -> Generator[None]:
        """Lock the configs of the folder, which must exist, against other threads and servers."""
        with locked_folder(self.folder):
            yield

    def project_names(self) -> list[str]:
        """Return the names of all projects with a config file, readable or not."""
        names = (file.name.removesuffix(".yaml") for file in self.folder.glob("*.yaml"))
        return sorted(name for name in names if is_project_name(name))

    def newest_project_names(self) -> list[str]:
        """Return the names of all projects, those whose database or config was written last first."""

        def written(project: str) -> float:
            times = [0.0]
            for file in (self.database_file(project), self.config_file(project)):
                with suppress(OSError):  # it has no traces yet, or its database is elsewhere
                    times.append(file.stat().st_mtime)
            return max(times)

        return sorted(self.project_names(), key=written, reverse=True)


@contextmanager
def locked_folder(folder: Path) -> Generator[None]:
    """Lock a folder, which must exist, against other threads and processes that use this lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_private_folder(folder: Path, *, hint: str = "") -> None:
    """Make ``folder`` and its missing parents with mode 0700; existing ones keep theirs.

    Args:
        folder: The folder to make.
        hint: What the error should advise where the system's own reason says nothing better.

    Raises:
        BreadcrumbError: The folder cannot be made, or its path is a file.
    """
    try:
        for parent in [*reversed(folder.parents), folder]:
            if not parent.is_dir():
                parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise BreadcrumbError(
            f"Cannot make the folder {folder}.", why=str(error), hint=hint_for(error, hint)
        ) from error


def is_project_name(name: str) -> bool:
    """Return whether a project may have this name."""
    # A name of dots only would lead out of the spool folder.
    return bool(_NAME.fullmatch(name)) and len(name) <= MAX_NAME_CHARS and bool(name.strip("."))


def check_project_name(name: str) -> str:
    """Return ``name`` if a project may have it.

    Raises:
        BreadcrumbError: The name is too long, only dots, or not made of letters, digits, ``-``, ``_`` and ``.``.
    """
    if is_project_name(name):
        return name
    raise BreadcrumbError(
        f"{name[:200]!r} is not a project name.",
        why=f"A name is made of 1 to {MAX_NAME_CHARS} letters, digits, '-', '_' and '.', and is more than dots.",
        hint=f"Try {similar_project_name(name)!r}; list_projects names those that there are.",
    )


def similar_project_name(name: str) -> str:
    """Return the name itself if a project may have it, else one that resembles it."""
    if is_project_name(name):
        return name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:MAX_NAME_CHARS] or "my-project"
