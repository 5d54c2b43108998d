"""Tools that run commands."""

from typing import Annotated, Any

from pydantic import Field

from breadcrumb_server.answers.report.answer import RunReport
from breadcrumb_server.mcp_server.tools.registration import Project, ServiceContext, ToolDefinition, TraceId, service_of
from breadcrumb_server.runs.registry import ReportProgress
from breadcrumb_server.runs.request import make_request

DEFAULT_WAIT_SECONDS = 45.0


async def run(
    ctx: ServiceContext,
    project: Project,
    command: Annotated[
        list[str] | str,
        Field(description='["python", "app.py"], or one string that is split into words. No shell runs it'),
    ],
    timeout_seconds: Annotated[float, Field(description="The command is ended after so many seconds")],
    wait_seconds: Annotated[
        float, Field(description="Answer after so many seconds at the latest; the command goes on")
    ] = DEFAULT_WAIT_SECONDS,
    cwd: Annotated[str | None, Field(description="Folder to run in; left out: the workspace")] = None,
    env: Annotated[dict[str, str] | None, Field(description="Environment variables to add or replace")] = None,
    stdin: Annotated[str | None, Field(description="Text for standard input; left out: empty")] = None,
    label: Annotated[str | None, Field(description="A note to find this run by, such as 'before the fix'")] = None,
    capture: Annotated[
        dict[str, Any] | None,
        Field(
            description='Capture settings for this run only: {"mode": "full"}, or {"lines": ["shop.pricing.total"]}: '
            "each executed line of these functions and the variables that it changed"
        ),
    ] = None,
) -> RunReport:
    """Debug a Python command: run it under a tracer that records every call of the included code with its arguments,
    return value, duration and exceptions, in all processes and threads. Use it for "why does this Python fail", "why
    is it slow", "where does it hang", "where does this wrong value come from", instead of adding prints. The code needs
    no change.

    Any command form works: a script, `-m module`, pytest, a console script, `uv run ...`. The answer is the run
    report: exit code, the uncaught exception with its call chain and argument values, the failing tests with their
    exceptions and what they called (arguments -> result), hot functions, the gaps (called but not traced), tails of the
    output, and in `next` the calls to make next. If the command takes longer than
    wait_seconds, the report says status "running": go on with wait_for_run. On a timeout it shows where
    every thread was, with its local values.

    When you know which function goes wrong but not at which step, run again with capture={"lines": ["Cart.total"]}:
    get_calls then shows each line that it executed and the variables that the line changed.

    The command runs with your rights and can do whatever it does anyway. Cancelling this call stops it.

    Example: run(project="shop", command=["python", "-m", "pytest", "-x", "tests/test_cart.py"], timeout_seconds=120)
    """
    service = service_of(ctx)
    config = await service.config(project)
    request = make_request(
        config, command, timeout_seconds, cwd=cwd, env=env, stdin=stdin, label=label, capture=capture
    )
    return await service.run(config, request, wait_seconds, _progress(ctx))


async def wait_for_run(
    ctx: ServiceContext,
    project: Project,
    trace_id: TraceId,
    wait_seconds: Annotated[float, Field(description="Answer after so many seconds at the latest; 0 answers at once")],
) -> RunReport:
    """Wait for a command that `run` left running, at most wait_seconds, and answer its run report: the final one, or
    its progress so far with status "running". May be called again and again. Cancelling this call does not stop the
    command. Other tools (get_calls, find_exceptions, ...) can look into the trace meanwhile.

    Example: wait_for_run(project="shop", trace_id="20250110-142301-3fa9", wait_seconds=45)
    """
    service = service_of(ctx)
    return await service.wait_for_run(project, trace_id, wait_seconds, _progress(ctx))


async def stop_run(ctx: ServiceContext, project: Project, trace_id: TraceId) -> RunReport:
    """End a running command and everything that it started (SIGTERM, after 3 seconds SIGKILL). What was recorded
    until then is kept; the answer is its run report with status "stopped", and with the stack of every thread at that
    moment and its local values: use it on a command that hangs. A run that has ended already is left as it is.

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
