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
    name: Annotated[str | None, Field(description='"amount", "self._cached"')] = None,
    value: Annotated[str | int | float | None, Field(description="As answers show it, or a part")] = None,
    exception: Annotated[str | None, Field(description="Type or message, or a part")] = None,
    of: Annotated[str | None, Field(description='"Cart", "Cart#2", a function, module or file')] = None,
    trace_id: OptionalTraceId = None,
    limit: int = 40,
    cursor: Cursor = None,
) -> Found:
    """Follow one thing through the run, in the order of time: a name (writes with values, reads), a value (where it
    appeared first, who had it then) or an exception (who raised and who handled it). Marks the last before the failure.
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
