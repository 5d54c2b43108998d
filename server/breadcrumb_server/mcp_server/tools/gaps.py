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
    """Find functions that were called but not traced, when a wrong value comes out of a function whose calls you do not
    see. `next` is the edit_config call that adds the best.
    """
    service = service_of(ctx)
    return await service.ask(
        project, lambda con: build_gaps(con, project, trace_id=trace_id, limit=limit, cursor=cursor)
    )


TOOLS = (question(find_gaps, "Find what was not traced"),)
