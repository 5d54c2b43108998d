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
    include_handled: Annotated[
        bool, Field(description="false: without those that traced code handled unlogged")
    ] = True,
    test: Annotated[
        str | None, Field(description="Only what was raised under this test: its node id, a part of it, or a glob")
    ] = None,
    limit: Limit = 10,
    cursor: Cursor = None,
) -> ExceptionList:
    """Find the exceptions of a run, including those that the program handled: type, message, where raised, the call
    chain with arguments, the local variables at the raise, and who handled it. Searches the newest trace, trace_id, or
    all traces since a time.

    A wrong result is often caused by an exception that was swallowed: pass the failing test as `test`. Uncaught
    ones come first, then those that a framework answered or code logged, then handled ones by how rare they are; last
    the expected ones: a framework's own (HTTP 404, skipped tests), hasattr, cancelled tasks, optional imports.

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
