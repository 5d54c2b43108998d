"""The tool that finds where two runs differ."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.compare.answer import Comparison
from breadcrumb_server.answers.compare.answer import compare_traces as build_comparison
from breadcrumb_server.mcp_server.tools.registration import Project, ServiceContext, TraceId, question, service_of


async def compare_traces(
    ctx: ServiceContext,
    project: Project,
    base_trace_id: Annotated[str, Field(description="The trace to compare with, such as a run that passed")],
    trace_id: TraceId,
) -> Comparison:
    """Find the first call in which two runs differ. Use it for a test that passes here and fails there, before and
    after a change, for a flaky program, for a bad input and a good one. Shows the call in both runs, how its arguments
    and result differ, its call chain, what followed, the functions that only one run called, and changed counts and
    times. Both runs need the same `include`.

    `what` of `first` says where to look. Same arguments, other result: in that function. Other arguments: in its
    caller. Other functions called: at the condition that chose them. Calls are aligned by their place in the call tree,
    in pytest runs test by test. The order of threads and tasks, times, uuids, pids, addresses and temporary file names
    do not count as differences.

    Example: compare_traces(project="shop", base_trace_id="20250110-142301-3fa9", trace_id="20250110-142512-81c0")
    """
    service = service_of(ctx)
    return await service.ask(
        project, lambda con: build_comparison(con, project, base_trace_id=base_trace_id, trace_id=trace_id)
    )


TOOLS = (question(compare_traces, "Compare two runs"),)
