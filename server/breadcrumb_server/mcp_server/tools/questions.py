"""Tools that answer questions about traces."""

from typing import Annotated, Any

from pydantic import Field

from breadcrumb_server.answers.calls.answer import CallList
from breadcrumb_server.answers.calls.answer import get_calls as build_calls
from breadcrumb_server.answers.compare.answer import Comparison
from breadcrumb_server.answers.compare.answer import compare_traces as build_comparison
from breadcrumb_server.answers.exceptions.answer import ExceptionList
from breadcrumb_server.answers.exceptions.answer import find_exceptions as build_exceptions
from breadcrumb_server.answers.flow.answer import Flow, FlowView
from breadcrumb_server.answers.flow.answer import get_flow as build_flow
from breadcrumb_server.answers.flow.outline import MAX_DEPTH
from breadcrumb_server.answers.gaps.answer import GapList
from breadcrumb_server.answers.gaps.answer import find_gaps as build_gaps
from breadcrumb_server.answers.performance.answer import Performance
from breadcrumb_server.answers.performance.answer import analyze_performance as build_performance
from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.answers.search import ValueHits
from breadcrumb_server.answers.search import search_values as build_value_search
from breadcrumb_server.answers.sql import QueryResult
from breadcrumb_server.answers.sql import query_traces as build_query
from breadcrumb_server.answers.traces import TraceList
from breadcrumb_server.answers.traces import list_traces as build_traces
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    OptionalTraceId,
    Project,
    ServiceContext,
    ToolDefinition,
    TraceId,
)

Since = Annotated[str | None, Field(description="1h, 2d, 2025-01-10, or an ISO time (UTC)")]
Limit = Annotated[int, Field(description="Rows at most")]


async def list_traces(
    ctx: ServiceContext,
    project: Project,
    limit: Limit = 20,
    cursor: Cursor = None,
    status: Annotated[str | None, Field(description="running, completed, failed, timeout, stopped or crashed")] = None,
    since: Since = None,
) -> TraceList:
    """List a project's recorded runs, the newest first, one line each: id, status, duration, calls, uncaught
    exception, command, label.

    Example: list_traces(project="shop", status="failed", since="2d")
    """
    service = ctx.request_context.lifespan_context
    return await service.ask(
        project, lambda con: build_traces(con, project, limit=limit, cursor=cursor, status=status, since=since)
    )


async def get_trace(ctx: ServiceContext, project: Project, trace_id: TraceId) -> RunReport:
    """Show the run report of an earlier run again, whole: status, exit code, the uncaught exception with its call
    chain and argument values, failing tests, where every thread stood at a timeout, hot functions, gaps, output.

    Example: get_trace(project="shop", trace_id="20250110-142301-3fa9")
    """
    return await ctx.request_context.lifespan_context.report(project, trace_id)


