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
    question,
    service_of,
)


async def find_exceptions(
    ctx: ServiceContext,
    project: Project,
    since: Since = None,
    trace_id: OptionalTraceId = None,
    type: Annotated[str | None, Field(description="KeyError, json.JSONDecodeError, or a glob")] = None,
    include_handled: Annotated[bool, Field(description="false: only those that the program did not handle")] = True,
    test: Annotated[
        str | None, Field(description="Only what was raised under this test: its node id, a part of it, or a glob")
    ] = None,
    limit: Limit = 10,
    cursor: Cursor = None,
) -> ExceptionList:
    """Find the exceptions of a run, also those that the program swallowed: type, message, where raised, the call
    chain with argument values, the local variables at the raise, and who handled it, if anybody. Looks at the newest
    trace, at trace_id, or at all traces since a time.

    A wrong result often is an exception that was swallowed: ask for those under the failing test. What was raised under
    failing tests comes first; of what was handled the rare before the frequent, optional imports last.

    Example: find_exceptions(project="shop", type="KeyError")
    Example: find_exceptions(project="shop", test="test_cart.py::test_total")
    Example: find_exceptions(project="shop", since="1h", include_handled=False)
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
