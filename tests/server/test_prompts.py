"""Test that prompts contain their arguments and name only tools and arguments that exist."""

from __future__ import annotations

import re

import pytest
from mcp.shared.exceptions import MCPError

from breadcrumb_server.tool_sets import SMALL_SET

pytestmark = pytest.mark.anyio


async def text(session, name: str, **arguments: str) -> str:
    """Return the text of a filled-in prompt."""
    (message,) = (await session.client.get_prompt(name, arguments)).messages
    assert message.role == "user"
    return message.content.text


async def test_there_are_prompts_to_debug_a_command_and_to_explain_a_failure(either_session) -> None:
    prompts = {each.name: each for each in (await either_session.client.list_prompts()).prompts}
    assert set(prompts) == {"debug", "explain_failure"}
    required = {name: [each.name for each in prompt.arguments if each.required] for name, prompt in prompts.items()}
    assert required == {"debug": ["command"], "explain_failure": ["project"]}
    assert all(each.description for prompt in prompts.values() for each in [prompt, *prompt.arguments])


async def test_a_prompt_names_tools_and_arguments_that_exist(session) -> None:
    tools = {tool.name: set(tool.input_schema["properties"]) for tool in (await session.client.list_tools()).tools}
    prompts = [
        await text(session, "debug", command="python app.py", workspace="/w", project="shop"),
        await text(session, "explain_failure", project="shop", trace_id="20250110-142301-3fa9"),
        await text(session, "explain_failure", project="shop"),
    ]
    for prompt in prompts:
        assert {
            word
            for word in re.findall(r"\b[a-z]+_[a-z]+\b", prompt)
            if word.split("_")[0] in ("compare", "get", "find", "edit", "list", "init")
        } <= set(tools)
        for name, arguments in re.findall(r"\b([a-z]+_[a-z]+)\(([^)]*)\)", prompt):
            assert set(re.findall(r"(\w+)=", arguments)) <= tools[name]
        assert set(re.findall(r"\b[a-z]+_[a-z]+\b", prompt)) & set(tools) <= SMALL_SET
    assert all(
        tool in prompts[0] for tool in ("init_project", "find_gaps", "edit_config", "get_flow", "find_exceptions")
    )


async def test_a_prompt_contains_its_arguments(session) -> None:
    plain = await text(session, "debug", command="python -m pytest -x")
    full = await text(session, "debug", command="python app.py", workspace="/home/me/shop", project="shop")
    assert "    python -m pytest -x\n" in plain and "a project named after this code" in plain
    assert 'workspace="/home/me/shop"' in full and 'project="shop"' in full
    assert 'get_trace(project="shop", trace_id="abcd")' in await text(
        session, "explain_failure", project="shop", trace_id="abcd"
    )


@pytest.mark.processes
async def test_the_statement_of_the_prompt_finds_the_newest_failed_trace(shop, write) -> None:
    ids = []
    for code in (1, 3, 0):
        write("end.py", f"raise SystemExit({code})\n")
        report = await shop.ok("run", project="shop", command=["python3", "end.py"], timeout_seconds=60)
        ids.append(report["trace_id"])
    (sql,) = re.findall(r'sql="(.*?)"', await text(shop, "explain_failure", project="shop"))
    assert (await shop.ok("query_traces", project="shop", sql=sql))["rows"] == [[ids[1]]]


@pytest.mark.parametrize(("name", "arguments"), [("explain_failure", {}), ("debug", {"comand": "x"}), ("fix", {})])
async def test_the_error_for_an_unknown_prompt_or_argument_lists_the_prompts(
    session, name: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(
        MCPError, match=rf"The prompt '{name}'.*debug\(command, workspace\?, project\?\); explain_failure\("
    ):
        await session.client.get_prompt(name, arguments)
