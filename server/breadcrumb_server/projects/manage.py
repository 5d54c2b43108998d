"""Make, list, show and change projects. Blocking: call it in a worker thread."""

import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from breadcrumb_server import restrictions
from breadcrumb_server.answers.common.budget import fit_table, squeeze
from breadcrumb_server.answers.common.model import Cell, Table
from breadcrumb_server.answers.common.next_calls import NextCalls, at_most_one, call
from breadcrumb_server.answers.common.parts import Parts
from breadcrumb_server.answers.common.text import first_of
from breadcrumb_server.projects.answers import ProjectCreated, ProjectList, ProjectSettings, SettingsChanged
from breadcrumb_server.projects.atomic_file import write_file
from breadcrumb_server.projects.config import ProjectConfig, UnknownProjectError, check_settings, load_config
from breadcrumb_server.projects.config_changes import ConfigChanges, changed_settings
from breadcrumb_server.projects.config_file import render_config
from breadcrumb_server.projects.home import Home, check_project_name
from breadcrumb_server.projects.paths import expanded
from breadcrumb_server.projects.pattern_warnings import compare_with_traces
from breadcrumb_server.workspace.discover import MAIN, discover_include
from breadcrumb_server.workspace.likely_command import likely_command
from breadcrumb_storage.database import Database
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.ingest.spool_files import spools_of
from breadcrumb_storage.queries.project_overview import ProjectOverview, project_overview
from breadcrumb_storage.queries.traces import TraceRow

# list_projects queries every database, and a locked one must not delay the others.
OVERVIEW_LOCK_SECONDS = 0.5
MAX_LISTED = 60
MAX_LIST_NOTES = 5
MAX_CELL_CHARS = 100
# Patterns that the report of the first run of a project names.
PATTERNS_NAMED = 5
# Where Claude Code says which folder it works in; other clients start the server in it.
ENV_CLIENT_FOLDER = "CLAUDE_PROJECT_DIR"
# Where a program in the workspace that calls breadcrumb.init() writes its traces, unless it is told otherwise.
PROGRAM_DATABASE = ".breadcrumb/traces.duckdb"
PROJECT_COLUMNS = ["project", "workspace", "traces", "size_mb", "last_run"]


def init_project(
    home: Home,
    project: str,
    workspace: str | None = None,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
) -> ProjectCreated:
    """Make a project's config file and database; an existing project is returned unchanged.

    Args:
        home: The home folder, made if missing.
        project: Name of the project.
        workspace: The folder with the code.
        include: Patterns to trace; None means those found in the workspace.
        exclude: Patterns not to trace.

    Raises:
        BreadcrumbError: The name, the workspace or a pattern is refused, or an existing file is broken.
    """
    check_project_name(project)
    home.create()
    with home.locked():
        if home.config_file(project).exists() or home.config_file(project).is_symlink():
            return _existing(home, project, workspace, include, exclude)
        config = _new_config(project, workspace, include, exclude)
        file = home.config_file(project)
        config, program_notes = _with_program_database(config)
        database = config.database_file(home)
        existed = database.exists() and not program_notes
        with Database(database).write():
            pass
        write_file(file, render_config(config, _with_tilde(database)))
    notes = (
        [] if workspace else ["no workspace: only __main__ (the started script itself) is traced until you widen it"]
    )
    notes += program_notes
    if existed:
        notes.append("the database existed already and was kept with its traces")
    folder = config.workspace_folder()
    if folder and config.include == [MAIN]:
        notes.append(f"no Python code was found in {folder}")
    part = Parts()  # the project is made: what fails from here on must not hide that
    nothing: tuple[str | None, list[str]] = (None, [])
    proposed, more_notes = part.make("next", lambda: _first_run(project, folder), nothing)
    notes += more_notes
    return part.told(
        ProjectCreated(
            project=project,
            created=True,
            config_file=str(file),
            database=str(database),
            config=_changed(load_config(home, project).config),
            notes=notes,
            next=at_most_one([proposed]),
        )
    )


def config_for_run(home: Home, project: str, folder: str | None) -> tuple[ProjectConfig, str]:
    """Load the settings of a project that a run names; make the project if there is none and the run names a folder.

    Args:
        home: The home folder.
        project: Name of the project.
        folder: The working folder of the run, which becomes the workspace; None if it was not given.

    Returns:
        The settings, and a sentence about the new project, which is "" if it existed.

    Raises:
        BreadcrumbError: The project is unknown, and no folder was given, or another project has it. Otherwise as for
            `init_project`.
    """
    try:
        return load_config(home, project).config, ""
    except UnknownProjectError:
        if folder is None or not Path(folder).is_absolute():
            raise
        _refuse_second_project(home, _workspace(folder))
    made = init_project(home, project, folder)
    config = load_config(home, project).config
    return config, "; ".join([f"new project {project}, traces {first_of(config.include, PATTERNS_NAMED)}", *made.notes])


