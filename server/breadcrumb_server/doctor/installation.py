"""Check the installation itself: its Python, its programs on PATH, and other packages of the same name."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from breadcrumb_server.doctor.findings import Finding, ok, problem, warning
from breadcrumb_server.runs.launcher import inject_folder
from breadcrumb_storage.errors import BreadcrumbError

DISTRIBUTION = "breadcrumb-mcp"
# An older package for tracing, with the same import name and the same program.
NAMESAKE = "breadcrumb"
PROGRAMS = ("breadcrumb", "breadcrumb-mcp")


def check_server() -> Finding:
    """Say which version this is and what it runs on."""
    python = ".".join(map(str, sys.version_info[:3]))
    found = f"{DISTRIBUTION} {version(DISTRIBUTION)} on Python {python} ({sys.executable})"
    if sys.platform == "linux":
        return ok("server", found)
    return warning("server", f"{found}, platform {sys.platform}", "Only Linux is tested. Expect missing parts.")


def check_tracer() -> Finding:
    """Check that the tracer is installed beside the server and complete."""
    try:
        return ok("tracer", f"in {inject_folder().parent}")
    except BreadcrumbError as error:
        return problem("tracer", f"{error.what} {error.why}".strip(), error.hint)


def check_namesake() -> Finding:
    """Look for another distribution that brings the import package of the tracer."""
    try:
        other = distribution(NAMESAKE)
    except PackageNotFoundError:
        return ok("namesake", f"no other package {NAMESAKE!r} is installed beside the server")
    return problem(
        "namesake",
        f"the package {NAMESAKE} {other.version} is installed in the same environment, and writes into the same folder",
        f"{sys.executable} -m pip uninstall {NAMESAKE}, then {sys.executable} -m pip install --force-reinstall "
        f"--no-deps {DISTRIBUTION}",
    )


def check_programs(path: str | None = None) -> Finding:
    """Check that the programs that a shell finds are those of this installation.

    Args:
        path: As the variable PATH; None means that of this process.
    """
    own = Path(sys.executable).parent
    others = {
        name: found
        for name in PROGRAMS
        if (found := shutil.which(name, path=path)) and (own / name).exists() and not _is_same(found, own / name)
    }
    if others:
        listed = " and ".join(f"{name} is {found}" for name, found in others.items())
        return warning(
            "programs",
            f"on PATH, {listed}, and not the one of this installation ({own})",
            f"Remove the other one, put {own} first on PATH, or call {own / PROGRAMS[0]} by its path.",
        )
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing:
        return warning(
            "programs",
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not on PATH; this installation is in {own}",
            "Clients that have the whole path start it all the same. For your shell: pipx ensurepath, or "
            "uv tool update-shell.",
        )
    return ok("programs", f"{' and '.join(PROGRAMS)} on PATH are those of this installation")


def _is_same(found: str, own: Path) -> bool:
    return os.path.realpath(found) == os.path.realpath(own)
