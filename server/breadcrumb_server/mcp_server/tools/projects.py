"""Tools that make, show and change projects."""

from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from pydantic import Field

from breadcrumb_server.mcp_server.tools.registration import Project, ServiceContext, ToolDefinition, service_of
from breadcrumb_server.projects import manage as projects
from breadcrumb_server.projects.answers import ProjectCreated, ProjectList, ProjectSettings, SettingsChanged
from breadcrumb_server.projects.config_changes import ConfigChanges
from breadcrumb_server.runs.deletion import Choice, TracesDeleted

Patterns = list[str] | None


async def init_project(
    ctx: ServiceContext,
    project: Annotated[str, Field(description="A new name: letters, digits, '-', '_', '.'")],
    workspace: Annotated[str | None, Field(description="Absolute path of the folder that holds the code")] = None,
    include: Annotated[Patterns, Field(description="Patterns to trace instead of those found in the workspace")] = None,
    exclude: Annotated[Patterns, Field(description="Patterns that are never traced")] = None,
) -> ProjectCreated:
    """Set up a project for a code base. Do this once, before the first run.

    Given a workspace, it finds the packages, scripts and tests there and writes them into `include`, so that the first
    run already records your own code; virtual environments are left out. Without a workspace, only `__main__` is
    traced. An existing project is returned unchanged, so calling this again is safe. Nothing in the workspace changes.

    Patterns are module globs ("shop.*" means shop and everything below it) or path globs relative to the workspace
    ("tests/**/*.py").

    Example: init_project(project="shop", workspace="/home/me/shop"), then
    run(project="shop", command=["python", "-m", "pytest", "-x"], timeout_seconds=120)
    """
    call = partial(projects.init_project, service_of(ctx).home, project, workspace, include, exclude)
    return await anyio.to_thread.run_sync(call)


async def list_projects(ctx: ServiceContext) -> ProjectList:
    """List all projects with workspace, number of traces, size and last run. Use it to find a project's name, which
    every other tool needs.

    Example: list_projects()
    """
    return await anyio.to_thread.run_sync(projects.list_projects, service_of(ctx).home)


async def get_config(ctx: ServiceContext, project: Project) -> ProjectSettings:
    """Show a project's settings and their file: what is traced (include, exclude), how much of each call is recorded
    (capture), what is secret (redact), and where the database is.

    Example: get_config(project="shop")
    """
    return await anyio.to_thread.run_sync(projects.get_config, service_of(ctx).home, project)


async def edit_config(
    ctx: ServiceContext,
    project: Project,
    add_include: Annotated[Patterns, Field(description="Patterns to add to include")] = None,
    remove_include: Annotated[Patterns, Field(description="Patterns to remove from include")] = None,
    add_exclude: Annotated[Patterns, Field(description="Patterns to add to exclude, which wins over include")] = None,
    remove_exclude: Annotated[Patterns, Field(description="Patterns to remove from exclude")] = None,
    set: Annotated[
        dict[str, Any] | None, Field(description='Other settings by dotted key: {"capture.mode": "full"}')
    ] = None,
) -> SettingsChanged:
    """Change a project's settings, usually to trace more code: find_gaps names functions that were called but not
    traced; add their pattern, then run again. The answer shows the settings before and after, and warns of a pattern
    that matches nothing seen so far. Comments in the file are kept. Changes apply to new runs; to change one run only,
    pass `capture` to run.

    Patterns are module globs ("shop.pricing.*" also matches shop.pricing) or path globs relative to the workspace
    ("tests/**/*.py"). Keys for set: workspace, enabled, include, exclude, capture.mode (adaptive | full),
    capture.calls_per_function, capture.max_value_chars, capture.max_items, capture.max_depth, capture.sample_rate,
    capture.locals_on_exception, capture.max_trace_mb, capture.lines, redact, retention.max_traces,
    retention.max_db_mb, db_path, backend.

    Example: edit_config(project="shop", add_include=["vendored_tax.*"], set={"capture.max_depth": 6})
    """
    changes = ConfigChanges(
        add_include=add_include or (),
        remove_include=remove_include or (),
        add_exclude=add_exclude or (),
        remove_exclude=remove_exclude or (),
        set=set or {},
    )
    return await anyio.to_thread.run_sync(projects.edit_config, service_of(ctx).home, project, changes)


async def delete_traces(
    ctx: ServiceContext,
    project: Project,
    trace_ids: Annotated[
        list[str] | None, Field(description="Trace ids, or unique beginnings or ends of them (list_traces shows them)")
    ] = None,
    older_than: Annotated[
        str | None, Field(description="An age (12h, 7d, 4w), a date, or an ISO time (UTC): runs that started before")
    ] = None,
    all: Annotated[bool, Field(description="true: every trace of the project")] = False,
    whole_project: Annotated[
        bool, Field(description="true: every trace and the project itself, with its settings and database")
    ] = False,
) -> TracesDeleted:
    """Delete recorded runs permanently and free their space, or delete a whole project. Give exactly one of trace_ids,
    older_than, all and whole_project. The answer lists what was deleted, what is left and how much space was freed.
    Your code and runs that have not ended are never touched, the project's settings only by whole_project.

    Rarely needed: the oldest traces are deleted automatically (retention.max_traces, retention.max_db_mb).

    Example: delete_traces(project="shop", older_than="7d")
    Example: delete_traces(project="shop", trace_ids=["20250110-142301-3fa9"])
    Example: delete_traces(project="shop", whole_project=True)
    """
    if whole_project and trace_ids is None and older_than is None:
        return await service_of(ctx).delete_project(project)
    choice = Choice.of(trace_ids, older_than, all=all, whole_project=whole_project)
    return await service_of(ctx).delete_traces(project, choice)


TOOLS = (
    ToolDefinition(
        init_project, "Set up a project", read_only=False, destructive=False, idempotent=True, open_world=False
    ),
    ToolDefinition(
        list_projects, "List projects", read_only=True, destructive=False, idempotent=True, open_world=False
    ),
    ToolDefinition(
        get_config, "Show a project's settings", read_only=True, destructive=False, idempotent=True, open_world=False
    ),
    # Replaces settings, as asked; doing it twice changes nothing more.
    ToolDefinition(
        edit_config, "Change what is traced", read_only=False, destructive=True, idempotent=True, open_world=False
    ),
    ToolDefinition(
        delete_traces, "Delete recorded runs", read_only=False, destructive=True, idempotent=True, open_world=False
    ),
)
