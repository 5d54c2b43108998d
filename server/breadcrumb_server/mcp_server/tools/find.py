"""The tool that tells the history of a name, of a value or of an exception."""

from typing import Annotated

from pydantic import Field

from breadcrumb_server.answers.find.answer import Found
from breadcrumb_server.answers.find.answer import find as build_found
from breadcrumb_server.mcp_server.tools.registration import (
    Cursor,
    OptionalTraceId,
    Project,
    ServiceContext,
    question,
    service_of,
)


async def find(
    ctx: ServiceContext,
    project: Project,
    name: Annotated[str | None, Field(description='Variable, attribute or global: "amount", "self._cached"')] = None,
    value: Annotated[str | int | float | None, Field(description="A value or part of one, as answers show it")] = None,
    exception: Annotated[str | None, Field(description="Type, or a part or glob of the type or message")] = None,
    of: Annotated[str | None, Field(description='Only of this: "Cart", "Cart#2", a function, module or file')] = None,
    trace_id: OptionalTraceId = None,
    limit: Annotated[int, Field(description="Maximum lines of the text")] = 40,
    cursor: Cursor = None,
) -> Found:
    """Tell the history of one thing in the order of time; give exactly one of name, value and exception.
    name: each write with the value before and after (of a container what came and went), where it was read, which calls
    got it as an argument; the last before the failure is marked.
    value: where it appeared first, and which calls and lines had it after that.
    exception: where it was raised, with which arguments, who handled it, what it was raised again as; the first one at
    a line where no passing test raises is marked.

    Example: find(project="shop", name="self._cached", of="Rates")
    Example: find(project="shop", value="114")
    """
    service = service_of(ctx)
    redact = (await service.config(project)).redact
    return await service.ask_for_lines(
        project,
        lambda con: build_found(
            con,
            project,
            name=name,
            value=value,
            exception=exception,
            of=of,
            trace_id=trace_id,
            limit=limit,
            cursor=cursor,
            redact=redact,
        ),
    )


TOOLS = (question(find, "History of a name or value"),)
