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
        Field(description="Part of a function's name, a glob, or module:function; default: the slowest functions"),
    ] = None,
    trace_id: OptionalTraceId = None,
    call_id: Annotated[int | None, Field(description="The call whose critical path to show")] = None,
    limit: Annotated[int, Field(description="Maximum number of functions")] = 15,
) -> Performance:
    """Show where a run spent its time. Without a function: the functions with the most time of their own, with calls,
    total, self, mean, p50, p95, max and share. With a function: also its callers, its slowest calls with their
    arguments, the critical path (from the slowest call, or call_id, down to what took most of its time), and how its
    time grows with an argument ("time grows with len(items) squared") where the recorded calls show it.

    Example: analyze_performance(project="shop")
    Example: analyze_performance(project="shop", function="shop.pricing:total")
    """
    service = service_of(ctx)
    return await service.ask(
        project,
        lambda con: build_performance(con, project, function=function, trace_id=trace_id, call_id=call_id, limit=limit),
    )


TOOLS = (question(analyze_performance, "Analyze where the time went"),)
