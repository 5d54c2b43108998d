"""Complete the names of projects and the ids of traces in resource templates and prompts."""

from mcp.types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from breadcrumb_server.service import Service
from breadcrumb_storage.errors import BreadcrumbError
from breadcrumb_storage.trace_rows import LATEST

# The protocol allows no more.
MAX_VALUES = 100


async def complete(
    service: Service,
    ref: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> Completion:
    """Return the values that begin with what has been typed, the newest first.

    Args:
        service: Knows projects and traces.
        ref: The template or prompt; the names of their arguments mean the same in all of them.
        argument: The argument and its beginning.
        context: The other arguments so far. The ids of traces are those of its project.
    """
    match argument.name:
        case "project":
            names = [name for name in await service.newest_projects() if name.startswith(argument.value)]
            return _completion(names, len(names))
        case "trace_id":
            project = ((context and context.arguments) or {}).get("project", "")
            try:
                ids, total = await service.newest_traces(project, argument.value, MAX_VALUES)
            except BreadcrumbError:  # no such project yet, or its database is busy: typing on needs no error
                return _completion([], 0)
            if isinstance(ref, ResourceTemplateReference) and LATEST.startswith(argument.value):
                ids, total = [LATEST, *ids], total + 1
            return _completion(ids, total)
        case _:
            return _completion([], 0)


def _completion(values: list[str], total: int) -> Completion:
    return Completion(values=values[:MAX_VALUES], total=total, has_more=total > MAX_VALUES)
