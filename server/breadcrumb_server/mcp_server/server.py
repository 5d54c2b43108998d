"""Build the MCP server from its tools, resources and prompts, and turn every error into one of MCP."""

import inspect
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, TextIO, cast

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.context import ServerRequestContext
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
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    EmptyResult,
    GetPromptResult,
    InputRequiredResult,
    JSONRPCError,
    Resource,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from mcp.types import Prompt as PromptDescription
from mcp.types import Tool as ToolDescription
from pydantic import AnyUrl, ValidationError

from breadcrumb_server.answers.common.text import visible_texts
from breadcrumb_server.failures import as_breadcrumb_error, is_defect, traceback_text
from breadcrumb_server.mcp_server import client_logging, completion
from breadcrumb_server.mcp_server.error_text import printable, redact
from breadcrumb_server.mcp_server.http.sessions import RETRY_MILLISECONDS, SessionManager
from breadcrumb_server.mcp_server.instructions import INSTRUCTIONS
from breadcrumb_server.mcp_server.malformed import WellFormedLines
from breadcrumb_server.mcp_server.prompts import PROMPTS
from breadcrumb_server.mcp_server.resources import RESOURCES, check_subscribable, listed_resources
from breadcrumb_server.mcp_server.sdk_internals import connection_of
from breadcrumb_server.mcp_server.subscriptions import Subscriptions
from breadcrumb_server.mcp_server.taken_session import AnswersWithout
from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.projects.home import Home
from breadcrumb_server.projects.validation_text import did_you_mean, explain_arguments
from breadcrumb_server.runs.registry import RunRegistry
from breadcrumb_server.service import Service
from breadcrumb_server.tool_sets import ALL, is_loaded
from breadcrumb_storage.sql_access.query_process import QueryProcesses

logger = logging.getLogger(__name__)

SERVER_NAME = "breadcrumb"


