"""The tool that finds where two runs differ."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.compare.answer import Comparison
from breadcrumb_server.answers.compare.answer import compare_traces as build_comparison
from breadcrumb_server.mcp_server.tools.registration import Project, ServiceContext, TraceId, question, service_of


async def compare_traces(
    ctx: ServiceContext,
    project: Project,
    base_trace_id: Annotated[str, Field(description="The trace to compare with, say of the run that passed")],
    trace_id: TraceId,
) -> Comparison:
    """Find where two runs parted: the first call that went differently, though everything before it was equal. Use it
    for a test that passes here and fails there, a run before and after a change, a flaky program, a bad input beside
    a good one. Shows the call in both runs with what differs of its arguments and result, the way to it, what
    followed, the functions that only one run called, and changed counts and times. Both runs need the same `include`.

    `what` of `first` says where to look: same arguments and other result: in that function; other arguments: in its
    caller; other functions called: in the condition that chose them. Calls are aligned by their place in the tree;
    the order of threads and tasks, times, uuids, pids, addresses and temporary file names are not counted as
    differences. Works test by test in pytest runs.

    Example: compare_traces(project="shop", base_trace_id="20250110-142301-3fa9", trace_id="20250110-142512-81c0")
    """
    service = service_of(ctx)
    return await service.ask(
        project, lambda con: build_comparison(con, project, base_trace_id=base_trace_id, trace_id=trace_id)
    )


TOOLS = (question(compare_traces, "Compare two runs"),)