async def find_gaps(
    ctx: ServiceContext,
    project: Project,
    trace_id: OptionalTraceId = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> GapList:
    """Find the functions that traced code called but that were not traced themselves: where the trace is blind. Each
    with its module, who called it, how often, the time spent, and the include pattern that would record it; `next`
    holds the one edit_config call that adds the best of them. Use it when the wrong value comes out of a function of
    which you see no call: widen, run again, look again.

    Example: find_gaps(project="shop")
    """
    service = ctx.request_context.lifespan_context
    return await service.ask(
        project, lambda con: build_gaps(con, project, trace_id=trace_id, limit=limit, cursor=cursor)
    )


async def get_calls(
    ctx: ServiceContext,
    project: Project,
    function: Annotated[str, Field(description="Part of a function's name, a glob (Cart.*), or module:function")],
    trace_id: OptionalTraceId = None,
    where: Annotated[
        dict[str, Any] | None,
        Field(
            description="Conditions that must all hold: outcome (returned, raised, cancelled, unfinished), exception "
            "(its type), min_ms, max_ms, caller, test (node id, part of it, or glob), thread, process_id, call_id, "
            "parent_call_id, contains (text); "
            'args.NAME or result: a value, or {">": 0.3, "<=": 1}, {"!=": null}, {"contains": "text"}, '
            '{"type": "list"}, {"len": 0}. And lines: a step to go on from, or a variable: only the lines that '
            "changed it"
        ),
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> CallList:
    """Show the recorded calls of a function: arguments, return value or exception, duration, caller, what it called,
    call_id. This is where a wrong value shows: which call got which arguments and returned what. `distribution` sums
    up all calls that fit, parameter by parameter, the odd one out first: "rate: 0.2 x95, None x5". Calls of a run with
    capture={"lines": [...]} come with the lines that they executed and what each changed.

    Example: get_calls(project="shop", function="total", where={"outcome": "raised"})
    Example: get_calls(project="shop", function="shop.pricing:discount", where={"args.rate": {">": 0.3}, "min_ms": 5})
    """
    service = ctx.request_context.lifespan_context
    redact = (await service.config(project)).redact
    return await service.ask(
        project,
        lambda con: build_calls(
            con, project, function=function, trace_id=trace_id, where=where, limit=limit, cursor=cursor, redact=redact
        ),
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
    service = ctx.request_context.lifespan_context
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
    root_call_id: Annotated[int | None, Field(description="Begin at this call: what it did")] = None,
    around_call_id: Annotated[
        int | None, Field(description="The calls that this one stands in, and those before and after it")
    ] = None,
    exception_id: Annotated[
        int | None, Field(description="The same around the call that raised this exception")
    ] = None,
    at_ms: Annotated[
        float | None, Field(description="The same around what ran so many milliseconds after the start of the run")
    ] = None,
    test: Annotated[
        str | None, Field(description="Only what ran under this test: its node id, a part of it, or a glob")
    ] = None,
    thread: Annotated[str | int | None, Field(description="Only this thread or asyncio task, by its name")] = None,
    process_id: Annotated[int | None, Field(description="Only this process, by its number in the run report")] = None,
    max_depth: Annotated[
        int | None, Field(description=f"Levels of calls, from 1 to {MAX_DEPTH}; left out: as many as fit")
    ] = None,
    cursor: Cursor = None,
) -> Flow:
    """Show what happened in order: the call tree as text, each call with its arguments, result and time, by thread,
    process and asyncio task. Calls that did the same are folded (total x5  (n=1) … (n=5) -> 0 x4, None x1 (#9)
    0.9-1.4 ms), loops too (40 rounds of: …), so that a run of any size fits into one answer; calls that
    raised, that swallowed an exception (caught KeyError) or had not ended are marked.

    Use it to find the call that returned the wrong value: go down the tree to the innermost call whose arguments are
    right and whose result is wrong. Also to see which way a program took, and what happened before a failure
    (around_call_id). Without further arguments it shows the whole run. #7 in a line is a call_id: give it as
    root_call_id for what it called, or to get_calls for its values whole.

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
    service = ctx.request_context.lifespan_context
    return await service.ask(
        project, lambda con: build_flow(con, project, trace_id=trace_id, view=view, max_depth=max_depth, cursor=cursor)
    )


async def analyze_performance(
    ctx: ServiceContext,
    project: Project,
    function: Annotated[
        str | None, Field(description="Part of a function's name, a glob, or module:function; left out: the hot list")
    ] = None,
    trace_id: OptionalTraceId = None,
    call_id: Annotated[int | None, Field(description="The call whose critical path to show")] = None,
    limit: Annotated[int, Field(description="Functions at most")] = 15,
) -> Performance:
    """Show where a slow run spent its time. Without a function: the hot list, by the time spent in the function itself,
    with calls, total, self, mean, p50, p95, max and share. With one: also its callers with the same figures, its
    slowest calls with their arguments, the critical path (from the slowest call, or call_id, down to what took most of
    the time within it), and how its time grows with an argument ("time grows with len(items) squared"), where the
    recorded calls show it: that is the function to change.

    Example: analyze_performance(project="shop")
    Example: analyze_performance(project="shop", function="shop.pricing:total")
    """
    service = ctx.request_context.lifespan_context
    return await service.ask(
        project,
        lambda con: build_performance(con, project, function=function, trace_id=trace_id, call_id=call_id, limit=limit),
    )


async def search_values(
    ctx: ServiceContext,
    project: Project,
    text: Annotated[
        str | int | float, Field(description="A value or a part of one, as answers show it: a name, a number, an id")
    ],
    trace_id: OptionalTraceId = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> ValueHits:
    """Find every call that had a value: in its arguments, what it yielded or returned, the message of its exception or
    its local variables when that was raised, in the order of time. `summary` says in three lines where the value
    appeared first, which functions it went through and where it ended: this is how a wrong value is followed to its
    source.

    Whole words and numbers count first: 42 does not find 1429, unless nothing has 42 itself.

    Example: search_values(project="shop", text="SKU-4711")
    """
    service = ctx.request_context.lifespan_context
    return await service.ask(
        project, lambda con: build_value_search(con, project, text=text, trace_id=trace_id, limit=limit, cursor=cursor)
    )


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
    service = ctx.request_context.lifespan_context
    return await service.ask(
        project, lambda con: build_comparison(con, project, base_trace_id=base_trace_id, trace_id=trace_id)
    )


async def query_traces(
    ctx: ServiceContext,
    project: Project,
    sql: Annotated[str, Field(description="One statement that only reads, in DuckDB's SQL")],
    limit: Limit = 100,
) -> QueryResult:
    """Ask the project's trace database in SQL (DuckDB, one read-only statement) what no other tool answers: counts,
    joins, comparisons between traces.

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
    service = ctx.request_context.lifespan_context
    return await service.ask(project, lambda con: build_query(con, project, sql=sql, limit=limit))


def _question(function: Any, title: str) -> ToolDefinition:
    return ToolDefinition(function, title, read_only=True, destructive=False, idempotent=True, open_world=False)


TOOLS = (
    _question(list_traces, "List recorded runs"),
    _question(get_trace, "Show a run report"),
    _question(find_gaps, "Find what was not traced"),
    _question(get_calls, "Show calls with values"),
    _question(find_exceptions, "Find exceptions"),
    _question(get_flow, "Show the flow of calls"),
    _question(analyze_performance, "Analyze where the time went"),
    _question(search_values, "Search for a value"),
    _question(compare_traces, "Compare two runs"),
    _question(query_traces, "Query traces with SQL"),
)
