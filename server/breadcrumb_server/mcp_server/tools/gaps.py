"""The tool that finds functions which were called but not traced."""

from breadcrumb_server.answers.gaps.answer import GapList
from breadcrumb_server.answers.gaps.answer import find_gaps as build_gaps
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    Limit,
    OptionalTraceId,
    Project,
    ServiceContext,
    question,
    service_of,
)


async def find_gaps(
    ctx: ServiceContext,
    project: Project,
    trace_id: OptionalTraceId = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> GapList:
    """Find the functions that traced code called but that were not traced themselves: where the trace is blind. Each
    with its module, who called it, how often, the time spent, and the include pattern that would record it; `next`
    holds the one edit_config call that adds the best of them. Use it when the wrong value comes out of a function of
    which you see no call: widen, run again, look again.

    Example: find_gaps(project="shop")
    """
    service = service_of(ctx)
    return await service.ask(
        project, lambda con: build_gaps(con, project, trace_id=trace_id, limit=limit, cursor=cursor)
    )


TOOLS = (question(find_gaps, "Find what was not traced"),)
