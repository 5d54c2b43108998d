"""Test the contract of every tool: hints, sizes, schemas, refusal of unknown arguments."""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from mcp import Client, types

from breadcrumb_server.mcp_server.instructions import INSTRUCTIONS
from breadcrumb_server.mcp_server.server import BreadcrumbServer, build_server
from breadcrumb_server.tool_sets import ALL, SMALL, SMALL_SET

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "BREADCRUMB_UPDATE_SNAPSHOTS"
MAX_DESCRIPTION_BYTES = 2048

TOOLS = {
    "init_project": {"project"},
    "list_projects": set(),
    "get_config": {"project"},
    "edit_config": {"project"},
    "run": {"project", "command", "timeout_seconds"},
    "wait_for_run": {"project", "trace_id", "wait_seconds"},
    "stop_run": {"project", "trace_id"},
    "list_traces": {"project"},
    "get_trace": {"project"},
    "show": {"project", "what"},
    "find": {"project"},
    "find_gaps": {"project"},
    "get_calls": {"project", "function"},
    "find_exceptions": {"project"},
    "get_flow": {"project"},
    "analyze_performance": {"project"},
    "search_values": {"project", "text"},
    "compare_traces": {"project", "base_trace_id", "trace_id"},
    "query_traces": {"project", "sql"},
    "delete_traces": {"project"},
}

pytestmark = pytest.mark.anyio


async def test_tools_and_required_arguments_match_the_contract(either_session) -> None:
    tools = (await either_session.client.list_tools()).tools
    assert {tool.name: set(tool.input_schema.get("required", [])) for tool in tools} == TOOLS


async def test_every_hint_of_every_tool_is_explicit(session) -> None:
    for tool in (await session.client.list_tools()).tools:
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude={"title"})
        assert None not in hints.values(), (tool.name, hints)
        assert len(hints) == 4
        assert not (hints["read_only_hint"] and hints["destructive_hint"]), tool.name


async def test_descriptions_are_short_and_their_examples_call_the_tool(session) -> None:
    for tool in (await session.client.list_tools()).tools:
        assert tool.description
        assert len(tool.description.encode()) <= MAX_DESCRIPTION_BYTES, tool.name
        assert set(re.findall(r"Example: (\w+)\(", tool.description)) <= {tool.name}


async def test_every_tool_has_an_output_schema(session) -> None:
    for tool in (await session.client.list_tools()).tools:
        assert tool.output_schema is not None and tool.output_schema["type"] == "object"
        assert "ctx" not in tool.input_schema.get("properties", {})


def as_sent_to_a_model(tool: types.Tool) -> str:
    """Return a tool as a client puts it into the request to its model: without hints and the schema of answers."""
    content = {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("tool_set", "most_characters", "most_bytes"),
    [(SMALL, 9_000, 30_000), (ALL, 13_300, 41_000)],
)
async def test_the_tools_of_a_session_have_few_characters(home, tool_set, most_characters, most_bytes) -> None:
    """Lower a number when there is less: it must not grow."""
    async with Client(build_server(home, tool_set)) as client:
        tools = (await client.list_tools()).tools
    assert sum(len(as_sent_to_a_model(tool)) for tool in tools) <= most_characters
    listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    assert len(json.dumps(listed, ensure_ascii=False, separators=(",", ":")).encode()) <= most_bytes


async def test_schemas_have_no_generated_titles_and_no_nulls_for_arguments(session) -> None:
    for tool in (await session.client.list_tools()).tools:
        assert '"null"' not in json.dumps(tool.input_schema), tool.name
        for name, argument in tool.input_schema["properties"].items():
            assert "title" not in argument and argument.get("default", "") is not None, (tool.name, name)
            assert argument.keys() & {"type", "anyOf"}, (tool.name, name)


