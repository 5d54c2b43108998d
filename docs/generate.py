"""Write docs/tools.md, the reference of tools, resources and prompts: ``python docs/generate.py [--check]``."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata

from breadcrumb_server.answers.common.budget import DEFAULT_ANSWER_CHARS, MAX_ANSWER_CHARS
from breadcrumb_server.mcp_server.prompts import PROMPTS
from breadcrumb_server.mcp_server.resources import RESOURCES
from breadcrumb_server.mcp_server.tools import all_tools

PAGE = Path(__file__).with_name("tools.md")
INTRODUCTION = f"""\
# The tools

`python docs/generate.py` writes this page from the schemas that a client receives. To change a text, change it in
`server/breadcrumb_server/mcp_server/tools/` or `answers/` and run the command again.

Every call names its project. An answer has at most {DEFAULT_ANSWER_CHARS:,} characters, or {MAX_ANSWER_CHARS:,} where
more is asked for (more rows than by default, a depth, one call by its id). Fields without content are left out. The
title of each tool is followed by its MCP hints: whether it only reads, may destroy something, changes nothing more when
it is called again (idempotent), and reaches beyond the recorded traces (open world).
"""

Schema = dict[str, Any]


def tools_page() -> str:
    """Return the text of docs/tools.md."""
    tools = all_tools()
    contents = "\n".join(f"- [`{tool.name}`](#{tool.name}): {tool.title}" for tool in tools)
    contents += "\n- [Resources](#resources) and [prompts](#prompts), for clients that show them"
    described: set[str] = set()
    parts: dict[str, Schema] = {}
    sections = [INTRODUCTION + "\n" + contents]
    for tool in tools:
        sections += _tool(tool, described)
        parts |= _answer_schema(tool).get("$defs", {})
    sections += [*_resources(), *_prompts(), "## Parts of answers"]
    for name in sorted(parts):
        sections += _answer(name, parts[name])
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _tool(tool: Tool, described: set[str]) -> Iterator[str]:
    hints = (tool.annotations.model_dump(exclude={"title"}) if tool.annotations else {}).items()
    shown = ", ".join(f"{name.removesuffix('_hint').replace('_', '-')}: {'yes' if on else 'no'}" for name, on in hints)
    yield f"## `{tool.name}`"
    yield f"**{tool.title}** ({shown})"
    for paragraph in tool.description.split("\n\n"):
        example = paragraph.startswith("Example: ")
        yield f"```python\n{paragraph.replace('Example: ', '')}\n```" if example else paragraph
    if tool.parameters["properties"]:
        yield _table(("argument", "type", "default", ""), _arguments(tool.parameters))
    else:
        yield "It takes no arguments."
    answer = _answer_schema(tool)
    name = answer["title"]
    yield f"Answers {'a' if name[0] not in 'AEIO' else 'an'} [`{name}`](#{name.lower()})."
    if name not in described:
        described.add(name)
        yield from _answer(name, answer)


def _answer_schema(tool: Tool) -> Schema:
    """Return the schema of a tool's answer with the descriptions, which clients do not receive."""
    found = tool.fn_metadata
    return FuncMetadata(arg_model=found.arg_model, output_model=found.output_model).output_schema or {}


def _answer(name: str, schema: Schema) -> Iterator[str]:
    yield f"### `{name}`"
    yield schema.get("description", "").replace("``", "`")
    fields = ((f"`{field}`", _type(each), each.get("description", "")) for field, each in schema["properties"].items())
    yield _table(("field", "type", ""), fields)


def _resources() -> Iterator[str]:
    yield "## Resources"
    yield _table(("address", "type", ""), ((f"`{each.uri}`", each.mime_type, each.description) for each in RESOURCES))


def _prompts() -> Iterator[str]:
    yield "## Prompts"
    prompts = [Prompt.from_function(function, description=inspect.getdoc(function)) for function, _ in PROMPTS]
    rows = (
        (f"`{prompt.name}`", f"`{each.name}`", "required" if each.required else "", each.description or "")
        for prompt in prompts
        for each in prompt.arguments or ()
    )
    yield "\n\n".join(f"`{prompt.name}`: {prompt.description}" for prompt in prompts)
    yield _table(("prompt", "argument", "", ""), rows)


def _arguments(schema: Schema) -> Iterator[tuple[str, ...]]:
    for name, each in schema["properties"].items():
        default = json.dumps(each.get("default"))
        shown = "required" if name in schema.get("required", ()) else "" if default == "null" else f"`{default}`"
        yield f"`{name}`", _type(each), shown, each.get("description", "")


def _type(schema: Schema) -> str:
    """Return a type in words, such as ``list of string``, without null: fields without content are left out."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[`{name}`](#{name.lower()})"
    if "anyOf" in schema:
        kinds = [_type(each) for each in schema["anyOf"] if each.get("type") != "null"]
        return "value" if {"string", "number", "boolean"} <= set(kinds) else " or ".join(kinds)
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    values = schema.get("additionalProperties")
    if schema.get("type") == "object" and isinstance(values, dict):
        return f"object of {_type(values)}"
    return str(schema.get("type", "any"))


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text() != tools_page():
            sys.exit(f"{PAGE.name} is out of date: run `python docs/generate.py` and commit it")
    else:
        PAGE.write_text(tools_page())
