"""Tools that run commands."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from breadcrumb_server.answers.report.brief import RunBrief, brief_of
from breadcrumb_server.mcp_server.http.connections import client_of
from breadcrumb_server.mcp_server.sdk_internals import cancellation_of
from breadcrumb_server.mcp_server.tools.registration import Project, ServiceContext, ToolDefinition, TraceId, service_of
from breadcrumb_server.runs.registry import ReportProgress
from breadcrumb_server.runs.request import make_request

DEFAULT_WAIT_SECONDS = 45.0

# One expression need not be in a list.
Expressions = Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)]


async def run(
    ctx: ServiceContext,
    project: Project,
    command: Annotated[
        list[str] | str,
        Field(description="Words, or one string; no shell"),
    ],
    timeout_seconds: float,
    wait_seconds: Annotated[float, Field(description="Answers by then; the command runs on")] = DEFAULT_WAIT_SECONDS,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    stdin: str | None = None,
    label: Annotated[str | None, Field(description='A note: "before the fix"')] = None,
    capture: Annotated[
        dict[str, Any] | None,
        Field(description='For this run: {"mode": "full"}, {"lines": ["shop.pricing.total"]}'),
    ] = None,
    probes: Annotated[
        dict[str, Expressions] | None,
        Field(
            description='Expressions by place: {"shop/pricing.py:31 if amount > 9": ["len(items)"], '
            '"Rates.of entry": ["self._cached"], "Rates.of return": []}'
        ),
    ] = None,
    suspects: Annotated[
        Literal["auto", "off"],
        Field(description="off: no other tests first"),
    ] = "auto",
) -> RunBrief:
    """Debug a Python command: run it under a tracer and read what went wrong, instead of adding prints: "why does this
    Python fail", "why is it slow", "where does it hang", "where does this wrong value come from". Any command: a
    script, -m module, pytest, uv run. The code is not changed; it runs with your rights.

    The report has the failure with values (a failing test's body, or the innermost frames), then the suspects: show
    them next. Status "running": go on with wait_for_run. With probes, the program evaluates the expressions, and the
    answer is the table of their values alone.
    """
    service = service_of(ctx)
    config, made = await service.config_for_run(project, cwd)
    request = make_request(
        config,
        command,
        timeout_seconds,
        cwd=cwd,
        env=env,
        stdin=stdin,
        label=label,
        capture=capture,
        probes=probes,
        suspects=suspects,
    )
    client = client_of(ctx.request_context.request)
    client.cancelled = cancellation_of(ctx.request_context)
    report = await service.run(config, request, wait_seconds, _progress(ctx), client)
    return brief_of(report, made)


async def wait_for_run(
    ctx: ServiceContext,
    project: Project,
    trace_id: TraceId,
    wait_seconds: Annotated[float, Field(description="0: answer at once")],
) -> RunBrief:
    """Wait for a command that run left running; answers with its report, or its progress."""
    service = service_of(ctx)
    return brief_of(await service.wait_for_run(project, trace_id, wait_seconds, _progress(ctx)))


async def stop_run(ctx: ServiceContext, project: Project, trace_id: TraceId) -> RunBrief:
    """Stop a command that hangs, with all its processes: the report has the stack and values of every thread."""
    service = service_of(ctx)
    return brief_of(await service.stop_run(project, trace_id, _progress(ctx)))


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
