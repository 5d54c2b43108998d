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
        Field(
            description='Functions, such as ["Cart.total", "shop.pricing:discount"], or places: "shop/pricing.py:31"'
        ),
    ],
    where: Annotated[
        dict[str, Any] | None, Field(description="Conditions for the call to show, as in get_calls")
    ] = None,
    call_id: Annotated[int | None, Field(description="The call to show (#162); default: the one that matters")] = None,
    trace_id: OptionalTraceId = None,
    chars: Annotated[int, Field(description="Maximum characters of the text")] = 2_500,
) -> Shown:
    """Show the source of functions with what each line did in the call that most likely matters: how often it ran, the
    variables that it changed, the values that a condition compared, what the functions it called returned, the
    exception that it received. Use it instead of reading the file. The call is the one in which the exception was
    raised, or the last one that the failed statement made; its other calls are listed below by path (which lines ran).
    Marks before a line: x3 it ran three times, * few calls ran it, - it did not run. Lines of a function are recorded
    if it was asked for before the run; else the answer has the source and the calls, and the next run records them.

    Example: show(project="shop", what=["Cart.total", "discount"])
    Example: show(project="shop", what="shop/pricing.py:31", where={"result": null})
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
