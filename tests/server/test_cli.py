from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from breadcrumb_server.mcp_server.tools import all_tools
from breadcrumb_server.tool_sets import SMALL_SET

pytestmark = pytest.mark.processes


def breadcrumb(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "breadcrumb_server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options)


def test_the_version_is_printed() -> None:
    done = breadcrumb("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"breadcrumb-mcp {version('breadcrumb-mcp')}")


@pytest.mark.parametrize(
    "arguments",
    [["sevre"], ["--prot", "1"], ["serve", "--transport", "carrier"], ["serve", "--port", "70000"], ["serve", "x"]],
)
def test_wrong_usage_prints_the_usage_without_a_traceback(arguments: list[str]) -> None:
    done = breadcrumb(*arguments)
    assert done.returncode == 2
    assert "usage: breadcrumb-mcp" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def listed_tools(home, arguments: list[str], **variables: str) -> set[str]:
    """Return the tools that a server lists: at once, and after it was loaded, which must be the same."""
    era = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    lines = [
        {"id": 0, "method": "initialize", "params": era},
        {"id": 1, "method": "tools/list"},
        {"id": 2, "method": "tools/call", "params": {"name": "get_config", "arguments": {"project": "x"}}},
        {"id": 3, "method": "tools/list", "params": {"cursor": None}},
    ]
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables},
    ) as server:  # fmt: skip
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write("".join(json.dumps({"jsonrpc": "2.0", **line}) + "\n" for line in lines))
        server.stdin.flush()
        answers = {each["id"]: each["result"] for each in (json.loads(server.stdout.readline()) for _ in lines)}
        server.stdin.close()
    assert "no project 'x'" in answers[2]["content"][0]["text"]
    first, second = ({tool["name"] for tool in answers[number]["tools"]} for number in (1, 3))
    assert first == second
    return first


ALL_TOOLS = {tool.name for tool in all_tools()}
MCP, SHELL = ["-m", "breadcrumb_server"], ["-m", "breadcrumb_server.command_line"]


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        (MCP, {}, SMALL_SET & ALL_TOOLS),
        (MCP, {"BREADCRUMB_TOOLS": ""}, SMALL_SET & ALL_TOOLS),
        (MCP, {"BREADCRUMB_TOOLS": "all"}, ALL_TOOLS),
        ([*MCP, "--tools", "all"], {}, ALL_TOOLS),
        ([*MCP, "--tools", "small"], {"BREADCRUMB_TOOLS": "all"}, SMALL_SET & ALL_TOOLS),
        ([*MCP, "--tools", "all", "serve"], {}, ALL_TOOLS),
        ([*MCP, "serve", "--tools", "all"], {}, ALL_TOOLS),
        ([*SHELL, "serve-mcp"], {"BREADCRUMB_TOOLS": "all"}, ALL_TOOLS),
        ([*SHELL, "serve-mcp", "--tools", "all"], {}, ALL_TOOLS),
    ],
)
def test_the_tools_of_a_session_are_chosen_by_option_or_variable(home, arguments, variables, expected) -> None:
    assert listed_tools(home, arguments, **variables) == expected


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--tools", "most"], {}),
        ([], {"BREADCRUMB_TOOLS": "most"}),
        (["serve", "--transport", "http"], {"BREADCRUMB_TOOLS": "most"}),
    ],
)
def test_an_unknown_set_of_tools_is_refused_with_the_valid_ones(home, arguments, variables) -> None:
    done = breadcrumb(*arguments, env={**os.environ, **variables})
    assert (done.returncode, done.stdout) == (2, "")
    assert "most" in done.stderr and "small" in done.stderr and "all" in done.stderr and "Traceback" not in done.stderr


def test_without_a_command_it_serves_until_stdin_ends(home) -> None:
    done = breadcrumb()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_closing_stdout_early_prints_no_traceback(home) -> None:
    command = [sys.executable, "-m", "breadcrumb_server", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None and demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert "Traceback" not in demo.stderr.read()
        assert demo.wait(60) == 1


def test_the_demo_finds_the_bug_with_the_tools_alone(home, tmp_path) -> None:
    done = breadcrumb("demo", env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found: ratebook.lookup.country_code('DE-BY') returns 'BY'" in done.stdout
    assert "\x1b" not in done.stdout
    assert "claude mcp add breadcrumb" in done.stdout
    assert not home.folder.exists(), "the demo wrote into the user's own home"
    assert [entry for entry in tmp_path.iterdir() if entry.name.startswith("breadcrumb-demo")] == []
