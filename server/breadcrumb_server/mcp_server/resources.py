"""Define the MCP resources: the schema, a project's settings and the report of a run."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
from mcp.shared.uri_template import UriTemplate

from breadcrumb_server.answers.common.text import visible_texts
from breadcrumb_server.mcp_server.tools.registration import ServiceContext
from breadcrumb_server.projects import manage as projects
from breadcrumb_server.projects.home import Home
from breadcrumb_server.service import Service
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.sql_access.schema_page import schema_page
from breadcrumb_storage.trace_rows import LATEST

# Projects whose resources are listed, to keep the list short; those of other projects can be read too.
MAX_LISTED_PROJECTS = 25

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """A resource, or a resource template if its URI has parameters."""

    uri: str
    read: Callable[..., Awaitable[str]]
    name: str
    title: str
    description: str
    mime_type: str


async def schema() -> str:
    """Return the schema page."""
    return await anyio.to_thread.run_sync(schema_page)


async def project_config(ctx: ServiceContext, project: str) -> str:
    """Return the answer of ``get_config``."""
    home = ctx.request_context.lifespan_context.home
    settings = await anyio.to_thread.run_sync(partial(projects.get_config, home, project))
    return settings.model_dump_json(indent=1)


async def trace_report(ctx: ServiceContext, project: str, trace_id: str) -> str:
    """Return the answer of ``get_trace``."""
    service = ctx.request_context.lifespan_context
    report = await service.report(project, trace_id)
    return json.dumps(visible_texts(report.model_dump(mode="json")), ensure_ascii=False, indent=1)


RESOURCES = (
    ResourceDefinition(
        "breadcrumb://schema",
        schema,
        "schema",
        "Schema of the trace database",
        "Tables and columns for query_traces, with example queries that run unchanged",
        "text/markdown",
    ),
    ResourceDefinition(
        "breadcrumb://projects/{project}/config",
        project_config,
        "project-config",
        "A project's settings",
        "What is traced, how much of each call is kept, and the file that says so; the answer of get_config",
        JSON,
    ),
    ResourceDefinition(
        "breadcrumb://projects/{project}/traces/{trace_id}/report",
        trace_report,
        "trace-report",
        "The report of a run",
        "How a traced Python command ended, why it failed, where it was slow, and what to ask next; the answer of "
        f"get_trace. trace_id may be {LATEST}",
        JSON,
    ),
)


SCHEMA, PROJECT_CONFIG, TRACE_REPORT = RESOURCES


def report_uri(project: str, trace_id: str) -> str:
    """Return the URI of a run's report."""
    return TRACE_REPORT.uri.format(project=project, trace_id=trace_id)


async def check_subscribable(service: Service, uri: str) -> None:
    """Refuse a subscription to a resource that does not exist, or by another URI than that of its events.

    Raises:
        BreadcrumbError: There is no such resource, project or trace, or its id is not whole.
    """
    if uri == SCHEMA.uri:
        return
    if (found := UriTemplate.parse(PROJECT_CONFIG.uri).match(uri)) is not None:
        await service.config(str(found["project"]))
        return
    if (found := UriTemplate.parse(TRACE_REPORT.uri).match(uri)) is None:
        known = ", ".join(each.uri for each in RESOURCES)
        raise BreadcrumbError(f"There is no resource {uri[:200]!r}.", hint=f"Resources: {known}.")
    project, given = str(found["project"]), str(found["trace_id"])
    await service.config(project)
    if given != LATEST and (trace_id := await service.resolve(project, given)) != given:
        raise BreadcrumbError(
            f"A subscription needs the whole trace id, and {given!r} is a part of it.",
            hint=f"Subscribe to {report_uri(project, trace_id)}.",
        )


@dataclass(frozen=True, slots=True)
class ListedResource:
    """A resource of an existing project."""

    uri: str
    definition: ResourceDefinition
    title: str


def listed_resources(home: Home) -> list[ListedResource]:
    """List the settings and the newest report of each project, for clients that let a user choose resources."""
    return [
        ListedResource(
            each.uri.format(project=project, trace_id=LATEST),
            each,
            f"{project}: {each.title[0].lower()}{each.title[1:]}",
        )
        for project in home.project_names()[:MAX_LISTED_PROJECTS]
        for each in RESOURCES
        if "{" in each.uri
    ]
