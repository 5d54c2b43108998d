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
    what: Annotated[
        list[str] | str,
        Field(description='"Cart.total", "Cart", "shop/cart.py:31-60", "shop/cart.py", words: "retries|max_tries"'),
    ],
    where: Annotated[
        dict[str, Any] | None,
        Field(description='{"args.rate": {">": 0.3}, "result": null, "outcome": "raised", "caller": "f", "test": "t"}'),
    ] = None,
    call_id: int | None = None,
    trace_id: OptionalTraceId = None,
    chars: int | None = None,
) -> Shown:
    """Read code, run or not, instead of cat, sed or grep: functions, classes, lines, a file's outline, mentions of
    words. A statement is one line; with it: values changed, compared, got from calls; x3 ran three times, * rare,
    - did not run. Shows the call that raised, or the last of the failed statement; others with call_id or where.
    Lines not recorded come with the next run.
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
