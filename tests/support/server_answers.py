"""Asks the MCP server itself, in this process: what the front door is compared with."""

from __future__ import annotations

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCRequest
from mcp_types import jsonrpc_message_adapter

from breadcrumb_server.mcp_server.server import BreadcrumbServer

HANG_SECONDS = 60


async def server_answers(server: BreadcrumbServer, lines: list[bytes]) -> list[bytes]:
    """Send the lines of a client in one session; return for each the line of the answer, or nothing.

    A line is sent when the request before it has been answered.
    """
    low_level = server._lowlevel_server
    to_server, messages = anyio.create_memory_object_stream[SessionMessage | Exception]()
    written, from_server = anyio.create_memory_object_stream[SessionMessage]()
    answers = []
    async with anyio.create_task_group() as tasks, to_server, from_server:
        tasks.start_soon(low_level.run, messages, written, low_level.create_initialization_options())
        for line in lines:
            try:
                # As the transport for stdio reads and writes.
                message = jsonrpc_message_adapter.validate_json(line.decode(errors="replace"), by_name=False)
            except ValueError as error:
                await to_server.send(error)
                answers.append(b"")
                continue
            await to_server.send(SessionMessage(message))
            answer = b""
            if isinstance(message, JSONRPCRequest):
                with anyio.fail_after(HANG_SECONDS):
                    sent = await from_server.receive()
                answer = sent.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
            answers.append(answer)
        tasks.cancel_scope.cancel()
    return answers