def _refuse_second_project(home: Home, folder: Path) -> None:
    """Refuse to make a project, without being asked to, of a folder that has one: its name was most likely mistyped."""
    for name in home.project_names():
        try:
            if load_config(home, name).config.workspace_folder() != folder:
                continue
        except BreadcrumbError:  # a broken file
            continue
        raise UnknownProjectError(
            f"The project of {folder} is {name!r}.",
            why="A run makes a project only of a folder that has none.",
            hint=f'Call run(project="{name}", ...), or make a second one with init_project.',
        )


def _first_run(project: str, workspace: Path | None) -> tuple[str | None, list[str]]:
    """Propose a run of the code in a workspace, with notes; None if no code to run was found."""
    likely = likely_command(workspace) if workspace and workspace.is_dir() else None
    if likely is None:
        why = ["no script and no tests were found: give `run` your own command"] if workspace else []
        return None, why
    proposed = call(
        "run",
        project=project,
        command=likely.command,
        timeout_seconds=60,
        cwd=likely.cwd,
        env=likely.env or None,
    )
    return proposed, likely.notes


def list_projects(home: Home) -> ProjectList:
    """List every project of the home folder, also those with a broken file."""
    names = home.project_names()
    rows: list[list[Cell]] = []
    notes: list[str] = []
    for name in names[:MAX_LISTED]:
        part = Parts()
        row, note = part.make(name, partial(_project_row, home, name), (_bare_row(name), list[str]()))
        rows.append(row)
        notes += [*note, *part.notes]
    proposed = call("list_traces", project=names[0]) if names else Parts().optional("next", _first_project)

    def build(count: int, chars: int) -> ProjectList:
        return ProjectList(
            home=str(home.folder),
            projects=Table(columns=PROJECT_COLUMNS, rows=rows[:count], more=len(names) - count),
            notes=notes[:MAX_LIST_NOTES],
            next=at_most_one([proposed]),
        )

    return fit_table(build, len(rows), cells=[MAX_CELL_CHARS])


def _first_project() -> str | None:
    """Propose a project for the folder that the client works in; None if that is no folder of code."""
    folder = Path(os.environ.get(ENV_CLIENT_FOLDER) or Path.cwd())
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.name).strip("-.")
    if not name or folder == Path.home() or discover_include(folder) == [MAIN]:
        return None
    return call("init_project", project=name, workspace=str(folder))


def _bare_row(name: str) -> list[Cell]:
    return [name, *[None] * (len(PROJECT_COLUMNS) - 1)]


def _project_row(home: Home, name: str) -> tuple[list[Cell], list[str]]:
    try:
        config = load_config(home, name).config
    except BreadcrumbError as error:
        return _bare_row(name), [f"{name}: {error.what}"[:300]]
    database = config.database_file(home)
    try:
        size = round(database.stat().st_size / 1_000_000, 1) if database.exists() else 0.0
        overview = _overview(database)
    except (BreadcrumbError, OSError) as error:
        why = str(error).splitlines()[:2]
        note = f"{name}: its traces cannot be read now; get_config still works. {' '.join(why)}"
        return [name, _cut(config.workspace), None, None, None], [note[:300]]
    last = f"{overview.last_trace_id} {overview.last_status}" if overview.last_trace_id else None
    return [name, _cut(config.workspace), overview.traces, size, last], []


def get_config(home: Home, project: str) -> ProjectSettings:
    """Return the settings of a project.

    Raises:
        BreadcrumbError: The project is unknown or its file is broken.
    """
    loaded = load_config(home, project)
    answer = ProjectSettings(
        project=project,
        config_file=str(loaded.file),
        config=_shown(loaded.config, home),
        next=[call("list_traces", project=project)],
    )
    return squeeze(answer)


def edit_config(home: Home, project: str, changes: ConfigChanges) -> SettingsChanged:
    """Change the settings of a project, with as few changes to its file as possible.

    Raises:
        BreadcrumbError: The project is unknown, its file is broken, or a change is refused. The file is unchanged then.
    """
    load_config(home, project)  # an unknown project may have no home folder to lock
    with home.locked():
        loaded = load_config(home, project)
        new_values, notes = changed_settings(loaded.config, changes)
        config = check_settings(
            {**loaded.config.model_dump(exclude_unset=True), **_nested(loaded.config, new_values)},
            f"The change of {project!r}",
        )
        _check_allowed(home, config, new_values)
        if new_values:
            text, kept = _edited_text(loaded.text, new_values, config, home)
            write_file(loaded.file, text)
            if not kept:
                notes.append("the file could not be changed in place and was rewritten: its comments are lost")
    before, after = loaded.config.model_dump(), config.model_dump()
    changed = [key for key in after if before[key] != after[key]]
    part = Parts()  # the file is written: what fails from here on must not hide that
    nothing: tuple[list[str], TraceRow | None] = ([], None)
    warnings, last_run = part.make("warnings", lambda: compare_with_traces(home, config, loaded.config, notes), nothing)
    answer = SettingsChanged(
        project=project,
        config_file=str(loaded.file),
        changed=changed,
        before={key: before[key] for key in changed},
        config=_shown(config, home),
        warnings=warnings,
        notes=notes,
        next=part.rows(
            "next",
            lambda: at_most_one(
                [NextCalls(project, last_run).rerun() if last_run else None, call("list_traces", project=project)]
            ),
        ),
    )
    return squeeze(part.told(answer))


