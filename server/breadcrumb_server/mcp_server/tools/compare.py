"""The tool that finds where two runs differ."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.compare.answer import Comparison
from breadcrumb_server.answers.compare.answer import compare_traces as build_comparison
from breadcrumb_server.mcp_server.tools.registration import Project, ServiceContext, TraceId, question, service_of


async def compare_traces(
    ctx: ServiceContext,
    project: Project,
    base_trace_id: Annotated[str, Field(description="The run that passed, say")],
    trace_id: TraceId,
) -> Comparison:
    """Find the first call in which two runs differ: a passing and a failing one, before and after a change, a flaky
    test. `first.what` says where to look: same arguments, other result: in that function; other arguments: in its
    caller; other functions: at the condition that chose them. Times, ids, addresses and the order of threads do not
    count. Both runs need the same `include`.
    """
    service = service_of(ctx)
    return await service.ask(
        project, lambda con: build_comparison(con, project, base_trace_id=base_trace_id, trace_id=trace_id)
    )


TOOLS = (question(compare_traces, "Compare two runs"),)
