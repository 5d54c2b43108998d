"""The tool that shows where the time went."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.performance.answer import Performance
from breadcrumb_server.answers.performance.answer import analyze_performance as build_performance
from breadcrumb_server.mcp_server.tools.registration import (
    OptionalTraceId,
    Project,
    ServiceContext,
    question,
    service_of,
)


async def analyze_performance(
    ctx: ServiceContext,
    project: Project,
    function: Annotated[
        str | None,
        Field(description="Part of a name, glob, or module:function; default: the slowest"),
    ] = None,
    trace_id: OptionalTraceId = None,
    call_id: Annotated[int | None, Field(description="Show its critical path")] = None,
    limit: int = 15,
) -> Performance:
    """Find out why a run is slow: the functions with the most own time; for one function its callers, slowest calls,
    critical path, and how its time grows with an argument.
    """
    service = service_of(ctx)
    return await service.ask(
        project,
        lambda con: build_performance(con, project, function=function, trace_id=trace_id, call_id=call_id, limit=limit),
    )


TOOLS = (question(analyze_performance, "Analyze where the time went"),)