class BreadcrumbServer(MCPServer[Service]):
    """An MCP server with Breadcrumb's tools, which also refuses unknown tools and arguments with helpful errors.

    Args:
        home: The folder with the projects.
        tool_set: Which tools it lists, see ``tool_sets``. All of them can be called.
    """

    def __init__(self, home: Home, tool_set: str) -> None:
        tools = all_tools()
        self._events = Subscriptions()
        super().__init__(
            SERVER_NAME,
            title="Breadcrumb",
            description="Runs Python commands under a tracer and answers what happened",
            instructions=INSTRUCTIONS,
            version=version("breadcrumb-mcp"),
            tools=list(tools),
            lifespan=self._provide_service,
            log_level="WARNING",
            subscriptions=self._events,
            middleware=[client_logging.forward_log],
        )
        client_logging.install()
        add = self._lowlevel_server.add_request_handler
        add("completion/complete", CompleteRequestParams, self._complete)
        # These exist in the sessions of protocols before 2026-07-28 alone.
        add("logging/setLevel", SetLevelRequestParams, client_logging.set_level)
        add("resources/subscribe", SubscribeRequestParams, self._subscribe)
        add("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        for each in RESOURCES:
            self.resource(
                each.uri, name=each.name, title=each.title, description=each.description, mime_type=each.mime_type
            )(each.read)
        for function, title in PROMPTS:
            self.add_prompt(Prompt.from_function(function, title=title, description=inspect.getdoc(function)))
        self._home = home
        self._tool_set = tool_set
        self._tools_by_name = {tool.name: tool for tool in tools}
        self._runs: RunRegistry | None = None

    @asynccontextmanager
    async def _provide_service(self, _: MCPServer[Service]) -> AsyncGenerator[Service]:
        """Provide the service while the server runs. It touches no file before the first tool call."""
        async with self._events.delivering(), RunRegistry(self._home, self._events.watch_run) as runs:
            self._runs = runs
            try:
                with QueryProcesses() as queries:
                    yield Service(self._home, runs, queries)
            finally:
                self._runs = None

    async def run_stdio(self, stdin: TextIO, replayed: frozenset[str]) -> None:
        """Serve the session of a client on stdio, whose beginning has been answered already.

        Args:
            stdin: The lines of the client.
            replayed: The ids of the requests in ``stdin`` that were answered.
        """
        low_level = self._lowlevel_server
        refusals: list[Callable[[SessionMessage], Awaitable[None]]] = []

        async def refuse(refusal: JSONRPCError) -> None:
            for send in refusals:
                await send(SessionMessage(refusal))

        lines = WellFormedLines(anyio.wrap_file(stdin), refuse)
        # All that the SDK does with the file is to iterate over it.
        async with stdio_server(stdin=cast("anyio.AsyncFile[str]", lines)) as (messages, answers):
            refusals.append(answers.send)  # before the first line is read: nothing has been awaited since
            options = low_level.create_initialization_options()
            await low_level.run(messages, AnswersWithout(answers, replayed), options)

    async def end_runs(self) -> None:
        """Stop every run and finish its trace, before a signal ends this process."""
        if self._runs is not None:
            await self._runs.shutdown()

    def make_session_manager(
        self, *, security_settings: TransportSecuritySettings, session_idle_timeout: float, max_sessions: int
    ) -> SessionManager:
        """Make what serves this server over HTTP.

        Args:
            security_settings: The Host and Origin headers that are let through.
            session_idle_timeout: Seconds without a request after which a session is closed.
            max_sessions: Number of sessions that may be open at once.
        """
        return SessionManager(
            self._lowlevel_server,
            security_settings=security_settings,
            session_idle_timeout=session_idle_timeout,
            max_sessions=max_sessions,
            retry_interval=RETRY_MILLISECONDS,
        )

    async def _complete(self, ctx: ServerRequestContext[Service], params: CompleteRequestParams) -> CompleteResult:
        found = await completion.complete(ctx.lifespan_context, params.ref, params.argument, params.context)
        return CompleteResult(completion=found)

    async def _subscribe(self, ctx: ServerRequestContext[Service], params: SubscribeRequestParams) -> EmptyResult:
        uri = str(params.uri)
        try:
            await check_subscribable(ctx.lifespan_context, uri)
        except Exception as error:
            text = printable(redact(_explain("Subscribing to it", error)))
            raise MCPError(INVALID_PARAMS, text, {"uri": uri}) from error
        self._events.add(connection_of(ctx), uri)
        return EmptyResult()

    async def _unsubscribe(self, ctx: ServerRequestContext[Service], params: UnsubscribeRequestParams) -> EmptyResult:
        self._events.remove(connection_of(ctx), str(params.uri))
        return EmptyResult()

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
                f"There is no tool {redact(name[:100])!r}{did_you_mean(name, names)}. Tools: {', '.join(names)}."
            )
        try:
            result = await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                text = explain_arguments(cause, name, tool.fn_metadata.arg_model)
            else:
                text = _explain(name, cause or error)
            raise ToolError(printable(redact(text))) from cause
        if isinstance(result, CallToolResult) and result.structured_content is not None:
            # What a program says is data: nothing of it may hide or turn around what stands beside it.
            result.structured_content = visible_texts(result.structured_content)
            # For clients that show the text: the same content, without the SDK's indentation.
            compact = json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))
            result.content = [TextContent(type="text", text=compact)]
        return result

    async def list_tools(self) -> list[ToolDescription]:
        """List the tools that a session loads."""
        return [each for each in await super().list_tools() if is_loaded(each.name, self._tool_set)]

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
            raise ResourceError(printable(redact(text))) from cause

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
            raise MCPError(INVALID_PARAMS, redact(text)) from error


def build_server(home: Home | None = None, tool_set: str = ALL) -> BreadcrumbServer:
    """Build a server without touching any file.

    Args:
        home: The folder with the projects; None means that of the environment.
        tool_set: Which tools it lists, see ``tool_sets``.
    """
    return BreadcrumbServer(home or Home.from_environment(), tool_set)


def _signature(prompt: PromptDescription) -> str:
    arguments = (each.name if each.required else f"{each.name}?" for each in prompt.arguments or ())
    return f"{prompt.name}({', '.join(arguments)})"


def _explain(doing: str, error: BaseException) -> str:
    """Return the text that tells of an exception; log the traceback of a defect in Breadcrumb, without secrets."""
    if is_defect(error):
        logger.error("%s failed:\n%s", doing, traceback_text(error))
    return str(as_breadcrumb_error(error, doing))
