"""Test that every tool takes latest as a trace id, for the newest run."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.processes]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "get_trace": {},
    "wait_for_run": {"wait_seconds": 0},
    "stop_run": {},
    "find": {"name": "n"},
    "find_gaps": {},
    "show": {"what": ["work"]},
    "get_calls": {"function": "work"},
    "find_exceptions": {},
    "get_flow": {},
    "analyze_performance": {},
    "search_values": {"text": "7"},
    "compare_traces": {},
}


async def test_every_tool_that_takes_a_trace_id_takes_latest(shop, server, write) -> None:
    write("main.py", "def work(n):\n    return n\nfor n in range(5):\n    work(n)\nwork(7)\n")
    command = {"project": "shop", "command": ["python", "main.py"], "timeout_seconds": 60}
    base, run = await shop.ok("run", **command), await shop.ok("run", **command)
    tools = {tool.name for tool in await server.list_tools() if "trace_id" in tool.input_schema["properties"]}
    assert tools == ARGUMENTS.keys()
    for tool, arguments in {**ARGUMENTS, "compare_traces": {"base_trace_id": base["trace_id"]}}.items():
        answer = await shop.ok(tool, project="shop", trace_id="latest", **arguments)
        assert run["trace_id"] in str(answer), tool
    deleted = await shop.ok("delete_traces", project="shop", trace_ids=["latest"])
    assert [row[0] for row in deleted["traces"]["rows"]] == [run["trace_id"]]


async def test_a_page_of_the_latest_trace_is_followed_by_pages_of_the_same_trace(shop, write) -> None:
    write("main.py", "def work(n):\n    return n\nfor n in range(5):\n    work(n)\n")
    query = {"project": "shop", "function": "work", "trace_id": "latest", "limit": 2}
    first = await shop.ok("run", project="shop", command=["python", "main.py"], timeout_seconds=60)
    page = await shop.ok("get_calls", **query)
    await shop.ok("run", project="shop", command=["python", "main.py"], timeout_seconds=60)
    page = await shop.ok("get_calls", **query, cursor=page["next_cursor"])
    assert page["trace_id"] == first["trace_id"] and len(page["rows"]) == 2