async def test_a_session_loads_the_small_set_and_can_call_the_others(home) -> None:
    async with Client(build_server(home, SMALL)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == SMALL_SET & set(TOOLS)
        result = await client.call_tool("list_projects", {})
    assert not result.is_error and result.structured_content["projects"]["rows"] == []


async def test_null_stands_for_an_argument_that_is_not_given(shop) -> None:
    for name in ("find_gaps", "get_flow", "find_exceptions", "list_traces"):
        (tool,) = (tool for tool in (await shop.client.list_tools()).tools if tool.name == name)
        plain = await shop.client.call_tool(name, {"project": "shop"})
        nulls = dict.fromkeys(tool.input_schema["properties"])
        assert (await shop.client.call_tool(name, {**nulls, "project": "shop"})).content == plain.content
    assert "project = null: must be text" in await shop.error("find_gaps", project=None)


async def test_instructions_are_short_and_contain_the_words_of_users(either_session) -> None:
    instructions = either_session.client.instructions
    assert instructions == INSTRUCTIONS
    assert len(instructions.encode()) <= MAX_DESCRIPTION_BYTES
    for words in ("debug", "trac", "why does this python fail", "slow"):
        assert words in instructions[:600].lower(), words


@pytest.mark.parametrize("words", ["debug", "trac", "why does this python fail", "slow", "hang"])
async def test_the_description_of_run_contains_the_words_of_users(session, words: str) -> None:
    """Check the words because clients load a tool only when a search of names and descriptions finds it."""
    (run,) = (tool for tool in (await session.client.list_tools()).tools if tool.name == "run")
    assert words in run.description[:500].lower()


async def test_the_server_reports_its_version(either_session) -> None:
    info = either_session.client.server_info
    assert (info.name, info.version) == ("breadcrumb", version("breadcrumb-mcp"))


@pytest.mark.parametrize("name", sorted(TOOLS))
async def test_the_schema_of_a_tool_changes_only_on_purpose(server: BreadcrumbServer, name: str) -> None:
    """Set BREADCRUMB_UPDATE_SNAPSHOTS=1 to rewrite the files, and read the difference before committing it."""
    async with Client(server) as client:
        tool = next(tool for tool in (await client.list_tools()).tools if tool.name == name)
    text = json.dumps(tool.model_dump(mode="json", by_alias=True, exclude_none=True), indent=2, sort_keys=True) + "\n"
    file = SNAPSHOTS / f"{name}.json"
    if os.environ.get(UPDATE):
        file.write_text(text)
    assert file.read_text() == text


def test_every_snapshot_belongs_to_a_tool() -> None:
    assert {file.stem for file in SNAPSHOTS.glob("*.json")} == set(TOOLS)


@pytest.mark.parametrize("name", sorted(TOOLS))
async def test_the_error_for_an_unknown_argument_lists_the_valid_ones(session, name: str) -> None:
    required = {"command": ["true"], "timeout_seconds": 1, "wait_seconds": 0}
    arguments = {argument: required.get(argument, "x") for argument in TOOLS[name]}
    error = await session.error(name, **arguments, projcet="x")
    assert f"{name} was not called" in error
    assert "unknown argument 'projcet'" in error
    for argument in TOOLS[name]:
        assert argument in error.splitlines()[-1]


async def test_missing_and_mistyped_arguments_are_all_named_at_once(either_session) -> None:
    error = await either_session.error("run", project="shop", timeout_seconds="soon", env={"A": 3}, wait=1)
    assert "'command' is required" in error
    assert 'timeout_seconds = "soon": must be a number' in error
    assert "unknown argument 'wait'" in error
    assert "env.A: must be text" in error


async def test_a_refused_environment_is_not_repeated(session) -> None:
    error = await session.error("run", project="x", command="x", timeout_seconds=1, env={"API_KEY": ["sk-1234567890"]})
    assert "API_KEY" in error and "sk-1234567890" not in error


async def test_the_error_for_an_unknown_tool_lists_the_tools(session) -> None:
    error = await session.error("get_call", project="x")
    assert "did you mean 'get_calls'" in error and "find_exceptions" in error


@pytest.mark.processes
async def test_a_list_sent_as_text_is_parsed_and_json_on_stdin_is_not(shop, write) -> None:
    write("echo.py", "import sys\nprint(sys.stdin.read())\n")
    report = await shop.ok(
        "run", project="shop", command='["python3", "echo.py"]', timeout_seconds=60, stdin='{"a": [1]}'
    )
    assert report["stdout_tail"].strip() == '{"a": [1]}'


async def test_text_and_structured_content_are_equal(either_session) -> None:
    result = await either_session.client.call_tool("list_projects", {})
    assert json.loads(result.content[0].text) == result.structured_content
    assert "\n" not in result.content[0].text


async def test_an_internal_error_names_the_tool_and_shows_no_secret(session, monkeypatch, capsys) -> None:
    def fail(home: object) -> None:
        raise RuntimeError("cannot reach https://user:hunter2@host/")

    monkeypatch.setattr("breadcrumb_server.projects.manage.list_projects", fail)
    error = await session.error("list_projects")
    assert "list_projects failed because of an error in Breadcrumb itself: RuntimeError" in error
    assert "hunter2" not in error
