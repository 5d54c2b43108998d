"""Warn of new patterns that match neither code of the workspace nor code seen in a trace."""

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from breadcrumb.globs import is_path_pattern
from breadcrumb_server.projects.config import ProjectConfig
from breadcrumb_server.projects.home import Home
from breadcrumb_server.workspace.discover import MAIN, workspace_code
from breadcrumb_server.workspace.patterns import matches_any
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.project_overview import project_overview, seen_code
from breadcrumb_storage.queries.traces import TraceRow, get_trace

# Files of one package that are compared; the largest packages have some thousands.
MAX_PACKAGE_FILES = 20_000


def compare_with_traces(
    home: Home, config: ProjectConfig, before: ProjectConfig, notes: list[str]
) -> tuple[list[str], TraceRow | None]:
    """Compare the new patterns of a config with the code of the workspace and of earlier traces.

    Args:
        home: The home folder.
        config: The new settings.
        before: The old settings, whose patterns are not checked.
        notes: Gets a note if the traces cannot be read.

    Returns:
        A warning for each new pattern that matches nothing, and the newest trace, if any.
    """
    new = [
        (key, pattern)
        for key in ("include", "exclude")
        for pattern in getattr(config, key)
        if pattern not in getattr(before, key) and pattern != MAIN
    ]
    folder = config.workspace_folder()
    seen = set(workspace_code(folder)) if new and folder and folder.is_dir() else set[tuple[str, str]]()
    last_run: TraceRow | None = None
    try:
        with Database(config.database_file(home)).read() as con:
            seen |= seen_code(con) if new else set()
            if last_trace_id := project_overview(con).last_trace_id:
                last_run = get_trace(con, last_trace_id)
    except BreadcrumbError as error:
        notes.append(f"new patterns were not compared with earlier traces: {error.what}")
    warnings: list[str] = []
    for key, pattern in new:
        if not matches_any(pattern, seen, folder) and not matches_any(pattern, _package_code(pattern, seen), folder):
            kind = "file" if is_path_pattern(pattern) else "module"
            warnings.append(
                f"{key} {pattern!r} matches no {kind} of the workspace and none seen in a trace so far; "
                "find_gaps names what was called."
            )
    return warnings, last_run


def _package_code(pattern: str, seen: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield (module, file) of the package that a pattern begins with.

    The package is located by its modules in earlier traces, because the program may run in another environment than
    the server.
    """
    top = pattern.partition(".")[0]
    if is_path_pattern(pattern) or not top.isidentifier():
        return
    for root in sorted({root for module, file in seen if (root := _import_root(module, file, top))}):
        for file in islice((root / top).rglob("*.py"), MAX_PACKAGE_FILES):
            parts = file.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), str(file)


def _import_root(module: str, file: str, top: str) -> Path | None:
    """Return the folder from which the package ``top`` is imported, given one of its modules and that module's file."""
    names = module.split(".")
    if names[0] != top or not file.startswith("/"):
        return None
    path = Path(file).with_suffix("")
    path = path.parent if path.name == "__init__" else path
    return path.parents[len(names) - 1] if path.parts[-len(names) :] == tuple(names) else None
