"""The tool that finds exceptions."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.exceptions.answer import ExceptionList
from breadcrumb_server.answers.exceptions.answer import find_exceptions as build_exceptions
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    Limit,
    OptionalTraceId,
    Project,
    ServiceContext,
    Since,
    Test,
    question,
    service_of,
)


async def find_exceptions(
    ctx: ServiceContext,
    project: Project,
    since: Since = None,
    trace_id: OptionalTraceId = None,
    type: Annotated[str | None, Field(description="KeyError, or a glob")] = None,
    include_handled: bool = True,
    test: Test = None,
    limit: Limit = 10,
    cursor: Cursor = None,
) -> ExceptionList:
    """Find exceptions that the program swallowed, when a result is wrong and nothing failed, and all others: where
    raised, the calls passed, local values, who handled it.
    """
    service = service_of(ctx)
    return await service.ask(
        project,
        lambda con: build_exceptions(
            con,
            project,
            since=since,
            trace_id=trace_id,
            type=type,
            include_handled=include_handled,
            test=test,
            limit=limit,
            cursor=cursor,
        ),
    )


TOOLS = (question(find_exceptions, "Find exceptions"),)
