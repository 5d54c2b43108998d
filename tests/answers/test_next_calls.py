"""Follow-up calls name their project and trace by themselves, in the order of the tool's parameters."""

from __future__ import annotations

import re

import pytest

from breadcrumb_server.answers.common.next_calls import NextCalls
from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_storage.queries.trace_reader import TraceReader


@pytest.fixture
def next_calls(project) -> NextCalls:
    trace = project.trace(trace_id="20250110-120000-abcd", command="python main.py")
    return NextCalls("shop", TraceReader.open(project.con, trace.trace_id, "shop").trace)


def test_project_and_trace_are_filled_in(next_calls) -> None:
    assert next_calls.call("find_gaps") == 'find_gaps(project="shop", trace_id="20250110-120000-abcd")'
    assert (
        next_calls.call("get_flow", root_call_id=7)
        == 'get_flow(project="shop", trace_id="20250110-120000-abcd", root_call_id=7)'
    )


def test_what_stands_before_the_trace_in_a_tool_stands_before_it_in_a_call(next_calls) -> None:
    assert (
        next_calls.get_calls("total", {"call_id": 7})
        == 'get_calls(project="shop", function="total", trace_id="20250110-120000-abcd", where={"call_id": 7})'
    )
    assert (
        next_calls.call("compare_traces", base_trace_id="beef")
        == 'compare_traces(project="shop", base_trace_id="beef", trace_id="20250110-120000-abcd")'
    )


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_calls", {"function": "total", "where": {"call_id": 7}}),
        ("get_flow", {"function": "total", "root_call_id": 7}),
        ("analyze_performance", {"function": "total"}),
        ("compare_traces", {"base_trace_id": "beef"}),
        ("find_exceptions", {"include_handled": False, "test": "test_total"}),
        ("wait_for_run", {"wait_seconds": 45}),
        ("show", {"what": ["total"], "call_id": 7}),
    ],
)
def test_arguments_stand_in_the_order_of_the_tools_parameters(next_calls, tool, arguments) -> None:
    text = next_calls.call(tool, **arguments)
    [parameters] = [each.parameters["properties"] for each in all_tools() if each.name == tool]
    given = [name for name in parameters if name in {"project", "trace_id", *arguments}]
    assert re.findall(r"(?:\(|, )(\w+)=", text) == given


def test_a_command_that_was_redacted_is_not_proposed_again(project) -> None:
    trace = project.trace(command="python main.py --key [REDACTED]")
    assert NextCalls("shop", TraceReader.open(project.con, trace.trace_id, "shop").trace).rerun() is None


@pytest.mark.parametrize(
    ("config", "again"),
    [
        ({"env": {"PYTHONPATH": "src"}}, 'env={"PYTHONPATH": "src"}'),
        ({"stdin": "a text"}, 'stdin="a text"'),
        ({"stdin": ""}, 'stdin=""'),
        ({"env": {"API_KEY": "[REDACTED]"}}, None),
        ({"stdin": "token [REDACTED]"}, None),
        ({"stdin": None}, None),  # too long to be kept
    ],
)
def test_a_command_is_proposed_again_with_its_variables_and_input_or_not_at_all(project, config, again) -> None:
    trace = project.trace(command="python main.py", config=config)
    proposed = NextCalls("shop", TraceReader.open(project.con, trace.trace_id, "shop").trace).rerun()
    assert (again in proposed) if again and proposed else proposed is again
