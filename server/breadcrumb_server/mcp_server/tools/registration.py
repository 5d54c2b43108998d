"""Make MCP tools from functions; unlike those of the SDK, they refuse unknown arguments."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.types import ToolAnnotations
from pydantic import Field, create_model

from breadcrumb_server.mcp_server.tools.schemas import answer_schema, arguments_schema
from breadcrumb_server.service import Service

ServiceContext = Context[Service, Any]

# Arguments with the same meaning in every tool.
# Their names say most of it, and each description is paid for by every tool.
Project = str
TraceId = Annotated[str, Field(description="An id, or latest")]
OptionalTraceId = str | None
Test = Annotated[str | None, Field(description="Node id, part of it, or glob")]
Cursor = str | None

Since = Annotated[str | None, Field(description="1h, 2d, or a date")]
Limit = int


@dataclass(frozen=True)
class ToolDefinition:
    """A tool: its function, whose docstring is the description, and its hints, each of them explicit."""

    function: Callable[..., Any]
    title: str
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


def question(function: Callable[..., Any], title: str) -> ToolDefinition:
    """Define a tool that only reads traces."""
    return ToolDefinition(function, title, read_only=True, destructive=False, idempotent=True, open_world=False)


def service_of(ctx: ServiceContext) -> Service:
    """Return the service of the server that a tool call came to."""
    return ctx.request_context.lifespan_context


class _ArgumentsMetadata(FuncMetadata):
    """The SDK's metadata of a function, except that text arguments stay text."""

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """Parse lists and dicts that a client sent as JSON text, and drop nulls, which clients send for "not given".

        The SDK would also parse the ``stdin`` of a program that reads JSON, and then refuse the result. An argument
        that may be text or a list (``command``) is parsed only if it is a JSON list.
        """
        fields = self.arg_model.model_fields
        parsed = {
            name: value
            for name, value in data.items()
            if value is not None or name not in fields or fields[name].is_required()
        }
        for name, value in data.items():
            field = fields.get(name)
            if field is None or not isinstance(value, str):
                continue
            allowed = get_args(field.annotation) or (field.annotation,)
            kinds = {getattr(each, "__origin__", each) for each in allowed}
            if str in kinds and list not in kinds:
                continue
            try:
                candidate = json.loads(value)
            except (ValueError, RecursionError):
                continue
            if isinstance(candidate, list) or (isinstance(candidate, dict) and dict in kinds):
                parsed[name] = candidate
        return parsed


def _in_paragraphs(text: str) -> str:
    """Join the lines of each paragraph, as clients find tools by the phrases in their descriptions."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def make_tool(definition: ToolDefinition) -> Tool:
    """Make a tool whose schema forbids unknown arguments."""
    tool = Tool.from_function(
        definition.function,
        title=definition.title,
        description=_in_paragraphs(inspect.getdoc(definition.function) or ""),
        annotations=ToolAnnotations(
            title=definition.title,
            read_only_hint=definition.read_only,
            destructive_hint=definition.destructive,
            idempotent_hint=definition.idempotent,
            open_world_hint=definition.open_world,
        ),
        structured_output=True,
    )
    found = tool.fn_metadata
    # python-sdk#3067: an unknown argument is dropped silently. The model made here may go when the SDK forbids it.
    arguments: type[ArgModelBase] = create_model(
        found.arg_model.__name__, __base__=found.arg_model, __cls_kwargs__={"extra": "forbid"}
    )
    tool.fn_metadata = _ArgumentsMetadata(
        arg_model=arguments,
        output_schema=answer_schema(found.output_schema or {}),
        output_model=found.output_model,
        wrap_output=found.wrap_output,
    )
    tool.parameters = arguments_schema(arguments.model_json_schema(by_alias=True))
    return tool
