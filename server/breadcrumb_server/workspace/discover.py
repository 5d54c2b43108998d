"""Find the code of a workspace that is worth tracing: its packages, scripts and tests."""

from collections.abc import Iterator
from pathlib import Path

# Folders without the workspace's own code. Virtual environments with other names are recognised by their
# pyvenv.cfg, hidden folders by their dot.
SKIPPED_FOLDERS = frozenset(
    {"site-packages", "node_modules", "__pycache__", "build", "dist", "venv", "env", "virtualenv", "docs", "doc"}
)
TEST_FOLDERS = frozenset({"tests", "test", "testing"})
# A package directly in one of these is imported by its own name.
SOURCE_ROOTS = frozenset({"src", "lib", "python"})

# Packages of a monorepo lie a few folders down (packages/billing/src/billing). Looking deeper, or through a
# whole home folder, takes long and finds noise.
MAX_DEPTH = 4
MAX_FOLDERS = 5_000
MAX_PATTERNS = 40

MAIN = "__main__"


def discover_include(workspace: Path) -> list[str]:
    """Return the include patterns for the code in ``workspace``, ``__main__`` first.

    A package at the top or in ``src`` becomes a module glob (``shop.*``). Tests, scripts at the top and other folders
    of modules become path globs (``tools/**/*.py``, ``*.py``), because the module names of such files depend on how
    the program is started.
    """
    patterns = [MAIN]
    if (workspace / "__init__.py").is_file():
        patterns.append(f"{workspace.name}.*")
    elif _has_modules(workspace):
        patterns.append("*.py")
    for folder in _code_folders(workspace):
        relative = folder.relative_to(workspace).as_posix()
        pattern = f"{folder.name}.*" if _is_importable(folder, workspace) else f"{relative}/**/*.py"
        if pattern not in patterns:
            patterns.append(pattern)
        if len(patterns) == MAX_PATTERNS:
            break
    return patterns


def workspace_code(workspace: Path) -> Iterator[tuple[str, str]]:
    """Yield the modules of the workspace as ``(dotted name, absolute file)``; ``__init__.py`` files give the names."""
    seen_folders = 0
    pending = [workspace]
    while pending and seen_folders < MAX_FOLDERS:
        folder = pending.pop()
        seen_folders += 1
        package = _package_name(folder, workspace)
        for entry in _entries(folder):
            if _is_code_folder(entry):
                pending.append(entry)
            elif entry.suffix == ".py":
                name = package if entry.stem == "__init__" else f"{package}.{entry.stem}".lstrip(".")
                yield name, str(entry)


def _code_folders(workspace: Path) -> Iterator[Path]:
    """Yield the topmost folders that hold modules, the shallowest first."""
    seen_folders = 0
    pending = [(folder, 1) for folder in _entries(workspace) if _is_code_folder(folder)]
    while pending and seen_folders < MAX_FOLDERS:
        folder, depth = pending.pop(0)
        seen_folders += 1
        if _has_modules(folder) or folder.name in TEST_FOLDERS:
            yield folder
        elif depth < MAX_DEPTH:
            pending.extend((child, depth + 1) for child in _entries(folder) if _is_code_folder(child))


def _is_importable(folder: Path, workspace: Path) -> bool:
    """Return whether the folder is certainly a package that is imported by its bare name."""
    if folder.name in TEST_FOLDERS or not (folder / "__init__.py").is_file():
        return False
    return folder.parent == workspace or folder.parent.name in SOURCE_ROOTS


def _package_name(folder: Path, workspace: Path) -> str:
    """Return the dotted name of a folder, from its topmost ancestor with ``__init__.py`` down."""
    parts: list[str] = []
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        if folder == workspace:
            break
        folder = folder.parent
    return ".".join(parts)


def _has_modules(folder: Path) -> bool:
    return any(entry.suffix == ".py" and entry.is_file() for entry in _entries(folder))


def _is_code_folder(folder: Path) -> bool:
    name = folder.name
    return (
        not name.startswith(".")
        and name not in SKIPPED_FOLDERS
        and not name.endswith(".egg-info")
        # A link may lead out of the workspace, or in circles.
        and not folder.is_symlink()
        and folder.is_dir()
        and not (folder / "pyvenv.cfg").exists()
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # not readable
        return []
