"""The tool that shows the call tree in order."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.flow.answer import Flow, FlowView
from breadcrumb_server.answers.flow.answer import get_flow as build_flow
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    OptionalTraceId,
    Project,
    ServiceContext,
    Test,
    question,
    service_of,
)


async def get_flow(
    ctx: ServiceContext,
    project: Project,
    trace_id: OptionalTraceId = None,
    module: str | None = None,
    function: Annotated[str | None, Field(description="Part of a name, glob, or module:function")] = None,
    root_call_id: int | None = None,
    around_call_id: Annotated[int | None, Field(description="Shows its callers and the calls beside it")] = None,
    exception_id: int | None = None,
    at_ms: float | None = None,
    test: Test = None,
    thread: Annotated[str | int | None, Field(description="Name of a thread or asyncio task")] = None,
    process_id: int | None = None,
    max_depth: int | None = None,
    cursor: Cursor = None,
) -> Flow:
    """See what happened in order: the call tree with arguments, results, threads and asyncio tasks. Use it for order
    and concurrency; for one function's lines use show. Equal calls are folded, trivial ones counted. Begins at a call
    (#7: root_call_id=7), at the calls of a function or module, or around a call, exception or time.
    """
    view = FlowView(
        function=function,
        module=module,
        root_call_id=root_call_id,
        around_call_id=around_call_id,
        exception_id=exception_id,
        at_ms=at_ms,
        test=test,
        thread=thread,
        process_id=process_id,
    )
    service = service_of(ctx)
    return await service.ask(
        project, lambda con: build_flow(con, project, trace_id=trace_id, view=view, max_depth=max_depth, cursor=cursor)
    )


TOOLS = (question(get_flow, "Show the flow of calls"),)
