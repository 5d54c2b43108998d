"""Tools that list traces and show the report of one."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.answers.traces import TraceList
from breadcrumb_server.answers.traces import list_traces as build_traces
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    Limit,
    OptionalTraceId,
    Project,
    ServiceContext,
    Since,
    question,
    service_of,
)


async def list_traces(
    ctx: ServiceContext,
    project: Project,
    limit: Limit = 20,
    cursor: Cursor = None,
    status: Annotated[str | None, Field(description="running, completed, failed, timeout, stopped or crashed")] = None,
    since: Since = None,
) -> TraceList:
    """List a project's runs, newest first: id, status, duration, calls, uncaught exception, command and label.

    Example: list_traces(project="shop", status="failed", since="2d")
    """
    service = service_of(ctx)
    return await service.ask(
        project, lambda con: build_traces(con, project, limit=limit, cursor=cursor, status=status, since=since)
    )


async def get_trace(ctx: ServiceContext, project: Project, trace_id: OptionalTraceId = None) -> RunReport:
    """Read the whole report of a run: what the short one left out, such as gaps, handled exceptions, output."""
    return await service_of(ctx).report(project, trace_id)


TOOLS = (
    question(list_traces, "List recorded runs"),
    question(get_trace, "Show a run report"),
)
