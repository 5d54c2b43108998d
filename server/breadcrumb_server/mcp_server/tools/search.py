"""The tool that follows a value through the calls."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.search import ValueHits
from breadcrumb_server.answers.search import search_values as build_value_search
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    Limit,
    OptionalTraceId,
    Project,
    ServiceContext,
    question,
    service_of,
)


async def search_values(
    ctx: ServiceContext,
    project: Project,
    text: Annotated[str | int | float, Field(description="A value or part of one: a name, a number, an id")],
    trace_id: OptionalTraceId = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> ValueHits:
    """Follow a wrong value to its source: every call that had it in arguments, yields, result, exception or locals, in
    order. Whole words are preferred: 42 finds 1429 only if nothing has 42 itself.

    Example: search_values(project="shop", text="SKU-4711")
    """
    service = service_of(ctx)
    return await service.ask(
        project, lambda con: build_value_search(con, project, text=text, trace_id=trace_id, limit=limit, cursor=cursor)
    )


TOOLS = (question(search_values, "Search for a value"),)
