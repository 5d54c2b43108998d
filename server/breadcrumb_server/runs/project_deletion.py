"""Delete a project with all that was recorded, and nothing of its workspace. Blocking: call it in a worker thread."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from breadcrumb_server.answers.common.text import one_line
from breadcrumb_server.projects.config import ProjectConfig, load_config, unknown_project
from breadcrumb_server.projects.home import Home, check_project_name
from breadcrumb_server.runs import process_group
from breadcrumb_server.runs.deletion import TracesDeleted, database_bytes, free_spool, megabytes, still_running
from breadcrumb_server.runs.recovery import Claim
from breadcrumb_server.runs.state import RUNNING, load_state
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError, DatabaseFailed, DatabaseTooNew, DatabaseUnusable, SpoolTooNew
from breadcrumb_storage.queries.project_overview import project_overview
from breadcrumb_storage.queries.traces import count_calls
from breadcrumb_storage.regular_file import is_folder


def delete_project(home: Home, project: str) -> TracesDeleted:
    """Delete a project's recorded runs, its database and its settings.

    A project whose settings or database cannot be read is deleted too. Kept, and named in the notes, is a database that
    another project uses, that is in the workspace, or that Breadcrumb did not make.

    Args:
        home: The home folder.
        project: Name of the project.

    Raises:
        BreadcrumbError: The project is unknown, one of its runs has not ended, or its database is in use. Nothing is
            deleted then.
    """
    check_project_name(project)
    file = home.config_file(project)
    if not file.exists():
        raise unknown_project(home, project)
    with home.locked(), ExitStack() as claims:
        config, notes = _readable_config(home, project)
        database = Database(config.database_file(home) if config else home.database_file(project))
        spools = sorted(each for each in home.spool_folder(project).glob("*") if is_folder(each))
        running = [each.name for each in spools if not claims.enter_context(Claim(each)) or _is_running(each)]
        if running:
            raise still_running(project, running)
        traces, calls, why_kept = _content(home, project, config, database)
        freed = sum(free_spool(each) for each in spools)
        shutil.rmtree(home.spool_folder(project), ignore_errors=True)  # a program may have put anything there
        kept = [f"kept: {database.path}, {why_kept}"] if why_kept else []
        if not why_kept:
            freed += database_bytes(database)
            database.remove()
        home.wanted_lines_file(project).unlink(missing_ok=True)
        shutil.rmtree(home.neighbours_folder(project), ignore_errors=True)
        file.unlink()  # last, so that an interrupted deletion can be repeated
    workspace = config.workspace_folder() if config else None
    untouched = f"; nothing in {workspace} was changed" if workspace else ""
    return TracesDeleted(
        project=project,
        deleted=0 if why_kept else traces,
        calls=0 if why_kept else calls,
        kept=traces if why_kept else 0,
        freed_mb=megabytes(freed),
        database_mb=megabytes(database_bytes(database)),
        notes=[one_line(note, 400) for note in (f"the project is deleted with {file}{untouched}", *kept, *notes)],
        next=["list_projects()"],
    )


def _readable_config(home: Home, project: str) -> tuple[ProjectConfig | None, list[str]]:
    try:
        return load_config(home, project).config, []
    except BreadcrumbError as error:
        return None, [f"its settings could not be read, so a database at another db_path would be left: {error.what}"]


def _is_running(spool: Path) -> bool:
    try:
        state = load_state(spool)
    except SpoolTooNew:
        state = None
    if state is None:
        return bool(process_group.members(None, spool))
    return state.status == RUNNING and (state.owner_is_alive() or state.child_is_alive())


def _content(home: Home, project: str, config: ProjectConfig | None, database: Database) -> tuple[int, int, str]:
    """Return the numbers of traces and calls in the database, and the reason for keeping the file; "" for none."""
    if not database.path.exists():
        return 0, 0, ""
    is_default = database.path == home.database_file(project)
    try:
        with database.write() as con:
            traces, calls = project_overview(con).traces, count_calls(con)
    except (DatabaseFailed, DatabaseUnusable, DatabaseTooNew):
        return 0, 0, "" if is_default else "which is no database of this Breadcrumb"
    workspace = config.workspace_folder() if config else None
    if workspace and database.path.resolve().is_relative_to(workspace.resolve()) and not is_default:
        return traces, calls, "as it is in the workspace"
    user = next((each for each in home.project_names() if each != project and _uses(home, each, database)), None)
    return traces, calls, f"as the project {user} uses it" if user else ""


def _uses(home: Home, project: str, database: Database) -> bool:
    config, _ = _readable_config(home, project)
    file = config.database_file(home) if config else home.database_file(project)
    return file.exists() and file.samefile(database.path)
