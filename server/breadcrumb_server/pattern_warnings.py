"""Compare new patterns with the code that is there and with what earlier runs called."""

from breadcrumb.globs import is_path_pattern
from breadcrumb_server.config import ProjectConfig
from breadcrumb_server.discover import MAIN, workspace_code
from breadcrumb_server.home import Home
from breadcrumb_server.patterns import matches_any
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.queries.project_overview import project_overview, seen_code
from breadcrumb_storage.queries.traces import TraceRow, get_trace


def compare_with_traces(
    home: Home, config: ProjectConfig, before: ProjectConfig, notes: list[str]
) -> tuple[list[str], TraceRow | None]:
    """A warning for each new pattern that matches nothing in the workspace or a trace; and the newest trace."""
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
        if not matches_any(pattern, seen, folder):
            kind = "file" if is_path_pattern(pattern) else "module"
            warnings.append(
                f"{key} {pattern!r} matches no {kind} of the workspace and none seen in a trace so far; "
                "find_gaps names what was called."
            )
    return warnings, last_run
