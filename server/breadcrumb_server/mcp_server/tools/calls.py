"""The tool that shows the calls of a function."""

from typing import Annotated, Any

from pydantic import Field

from breadcrumb_server.answers.calls.answer import CallList
from breadcrumb_server.answers.calls.answer import get_calls as build_calls
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    Limit,
    OptionalTraceId,
    Project,
    ServiceContext,
    question,
    service_of,
)


async def get_calls(
    ctx: ServiceContext,
    project: Project,
    function: Annotated[str, Field(description="Part of a name, a glob (Cart.*), or module:function")],
    trace_id: OptionalTraceId = None,
    where: Annotated[
        dict[str, Any] | None,
        Field(
            description="Conditions that must all hold: outcome (returned, raised, cancelled, unfinished), exception "
            "(its type), min_ms, max_ms, caller, test (node id, part of it, or glob), thread, process_id, call_id, "
            "parent_call_id, contains (text); "
            'args.NAME or result: a value, or {">": 0.3, "<=": 1}, {"!=": null}, {"contains": "text"}, '
            '{"type": "list"}, {"len": 0}. Also lines: a step to continue from, or a variable: only the lines that '
            "changed it"
        ),
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> CallList:
    """Compare the calls of a function: arguments, result or exception, duration, caller, callees, call_id. Use it where
    one call of many is wrong; show has the lines of one. `distribution` sums up all calls, unusual values first: "rate:
    0.2 x95, None x5".

    Example: get_calls(project="shop", function="shop.pricing:discount", where={"args.rate": {">": 0.3}, "min_ms": 5})
    """
    service = service_of(ctx)
    redact = (await service.config(project)).redact
    return await service.ask(
        project,
        lambda con: build_calls(
            con, project, function=function, trace_id=trace_id, where=where, limit=limit, cursor=cursor, redact=redact
        ),
    )


TOOLS = (question(get_calls, "Show calls with values"),)
