"""Build the MCP server from its tools, resources and prompts, and turn every error into one of MCP."""

import inspect
import json
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, TextIO

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import (
    ResourceError,
    ResourceNotFoundError,
    ToolError,
    UnexpectedResourceError,
    UnexpectedToolError,
)
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult, Resource, TextContent
from mcp.types import Prompt as PromptDescription
from pydantic import AnyUrl, ValidationError

from breadcrumb_server.failures import as_breadcrumb_error, is_defect, traceback_text
from breadcrumb_server.mcp_server.instructions import INSTRUCTIONS
from breadcrumb_server.mcp_server.prompts import PROMPTS
from breadcrumb_server.mcp_server.resources import RESOURCES, listed_resources
from breadcrumb_server.mcp_server.taken_session import AnswersWithout
from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.projects.home import Home
from breadcrumb_server.projects.validation_text import did_you_mean, explain_arguments
from breadcrumb_server.runs.registry import RunRegistry
from breadcrumb_server.service import Service

logger = logging.getLogger(__name__)

SERVER_NAME = "breadcrumb"

# Far below the 11,000 characters or so at which clients cut an error.
MAX_ERROR_CHARS = 4_000


class BreadcrumbServer(MCPServer[Service]):
    """An MCP server with Breadcrumb's tools, which also refuses unknown tools and arguments with helpful errors."""

    def __init__(self, home: Home) -> None:
        tools = all_tools()
        super().__init__(
            SERVER_NAME,
            title="Breadcrumb",
            description="Runs Python commands under a tracer and answers what happened",
            instructions=INSTRUCTIONS,
            version=version("breadcrumb-mcp"),
            tools=list(tools),
            lifespan=self._provide_service,
            log_level="WARNING",
        )
        for each in RESOURCES:
            self.resource(
                each.uri, name=each.name, title=each.title, description=each.description, mime_type=each.mime_type
            )(each.read)
        for function, title in PROMPTS:
            self.add_prompt(Prompt.from_function(function, title=title, description=inspect.getdoc(function)))
        self._home = home
        self._tools_by_name = {tool.name: tool for tool in tools}
        self._runs: RunRegistry | None = None

    @asynccontextmanager
    async def _provide_service(self, _: MCPServer[Service]) -> AsyncGenerator[Service]:
        """Provide the service while the server runs. It touches no file before the first tool call."""
        async with RunRegistry(self._home) as runs:
            self._runs = runs
            try:
                yield Service(self._home, runs)
            finally:
                self._runs = None

    async def run_stdio(self, stdin: TextIO, replayed: frozenset[str]) -> None:
        """Serve the session of a client on stdio, whose beginning has been answered already.

        Args:
            stdin: The lines of the client.
            replayed: The ids of the requests in ``stdin`` that were answered.
        """
        low_level = self._lowlevel_server
        async with stdio_server(stdin=anyio.wrap_file(stdin)) as (messages, answers):
            options = low_level.create_initialization_options()
            await low_level.run(messages, AnswersWithout(answers, replayed), options)

    async def end_runs(self) -> None:
        """Stop every run and finish its trace, before a signal ends this process."""
        if self._runs is not None:
            await self._runs.shutdown()

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Service, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: The call failed; says why, for the model.
        """
        tool = self._tools_by_name.get(name)
        if tool is None:
            names = list(self._tools_by_name)
            raise ToolError(
                f"There is no tool {_redact(name[:100])!r}{did_you_mean(name, names)}. Tools: {', '.join(names)}."
            )
        try:
            result = await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                text = explain_arguments(cause, name, tool.fn_metadata.arg_model)
            else:
                text = _explain(name, cause or error)
            raise ToolError(_printable(_redact(text))) from cause
        if isinstance(result, CallToolResult) and result.structured_content is not None:
            # For clients that show the text: the same content, without the SDK's indentation.
            compact = json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))
            result.content = [TextContent(type="text", text=compact)]
        return result

    async def list_resources(self) -> list[Resource]:
        """List the schema and the resources of each project."""
        projects = await anyio.to_thread.run_sync(listed_resources, self._home)
        return await super().list_resources() + [
            Resource(
                uri=each.uri,
                name=each.definition.name,
                title=each.title,
                description=each.definition.description,
                mime_type=each.definition.mime_type,
            )
            for each in projects
        ]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Service, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource.

        Raises:
            ResourceError: The resource cannot be read; says why.
        """
        try:
            return await super().read_resource(uri, context)
        except ResourceNotFoundError as error:
            known = ", ".join(each.uri for each in RESOURCES)
            raise ResourceNotFoundError(f"{error}. Resources: {known}.") from None
        except UnexpectedResourceError as error:
            cause = error.__cause__
            text = _explain("Reading it", cause or error)
            raise ResourceError(_printable(_redact(text))) from cause

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Service, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Fill in a prompt.

        Raises:
            MCPError: The prompt is unknown, or its arguments are wrong; lists the prompts and theirs.
        """
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:
            takes = "; ".join(_signature(each) for each in await self.list_prompts())
            text = f"The prompt {name[:100]!r} could not be filled in with these arguments. Prompts: {takes}."
            raise MCPError(INVALID_PARAMS, _redact(text)) from error


def build_server(home: Home | None = None) -> BreadcrumbServer:
    """Build a server without touching any file.

    Args:
        home: The folder with the projects; None means that of the environment.
    """
    return BreadcrumbServer(home or Home.from_environment())


def _signature(prompt: PromptDescription) -> str:
    arguments = (each.name if each.required else f"{each.name}?" for each in prompt.arguments or ())
    return f"{prompt.name}({', '.join(arguments)})"


def _explain(doing: str, error: BaseException) -> str:
    """Return the text that tells of an exception; log the traceback of a defect in Breadcrumb, without secrets."""
    if is_defect(error):
        logger.error("%s failed:\n%s", doing, traceback_text(error))
    return str(as_breadcrumb_error(error, doing))


def _redact(text: str) -> str:
    """Redact an error text, which may repeat a password from the caller's arguments."""
    from breadcrumb.redaction.redactor import Redactor

    return Redactor().redact_text(text)


def _printable(text: str) -> str:
    text = text.encode("utf-8", errors="replace").decode()
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[:MAX_ERROR_CHARS]}... ({len(text):,} characters)"
