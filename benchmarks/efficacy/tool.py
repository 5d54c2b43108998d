"""Call one tool of Breadcrumb from a shell, and print what a client would show to its model.

    python tool.py --server breadcrumb-mcp --home FOLDER TOOL '{"argument": "value"}'
    python tool.py --server breadcrumb-mcp --home FOLDER TOOL - < arguments.json
    python tool.py --server breadcrumb-mcp --home FOLDER --list

Each call starts the server over stdio and ends it. What lasts (projects, traces) lies in the home folder, so a sequence
of calls is a session. The answer is printed as compact JSON where it is structured, otherwise as its text; so are
errors. ``--list`` prints the server's instructions and the definitions of its tools, as a client sends them to a model
once in a session. Needs the package ``mcp``, which Breadcrumb brings along.

A ``run`` that does not say how long it waits, waits for RUN_SECONDS: the server ends with the call, so a run has to end
within it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

RUN_SECONDS = 100


def compact(value: Any) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_shown(result: Any) -> str:
    """Return a tool's answer as a client shows it: the structured content, or the text."""
    if result.structured_content is not None and not result.is_error:
        return compact(result.structured_content)
    return "\n".join(block.text for block in result.content if hasattr(block, "text"))


async def definitions(client: Client) -> str:
    """Return what a model is told about the server and its tools."""
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += [
            {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
            for tool in page.tools
        ]
        cursor = page.next_cursor
        if cursor is None:
            break
    return "\n\n".join(filter(None, [client.instructions, *map(compact, tools)]))


async def answer(server: StdioServerParameters, tool: str | None, arguments: dict[str, Any]) -> tuple[str, bool]:
    """Return the text that a client shows, and whether it is an error; without a tool, the definitions."""
    async with Client(stdio_client(server)) as client:
        if tool is None:
            return await definitions(client), False
        result = await client.call_tool(tool, arguments)
        return as_shown(result), bool(result.is_error)


def main() -> int:
    """Make the call that the command line asks for; 1 if the tool answered with an error."""
    parser = argparse.ArgumentParser(description="Call one tool of Breadcrumb and print its answer.")
    parser.add_argument("--server", default="breadcrumb-mcp", help="the command that serves MCP over stdio")
    parser.add_argument("--home", type=Path, required=True, help="BREADCRUMB_HOME of this session")
    parser.add_argument("--list", action="store_true", help="print the instructions and the tools' definitions")
    parser.add_argument("tool", nargs="?")
    parser.add_argument("arguments", nargs="?", default="{}", help="a JSON object, or - to read it from standard input")
    options = parser.parse_args()
    if not options.list and not options.tool:
        parser.error("name a tool, or ask for --list")

    text = sys.stdin.read() if options.arguments == "-" else options.arguments
    try:
        arguments = json.loads(text)
    except ValueError as error:
        parser.error(f"the arguments are not JSON: {error}")
    if not isinstance(arguments, dict):
        parser.error("the arguments are not a JSON object")
    if options.tool == "run":
        arguments.setdefault("wait_seconds", RUN_SECONDS)

    options.home.mkdir(parents=True, exist_ok=True)
    server = StdioServerParameters(
        command=options.server, args=[], env={**os.environ, "BREADCRUMB_HOME": str(options.home)}
    )
    shown, failed = anyio.run(answer, server, None if options.list else options.tool, arguments)
    print(shown)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
