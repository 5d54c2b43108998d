"""Test that tool calls become commands of the shell which mean the same."""

from __future__ import annotations

import shlex

import click
import pytest

from breadcrumb_server.command_line.breadcrumb import breadcrumb
from breadcrumb_server.command_line.proposals import in_shell_words


@pytest.mark.parametrize(
    ("call", "command"),
    [
        ('list_traces(project="shop", status="failed")', "breadcrumb list -c shop --status failed"),
        ('get_trace(project="shop", trace_id="2026-a")', "breadcrumb get -c shop 2026-a"),
        ('wait_for_run(project="shop", trace_id="2026-a", wait_seconds=45)', "breadcrumb get -c shop 2026-a"),
        (
            'get_calls(project="shop", function="Cart.total", where={"args.rate": None})',
            "breadcrumb query -c shop --call Cart.total --where '{\"args.rate\": null}'",
        ),
        ('get_flow(project="shop", root_call_id=7)', "breadcrumb query --flow -c shop --root 7"),
        ('get_flow(project="shop", exception_id=1)', "breadcrumb query --flow -c shop --exception 1"),
        (
            'get_flow(project="shop", at_ms=1.5, thread="Thread-1 (work)", process_id=2)',
            "breadcrumb query --flow -c shop --at 1.5 --thread 'Thread-1 (work)' --process 2",
        ),
        (
            'show(project="shop", trace_id="2026-a", what=["Cart.total", "shop/a b.py:3"])',
            "breadcrumb show -c shop --trace 2026-a Cart.total 'shop/a b.py:3'",
        ),
        ('get_flow(project="shop", exception_id=3)', "breadcrumb query --flow -c shop --exception 3"),
        ('find_gaps(project="my shop")', "breadcrumb query --gaps -c 'my shop'"),
        ('search_values(project="shop", text="a b")', "breadcrumb query -c shop --value 'a b'"),
        (
            'query_traces(project="shop", sql="SELECT 1 AS \\"a\\"")',
            "breadcrumb query -c shop --sql 'SELECT 1 AS \"a\"'",
        ),
        (
            'find_exceptions(project="shop", type="KeyError", include_handled=False)',
            "breadcrumb exceptions -c shop --type KeyError --uncaught",
        ),
        ('analyze_performance(project="shop", function="total")', "breadcrumb performance -c shop total"),
        (
            'edit_config(project="shop", add_include=["a.*", "b.*"], set={"capture.mode": "full"})',
            "breadcrumb config edit shop --add-include 'a.*' --add-include 'b.*' --set 'capture.mode=\"full\"'",
        ),
        (
            'run(project="shop", command=["python", "a b.py"], timeout_seconds=60, capture={"lines": ["total"]})',
            "breadcrumb run -c shop --timeout 60 --lines total python 'a b.py'",
        ),
        ('init_project(project="shop", workspace="/w")', "breadcrumb init shop --workspace /w"),
        ('get_config(project="shop")', "breadcrumb config show shop"),
        ("list_projects()", "breadcrumb config list"),
    ],
)
def test_a_call_becomes_a_command_that_is_understood(call, command) -> None:
    assert in_shell_words(call) == command
    context: click.Context | None = None
    words = shlex.split(command)[1:]
    found: click.Command = breadcrumb
    while isinstance(found, click.Group):
        context = click.Context(found, parent=context)
        found = found.commands[words.pop(0)]
    found.make_context("command", words, parent=context)  # raises a usage error if it is not understood


@pytest.mark.parametrize(
    "text",
    [
        'compare_traces(project="shop", base_trace_id="a", trace_id="b")',
        'run(project="shop", command="x", timeout_seconds=1, capture={"max_depth": 9})',
        'get_flow(project="shop", cursor="x")',
        "a list_traces( that is no call",
        "print(1) and run away",
        "get_calls(project=name)",
        "",
    ],
)
def test_what_the_shell_cannot_say_is_left_as_it_is(text) -> None:
    assert in_shell_words(text) == text


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("They were not applied: use edit_config", "They were not applied: use breadcrumb config edit"),
        ("delete_traces removes traces.", "breadcrumb clear removes traces."),
        (
            "find_gaps names it, get_calls and get_flow show ids.",
            "breadcrumb query --gaps names it, breadcrumb query --call and breadcrumb query --flow show ids.",
        ),
        ("No traced function matches 'get_calls'.", "No traced function matches 'get_calls'."),
        ("shop:get_trace x2, api.list_traces, my_get_flow", "shop:get_trace x2, api.list_traces, my_get_flow"),
    ],
)
def test_names_of_tools_in_sentences_are_replaced_and_those_of_functions_are_not(sentence, shown) -> None:
    assert in_shell_words(sentence) == shown


def test_calls_in_sentences_are_replaced() -> None:
    text = (
        'Leave it out (the newest), or call list_traces(project="shop"). Then get_trace(project="shop", trace_id="a").'
    )
    assert (
        in_shell_words(text)
        == "Leave it out (the newest), or call breadcrumb list -c shop. Then breadcrumb get -c shop a."
    )
