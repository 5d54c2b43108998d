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
    project: Project,
    workspace: Annotated[str | None, Field(description="Absolute path of the code")] = None,
    include: Annotated[Patterns, Field(description="Default: what is found there")] = None,
    exclude: Patterns = None,
) -> ProjectCreated:
    """Set up a project for a code base, once, before the first run. An existing one is returned unchanged. Patterns are
    module globs ("shop.*") or path globs ("tests/**/*.py").
    """
    call = partial(projects.init_project, service_of(ctx).home, project, workspace, include, exclude)
    return await anyio.to_thread.run_sync(call)


async def list_projects(ctx: ServiceContext) -> ProjectList:
    """List the projects, to find a name: workspace, number of traces, size, last run."""
    return await anyio.to_thread.run_sync(projects.list_projects, service_of(ctx).home)


async def get_config(ctx: ServiceContext, project: Project) -> ProjectSettings:
    """Show a project's settings and their file: what is traced, how much of each call is recorded, what is secret."""
    return await anyio.to_thread.run_sync(projects.get_config, service_of(ctx).home, project)


async def edit_config(
    ctx: ServiceContext,
    project: Project,
    add_include: Patterns = None,
    remove_include: Patterns = None,
    add_exclude: Patterns = None,
    remove_exclude: Patterns = None,
    set: Annotated[
        dict[str, Any] | None,
        Field(description='{"capture.mode": "full"}; a wrong key is answered with all'),
    ] = None,
) -> SettingsChanged:
    """Trace more code (add the pattern that find_gaps suggests, then run again), or change other settings of new
    runs.
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
    trace_ids: Annotated[list[str] | None, Field(description="Ids, or their beginnings or ends")] = None,
    older_than: Annotated[str | None, Field(description="12h, 7d, 4w, a date, or ISO time (UTC)")] = None,
    all: Annotated[bool, Field(description="Every trace of the project")] = False,
    whole_project: Annotated[bool, Field(description="The project too, with its settings and database")] = False,
) -> TracesDeleted:
    """Delete recorded runs for good, or a whole project. Give exactly one of trace_ids, older_than, all and
    whole_project. Rarely needed: the oldest traces are deleted by themselves. Your code and runs that have not ended
    are never touched.

    Example: delete_traces(project="shop", older_than="7d")
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
