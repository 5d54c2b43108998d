"""The tool that shows the call tree in order."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.flow.answer import Flow, FlowView
from breadcrumb_server.answers.flow.answer import get_flow as build_flow
from breadcrumb_server.answers.flow.limits import LIMITS
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    OptionalTraceId,
    Project,
    ServiceContext,
    question,
    service_of,
)


async def get_flow(
    ctx: ServiceContext,
    project: Project,
    trace_id: OptionalTraceId = None,
    module: Annotated[
        str | None, Field(description="Begin at the calls into this module (or package, or glob of modules)")
    ] = None,
    function: Annotated[
        str | None,
        Field(description="Begin at the calls of this function: a part of its name, a glob, or module:function"),
    ] = None,
    root_call_id: Annotated[int | None, Field(description="Begin at this call")] = None,
    around_call_id: Annotated[
        int | None, Field(description="Show the callers of this call, and the calls before and after it")
    ] = None,
    exception_id: Annotated[
        int | None, Field(description="Like around_call_id, for the call that raised this exception")
    ] = None,
    at_ms: Annotated[
        float | None,
        Field(description="Like around_call_id, for the call at this time (ms from the start of the run)"),
    ] = None,
    test: Annotated[
        str | None, Field(description="Only what ran under this test: its node id, a part of it, or a glob")
    ] = None,
    thread: Annotated[str | int | None, Field(description="Only this thread or asyncio task, by its name")] = None,
    process_id: Annotated[int | None, Field(description="Only this process, by its number in the run report")] = None,
    max_depth: Annotated[
        int | None,
        Field(description=f"Maximum depth of the call tree, from 1 to {LIMITS.max_depth}; default: as deep as fits"),
    ] = None,
    cursor: Cursor = None,
) -> Flow:
    """Show what happened in order: the call tree as text, each call with its arguments, result and time, by thread,
    process and asyncio task. Equal calls are folded (total x5  (n=1) … (n=5) -> 0 x4, None x1 (#9)  0.9-1.4 ms), and so
    are loops (40 rounds of: …), so a run of any size fits into one answer. Calls that raised, swallowed an exception
    (caught KeyError) or did not end are marked.

    Use it to find the call that returned a wrong value: go down the tree to the innermost call whose arguments are
    right and whose result is wrong. Or to see which path a program took, and what happened before a failure
    (around_call_id). Without further arguments it shows the whole run. #7 in a line is a call_id: pass it as
    root_call_id to see what it called, or to get_calls for its complete values.

    Example: get_flow(project="shop")
    Example: get_flow(project="shop", test="test_cart.py::test_total")
    Example: get_flow(project="shop", function="checkout", max_depth=3)
    Example: get_flow(project="shop", around_call_id=4711)
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
