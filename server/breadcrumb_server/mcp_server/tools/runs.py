"""Tools that run commands."""

from typing import Annotated, Any, Literal

from pydantic import Field

from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.mcp_server.http.connections import client_of
from breadcrumb_server.mcp_server.sdk_internals import cancellation_of
from breadcrumb_server.mcp_server.tools.registration import Project, ServiceContext, ToolDefinition, TraceId, service_of
from breadcrumb_server.runs.registry import ReportProgress
from breadcrumb_server.runs.request import make_request

DEFAULT_WAIT_SECONDS = 45.0


async def run(
    ctx: ServiceContext,
    project: Project,
    command: Annotated[
        list[str] | str,
        Field(description='["python", "app.py"], or one string that is split into words. It is run without a shell'),
    ],
    timeout_seconds: Annotated[float, Field(description="The command is stopped after this time")],
    wait_seconds: Annotated[
        float, Field(description="Answer after this time at the latest; the command keeps running")
    ] = DEFAULT_WAIT_SECONDS,
    cwd: Annotated[str | None, Field(description="Folder to run in; default: the workspace")] = None,
    env: Annotated[dict[str, str] | None, Field(description="Environment variables to add or replace")] = None,
    stdin: Annotated[str | None, Field(description="Text for standard input; default: empty")] = None,
    label: Annotated[str | None, Field(description="A note that identifies this run, such as 'before the fix'")] = None,
    capture: Annotated[
        dict[str, Any] | None,
        Field(
            description='Capture settings for this run only: {"mode": "full"}, or {"lines": ["shop.pricing.total"]}: '
            "each executed line of these functions and the variables that it changed"
        ),
    ] = None,
    suspects: Annotated[
        Literal["auto", "off"],
        Field(
            description="off: before single tests, do not run others of their files to see which lines only these run"
        ),
    ] = "auto",
) -> RunReport:
    """Debug a Python command: run it under a tracer that records the calls of the included code with arguments, return
    values, durations and exceptions, in all processes and threads. Use it instead of adding prints, for questions like
    "why does this Python fail", "why is it slow", "where does it hang", "where does this wrong value come from". The
    code is not changed.

    Any command works: a script, `-m module`, pytest, a console script, `uv run ...`. The answer is the run report: exit
    code, the uncaught exception with its call chain and arguments, failing tests with their exceptions and the calls
    they made, slow functions, gaps (called but not traced), the end of the output, and in `next` the calls to make
    next. If the command takes longer than wait_seconds, the status is "running", with the output and the exceptions so
    far: continue with wait_for_run. After a timeout, the report shows the stack of every thread with its local
    variables.

    If you know which function is wrong but not which line, run again with capture={"lines": ["Cart.total"]}: get_calls
    then shows each executed line and the variables that it changed.

    The command runs with your rights. Cancelling this call stops it.

    Example: run(project="shop", command=["python", "-m", "pytest", "-x", "tests/test_cart.py"], timeout_seconds=120)
    """
    service = service_of(ctx)
    config = await service.config(project)
    request = make_request(
        config,
        command,
        timeout_seconds,
        cwd=cwd,
        env=env,
        stdin=stdin,
        label=label,
        capture=capture,
        suspects=suspects,
    )
    client = client_of(ctx.request_context.request)
    client.cancelled = cancellation_of(ctx.request_context)
    return await service.run(config, request, wait_seconds, _progress(ctx), client)


async def wait_for_run(
    ctx: ServiceContext,
    project: Project,
    trace_id: TraceId,
    wait_seconds: Annotated[float, Field(description="Answer after this time at the latest; 0 answers at once")],
) -> RunReport:
    """Wait up to wait_seconds for a command that `run` left running. Returns its run report; while it runs, with
    status "running", the last output and what was raised so far. Call it as often as you like; cancelling it does not
    stop the command. Other tools (get_calls, find_exceptions, ...) can query the trace meanwhile.

    Example: wait_for_run(project="shop", trace_id="20250110-142301-3fa9", wait_seconds=45)
    """
    service = service_of(ctx)
    return await service.wait_for_run(project, trace_id, wait_seconds, _progress(ctx))


async def stop_run(ctx: ServiceContext, project: Project, trace_id: TraceId) -> RunReport:
    """Stop a running command and all processes that it started (SIGTERM, then SIGKILL after 3 seconds). Use it on a
    command that hangs: the run report shows the stack of every thread at that moment, with local variables. Everything
    recorded so far is kept. A run that has already ended is left as it is.

    Example: stop_run(project="shop", trace_id="20250110-142301-3fa9")
    """
    service = service_of(ctx)
    return await service.stop_run(project, trace_id, _progress(ctx))


def _progress(ctx: ServiceContext) -> ReportProgress:
    async def report(elapsed_seconds: float, message: str) -> None:
        await ctx.report_progress(elapsed_seconds, None, message)

    return report


TOOLS = (
    # What the command does is not ours to know: it may write files and reach the network.
    ToolDefinition(
        run, "Run a command and trace it", read_only=False, destructive=True, idempotent=False, open_world=True
    ),
    ToolDefinition(
        wait_for_run, "Wait for a run", read_only=True, destructive=False, idempotent=True, open_world=False
    ),
    ToolDefinition(stop_run, "Stop a run", read_only=False, destructive=True, idempotent=True, open_world=False),
)