def _existing(
    home: Home,
    project: str,
    workspace: str | None,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
) -> ProjectCreated:
    loaded = load_config(home, project)
    notes = ["the project exists and was not changed"]
    elsewhere = workspace is not None and _workspace(workspace) != loaded.config.workspace_folder()
    if elsewhere or include or exclude:
        notes.append("workspace, include and exclude of this call were not applied: use edit_config")
    proposed, _ = _first_run(project, loaded.config.workspace_folder())
    return ProjectCreated(
        project=project,
        created=False,
        config_file=str(loaded.file),
        database=str(loaded.config.database_file(home)),
        config=_changed(loaded.config),
        notes=notes,
        next=at_most_one([proposed, call("list_traces", project=project)]),
    )


def _new_config(
    project: str, workspace: str | None, include: Sequence[str] | None, exclude: Sequence[str] | None
) -> ProjectConfig:
    folder = _workspace(workspace) if workspace else None
    if folder is not None:
        restrictions.current().check_folder(folder, "workspace")
    if include is None:
        include = discover_include(folder) if folder else [MAIN]
    data = {
        "project": project,
        "workspace": str(folder) if folder else None,
        "include": list(include),
        "exclude": list(exclude or []),
    }
    return check_settings(data, "The new project")


def _with_program_database(config: ProjectConfig) -> tuple[ProjectConfig, list[str]]:
    """Return the config with the database that programs of the workspace trace themselves into, if there is one."""
    folder = config.workspace_folder()
    database = folder / PROGRAM_DATABASE if folder else None
    if database is None or not (database.exists() or spools_of(database).is_dir()):
        return config, []
    try:
        with Database(database).read():
            pass
    except BreadcrumbError as error:
        return config, [f"{database} is not used, which programs that call breadcrumb.init() write: {error.what}"]
    note = f"it has the database of the programs here that call breadcrumb.init(), with their traces: {database}"
    return config.model_copy(update={"db_path": str(database)}), [note]


def _workspace(given: str) -> Path:
    folder = Path(os.path.normpath(expanded(given, "workspace").absolute()))
    if folder.is_dir():
        return folder
    state = "is not a folder" if folder.exists() else "does not exist"
    raise BreadcrumbError(
        f"The workspace {state}: {folder}",
        hint="Give the absolute path of the folder that holds the code, or leave workspace out.",
    )


def _edited_text(text: str, new_values: Mapping[str, Any], config: ProjectConfig, home: Home) -> tuple[str, bool]:
    from breadcrumb_server.projects.config_edit import edit_text  # imports yaml

    edited = edit_text(text, dict(new_values))
    if edited is not None:
        return edited, True
    return render_config(config, _with_tilde(config.database_file(home))), False


def _check_allowed(home: Home, config: ProjectConfig, new_values: Mapping[str, Any]) -> None:
    """Refuse a new workspace or database in a folder that this server does not allow; the home is allowed always."""
    allowed = restrictions.current()
    if (folder := config.workspace_folder()) is not None and "workspace" in new_values:
        allowed.check_folder(folder, "workspace")
    if "db_path" in new_values and not _is_in(home.folder, config.database_file(home)):
        allowed.check_folder(config.database_file(home), "db_path")


def _is_in(folder: Path, file: Path) -> bool:
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def _nested(config: ProjectConfig, new_values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted keys into the mappings that they change."""
    data: dict[str, Any] = {}
    for dotted, value in new_values.items():
        key, _, inner = dotted.partition(".")
        if inner:
            section = data.setdefault(key, getattr(config, key).model_dump())
            section[inner] = value
        else:
            data[key] = value
    return data


def _overview(database: Path) -> ProjectOverview:
    if not database.exists():
        return ProjectOverview(0, None, None, None)
    with Database(database, lock_timeout_seconds=OVERVIEW_LOCK_SECONDS).read() as con:
        return project_overview(con)


def _shown(config: ProjectConfig, home: Home) -> dict[str, Any]:
    return {**config.model_dump(exclude={"project"}), "db_path": str(config.database_file(home))}


def _changed(config: ProjectConfig) -> dict[str, Any]:
    """Return what a reader has to know of a project's settings: the workspace, the patterns, what is no default."""
    changed = config.model_dump(exclude={"project", "db_path"}, exclude_defaults=True)
    return {"workspace": config.workspace, "include": config.include, **changed}


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_CELL_CHARS else "..." + text[3 - MAX_CELL_CHARS :]


def _with_tilde(path: Path) -> str:
    user = Path.home()
    return f"~/{path.relative_to(user)}" if path.is_relative_to(user) else str(path)
