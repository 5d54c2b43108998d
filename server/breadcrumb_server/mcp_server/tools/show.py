"""The tool that shows source with what its lines did."""

from typing import Annotated, Any

from pydantic import Field

from breadcrumb_server.answers.show.answer import Shown
from breadcrumb_server.answers.show.answer import show as build_shown
from breadcrumb_server.mcp_server.tools.registration import (
    OptionalTraceId,
    Project,
    ServiceContext,
    question,
    service_of,
)


async def show(
    ctx: ServiceContext,
    project: Project,
    what: Annotated[list[str] | str, Field(description='"Cart.total", "shop.pricing:discount", "shop/pricing.py:31"')],
    where: Annotated[
        dict[str, Any] | None,
        Field(description='{"args.rate": {">": 0.3}, "result": null, "outcome": "raised", "caller": "f", "test": "t"}'),
    ] = None,
    call_id: int | None = None,
    trace_id: OptionalTraceId = None,
    chars: int = 2_500,
) -> Shown:
    """Read the source of functions with what each line did, instead of reading the file: values that it changed,
    compared or got from calls; x3 ran three times, * rare, - did not run. Shows the call that raised, or the last one
    that the failed statement made; others, listed by path, with call_id or where. Lines not recorded come with the
    next run.
    """
    service = service_of(ctx)
    redact = (await service.config(project)).redact
    names = [what] if isinstance(what, str) else what
    return await service.ask_for_lines(
        project,
        lambda con: build_shown(
            con, project, what=names, where=where, call_id=call_id, trace_id=trace_id, chars=chars, redact=redact
        ),
    )


TOOLS = (question(show, "Show source with values"),)
