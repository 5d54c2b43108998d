"""The tool that runs SQL of the user."""

from breadcrumb_server.answers.sql import QueryResult
from breadcrumb_server.answers.sql import query_traces as build_query
from breadcrumb_server.mcp_server.tools.registration import Limit, Project, ServiceContext, question, service_of


async def query_traces(
    ctx: ServiceContext,
    project: Project,
    sql: str,
    limit: Limit = 100,
) -> QueryResult:
    """Ask what no other tool answers, with one read-only statement of DuckDB's SQL.

    traces(trace_id, status, started_at, duration_ms, command), calls(trace_id, call_id, parent_call_id, thread_name,
    function_name, module_name, line, duration_ns, args, return_value, outcome, exception_id), exceptions(trace_id,
    exception_type, exception_message, function_name, line, locals), lines(call_id, position, line, changes),
    tests(node_id, outcome, first_call_id, last_call_id), yields, stacks, trace_events, functions, function_stats, gaps,
    processes, threads, notices. JSON: args->>'$.rate'. DESCRIBE calls lists all columns.
    """
    service = service_of(ctx)
    return await service.query(project, lambda run: build_query(run, project, sql=sql, limit=limit))


TOOLS = (question(query_traces, "Query traces with SQL"),)
