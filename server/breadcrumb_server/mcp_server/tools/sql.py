"""The tool that runs SQL of the user."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.sql import QueryResult
from breadcrumb_server.answers.sql import query_traces as build_query
from breadcrumb_server.mcp_server.tools.registration import Limit, Project, ServiceContext, question, service_of


async def query_traces(
    ctx: ServiceContext,
    project: Project,
    sql: Annotated[str, Field(description="One read-only statement in DuckDB's SQL")],
    limit: Limit = 100,
) -> QueryResult:
    """Query the project's trace database with one read-only SQL statement (DuckDB), for what no other tool answers:
    counts, joins, comparisons of traces.

    Tables and views: traces(trace_id, status, started_at, duration_ms, command, label, exit_code, ...),
    calls(trace_id, call_id, parent_call_id, process_id, thread_name, function_name, module_name, file, line,
    started_at, duration_ns, self_ns, args, return_value, outcome, exception_id, ...), exceptions(trace_id,
    exception_type, exception_message, function_name, line, stack_trace, locals, uncaught, handled_by, ...),
    lines(trace_id, call_id, position, line, changes), yields(trace_id, call_id, position, value), stacks(trace_id,
    process_id, thread_name, depth, function_name, line, locals, ...), tests(trace_id, node_id, outcome, message,
    exception_id, duration_ms; of the calls those with call_id BETWEEN first_call_id AND last_call_id, ...),
    trace_events, functions, function_stats, gaps, processes, threads, notices. args, return_value, changes, value and
    locals are JSON text: args->>'$.rate'. DESCRIBE calls lists a table's columns.

    Example: query_traces(project="shop", sql="SELECT function_name, count(*) AS calls FROM calls
    WHERE trace_id = '20250110-142301-3fa9' GROUP BY ALL ORDER BY calls DESC")
    """
    service = service_of(ctx)
    return await service.ask(project, lambda con: build_query(con, project, sql=sql, limit=limit))


TOOLS = (question(query_traces, "Query traces with SQL"),)
